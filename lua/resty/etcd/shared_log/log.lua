-- Generated from src/resty/etcd/shared_log/log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local random = require("resty.etcd.base.random")

--- The log in the shared dict: a chain of epochs, each with one writer.
---
--- An epoch has a head (the number of its last published piece), pieces, a note of what it begins with, perhaps a base
--- (all keys, as they were when it began), and perhaps a successor. Whoever wants to write creates an epoch of its own,
--- complete but for the link that leads to it, seals the last one of the chain, and links its own behind it. Taking
--- over from a dead writer and putting a new base under a long log are the same thing.
---
--- Why nothing is lost, told twice or torn, wherever a worker is stopped or killed:
---- Only its own writer writes the pieces of an epoch, and each number once. They are published by one `incr` of the
---  head, after they were written. What was not published is never read.
---- Sealing is an `incr` of the same head by SEAL. So a writer learns from its own `incr` whether it was still the
---  writer: one that was stopped for long publishes nothing any more, and goes.
---- A link says which piece of the sealed epoch is the last, and is written by `safe_add`: of several successors one
---  wins. Readers of a sealed epoch wait for the link. The pieces that a late `incr` has published after the seal are
---  complete, so a link may count them in or not.
---- What comes before an epoch with a base is removed after this one was linked. A late writer may remove only what
---  comes before its own base, which nobody needs then; a reader that was in there starts again at the root.
---- The root, where reading begins, is a hint. A late writer may set it back to what is gone; the writer of the day
---  sets it right with its next sign of life, as it knows from its own epoch what that stands on.
---- Links outlive their epochs by thousands of them, so that a late `safe_add` fails for as long.
---- Numbers are overwritten in place, which needs no memory: a full dict can still say that the log is broken.
--- A missing key, whatever removed it, is noticed by number, a changed one by checksum; then the log is given up for a
--- new one under another name.
---
--- Each operation on the dict is whole by itself. A worker that dies within one loses nginx's lock to the master, which
--- frees it; one that is stopped within one holds up all users of the dict until it goes on, which only nginx can change.
---@class resty.etcd.shared_log.log.Log
---@field dict table
---@field base string Of the logs that come one after the other.
---@field name string In front of all of this log's keys.

--- How an epoch is followed by another.
---@class resty.etcd.shared_log.log.Link
---@field to number
---@field at number Last piece that counts.
---@field skip number Reading goes on after this piece.
---@field reason string? The other one begins anew, for this reason, with its base.

local format = string.format
local floor = math.floor
local match = string.match
local now = clock.now
local SEAL = 2 ^ 42

--- Numbers that a log has from its first moment.
local NUMBERS = {
    "root",
    "epochs",
    "broken",
    "swept",
    "candidate",
    "0h"
}

local function not_empty(text)
    if text == "" then
        return nil
    end
    return text
end

local function number_at(log, key)
    local value = log.dict:get(log.name .. key)
    return value
end

--- Overwrites a number that is there.
---@param log resty.etcd.shared_log.log.Log
---@param key string
---@param value number
local function set_number(log, key, value)
    log.dict:safe_set(log.name .. key, value)
end

local function key_of(log, epoch, what)
    return log.name .. tostring(epoch) .. what
end

local function log_named(dict, base, id)
    return {
        dict = dict,
        base = base,
        name = base .. format("%x", id) .. "|"
    }
end

--- Which log is the one of the day.
---@param dict table
---@param base string
---@return resty.etcd.shared_log.log.Log?
local function current(dict, base)
    local id = dict:get(base .. "now")
    if id == nil then
        return nil
    end
    return log_named(dict, base, id)
end

--- Removes a log's own numbers.
---@param log resty.etcd.shared_log.log.Log
local function forget(log)
    for ____, name in ipairs(NUMBERS) do
        log.dict:delete(log.name .. name)
    end
end

--- Starts a log: the first one, or one in the place of a broken one.
---@param dict table
---@param base string
---@param old resty.etcd.shared_log.log.Log? what was found instead
---@return resty.etcd.shared_log.log.Log? res # nil and an error if the dict has no room for it
---@return string? err
local function begin(dict, base, old)
    local id = floor(now() * 1000000) * 256 + random.below(256)
    local log = log_named(dict, base, id)
    dict:safe_add(base .. "retry", 0)
    for ____, name in ipairs(NUMBERS) do
        local ok, err = dict:safe_add(log.name .. name, 0)
        if not ok then
            forget(log)
            return nil, err or ""
        end
    end
    if old == nil then
        local ok = dict:safe_add(base .. "now", id)
        if not ok then
            forget(log)
            local found = current(dict, base)
            if found == nil then
                return nil, "no memory"
            end
            return found
        end
    else
        dict:safe_set(base .. "now", id)
    end
    return log
end

--- True if the log cannot be used any more, and a new one is needed.
---@param log resty.etcd.shared_log.log.Log
---@return boolean
local function is_broken(log)
    return number_at(log, "broken") ~= 0
end

--- Gives the log up. All workers go on by themselves until then.
---@param log resty.etcd.shared_log.log.Log
---@param retry_after number
local function mark_broken(log, retry_after)
    set_number(log, "broken", 1)
    log.dict:safe_set(
        log.base .. "retry",
        now() + retry_after
    )
end

--- Seconds until a new log may be tried in the place of a broken one.
---@param dict table
---@param base string
---@return number
local function retry_in(dict, base)
    local at = dict:get(base .. "retry")
    return (at or 0) - now()
end

--- Number of the last published piece of an epoch, and whether it is sealed; nil if the epoch is gone.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number? position
---@return boolean is_sealed
local function head(log, epoch)
    local value = number_at(
        log,
        tostring(epoch) .. "h"
    )
    if value == nil or value < SEAL then
        return value, false
    end
    return value % SEAL, true
end

--- Publishes pieces that were written.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param count number
---@return boolean ok # false if the epoch is sealed, and they are not published
---@return boolean gone
local function publish(log, epoch, count)
    local value = log.dict:incr(
        key_of(log, epoch, "h"),
        count
    )
    return value ~= nil and value < SEAL, value == nil
end

local function seal(log, epoch)
    log.dict:incr(
        key_of(log, epoch, "h"),
        SEAL
    )
end

--- Takes a number for a new epoch.
---@param log resty.etcd.shared_log.log.Log
---@return number?
local function allocate_epoch(log)
    local value = log.dict:incr(log.name .. "epochs", 1)
    return value
end

local function link_of(log, epoch)
    local value = log.dict:get(key_of(log, epoch, "n"))
    if type(value) ~= "string" then
        return nil
    end
    local to, at, skip, reason = match(value, "^(%d+) (%d+) (%d+) (%l*)$")
    if to == nil then
        return nil
    end
    return {
        to = tonumber(to),
        at = tonumber(at),
        skip = tonumber(skip),
        reason = not_empty(reason)
    }
end

--- Puts an epoch into the chain, after the one before was sealed.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param link resty.etcd.shared_log.log.Link
---@return boolean ok # false and `exists` if another one was there first, false and `no memory` if the dict is full
---@return string? err
local function add_link(log, epoch, link)
    local text = format(
        "%d %d %d %s",
        link.to,
        link.at,
        link.skip,
        link.reason or ""
    )
    return log.dict:safe_add(
        key_of(log, epoch, "n"),
        text
    )
end

--- A sign of life of an epoch's writer. The clock is the machine's, the same for all workers.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param contact number?
local function heartbeat(log, epoch, contact)
    if contact ~= nil then
        set_number(
            log,
            tostring(epoch) .. "c",
            contact
        )
    end
    set_number(
        log,
        tostring(epoch) .. "l",
        now()
    )
end

--- The writer leaves: another one may begin at once.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
local function release(log, epoch)
    set_number(
        log,
        tostring(epoch) .. "l",
        0
    )
end

--- Seconds since the last sign of life of an epoch's writer.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number
local function seconds_since_heartbeat(log, epoch)
    return now() - (number_at(
        log,
        tostring(epoch) .. "l"
    ) or 0)
end
_M.add_link = add_link
_M.begin = begin
_M.current = current
_M.forget = forget
_M.mark_broken = mark_broken
_M.head = head
_M.is_broken = is_broken
_M.key_of = key_of
_M.link_of = link_of
_M.not_empty = not_empty
_M.number_at = number_at
_M.publish = publish
_M.release = release
_M.heartbeat = heartbeat
_M.retry_in = retry_in
_M.seal = seal
_M.set_number = set_number
_M.seconds_since_heartbeat = seconds_since_heartbeat
_M.allocate_epoch = allocate_epoch

return _M
