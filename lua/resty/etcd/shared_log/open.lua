-- Generated from src/resty/etcd/shared_log/open.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local log_feed = require("resty.etcd.shared_log.log_feed")
local poll_timers = require("resty.etcd.shared_log.poll_timer")

--- Of keys and values in the dict: another layout has other names.
local LAYOUT = 1

--- Seconds between two looks at the head of the log.
local POLL_INTERVAL = 0.005

--- Seconds after which a log that was given up is tried anew.
local RETRY = 60

--- Looks around for all logs of this worker.
local poll_timer = poll_timers.new(POLL_INTERVAL)

--- By the dict and what all keys begin with: what this worker has.
local coordinators = {}

--- A feed for this worker out of a log that is in a shared dict, and that one worker of the machine writes for all.
---@param dict table where the log is
---@param identity string what the log is of: the same for all workers that share it, and for no others
---@param open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError? opens a feed out of etcd itself, for the worker that writes, and for all where the dict fails
---@return resty.etcd.watch.feed.Feed? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function open(dict, identity, open_source)
    if ngx.get_phase() == "init" then
        return nil, errors.local_error("bad_request", "not in init: workers are not there yet")
    end
    local base = "etcd log " .. tostring(LAYOUT) .. "|" .. string.sub(
        ngx.md5(identity),
        1,
        20
    ) .. "|"
    local of_dict = coordinators[dict]
    if of_dict == nil then
        of_dict = {}
        coordinators[dict] = of_dict
    end
    local coordinator = of_dict[base]
    if coordinator == nil then
        coordinator = log_feed.new_coordinator(dict, base, open_source, RETRY)
        of_dict[base] = coordinator
    end
    return log_feed.attach(poll_timer, coordinator)
end
_M.open = open

return _M
