-- Generated from src/resty/etcd/watch/watch_log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local masked_url = require("resty.etcd.endpoint.masked_url")
local errors = require("resty.etcd.protocol.errors")
local now = clock.now

--- Seconds between two log lines about the same kind of failure.
local LOG_INTERVAL = 10

--- What a shared watch has logged. Written by this file.
---@class resty.etcd.watch.watch_log.WatchLog
---@field subject string What each line starts with: `watch of /routes/`.
---@field last_logged_at table Times of the last lines, by the kind of failure.
---@field failing_since number? Time of the first failure that was logged since the watch was well; nil while it is.
---@field on_retry fun(rpc: string, err: resty.etcd.protocol.errors.EtcdError) For the calls of the watch.

--- Reports whether a line about a kind of failure is to be written now.
---@param log resty.etcd.watch.watch_log.WatchLog
---@param kind string
---@return boolean
local function is_due(log, kind)
    local time = now()
    local last = log.last_logged_at[kind]
    if last ~= nil and time - last <= LOG_INTERVAL then
        return false
    end
    log.last_logged_at[kind] = time
    return true
end

--- Logs that a call for the watch continues at another endpoint.
---@param log resty.etcd.watch.watch_log.WatchLog
---@param rpc string
---@param err resty.etcd.protocol.errors.EtcdError
local function retrying(log, rpc, err)
    if log.failing_since == nil then
        log.failing_since = now()
    end
    if is_due(log, rpc .. " " .. err.name) then
        local name = printable.key(rpc)
        ngx.log(
            ngx.WARN,
            log.subject,
            ": ",
            name,
            ": ",
            errors.to_text(err),
            "; retrying on another endpoint"
        )
    end
end

local function create(key)
    local log
    log = {
        subject = printable.key("watch of " .. key),
        last_logged_at = {},
        failing_since = nil,
        on_retry = function(rpc, err)
            retrying(log, rpc, err)
        end
    }
    return log
end

--- Logs why a stream has ended, or could not be opened.
---@param log resty.etcd.watch.watch_log.WatchLog
---@param err resty.etcd.protocol.errors.EtcdError
local function reopening(log, err)
    if log.failing_since == nil then
        log.failing_since = now()
    end
    if is_due(log, err.name) then
        ngx.log(
            ngx.WARN,
            log.subject,
            ": ",
            errors.to_text(err),
            "; opening another stream"
        )
    end
end

--- Logs a compaction of revisions after the position of the watch.
---@param log resty.etcd.watch.watch_log.WatchLog
---@param reads_state boolean a subscriber needs those revisions, and gets the difference to a full state instead
local function compacted(log, reads_state)
    if is_due(log, "compacted") then
        local step = reads_state and "reading all keys, and delivering what has changed" or "resuming, no event is lost"
        ngx.log(ngx.NOTICE, log.subject, ": resumed from a revision that is compacted; ", step)
    end
end

--- Logs that etcd has confirmed the watch again after failures that were logged.
---@param log resty.etcd.watch.watch_log.WatchLog
---@param endpoint string
local function established(log, endpoint)
    local since = log.failing_since
    if since ~= nil then
        log.failing_since = nil
        local seconds = string.format(
            "%.1f",
            now() - since
        )
        ngx.log(
            ngx.NOTICE,
            log.subject,
            ": established again at ",
            masked_url.mask(endpoint),
            " after ",
            seconds,
            " s"
        )
    end
end
_M.compacted = compacted
_M.new = create
_M.established = established
_M.reopening = reopening

return _M
