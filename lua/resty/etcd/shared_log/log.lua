-- Generated from src/resty/etcd/shared_log/log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local decimal = require("resty.etcd.base.decimal")
local dict_values = require("resty.etcd.base.dict_values")
local random = require("resty.etcd.base.random")

--- The log in the shared dict: a chain of epochs, each with one writer.
---
--- An epoch has a head (the number of its last published chunk), records in numbered chunks, and a header (the state that
--- it starts from). It can have a base (all keys as of its start) and a link to its successor. To write, a worker creates
--- its own epoch, complete except for the link that leads to it, seals the last epoch of the chain, and links its own
--- epoch behind it. A worker that takes over from a dead writer and a writer that compacts its log do the same.
---
--- Why no event is lost, delivered twice or torn, wherever a worker is stopped or killed:
---- Only the writer that created an epoch writes its chunks, and it never writes a published chunk again. One `incr` of
---  the head publishes chunks after all of them are stored. Readers read published chunks only.
---- Sealing is an `incr` of the same head, by SEAL. What the `incr` returns with which a writer publishes therefore shows
---  it whether its epoch was sealed before. A writer that was stopped meanwhile counts nothing as published, and stops.
---- A link names the last chunk of the sealed epoch that counts. It is written with `safe_add`, so that only one of
---  several successors succeeds. Readers of a sealed epoch wait for its link. Chunks whose `incr` came after the seal are
---  complete, so it does not matter whether the link counts them: the successor continues after those that it counts.
---- Epochs before one with a base are removed only after that one was linked. A late writer can remove only epochs
---  before its own base, which the current chain does not need. A reader that is still there starts again at the root.
---- The root, the epoch where reading starts, is a hint. A late writer can set it back to an epoch that was removed.
---  The current writer corrects it with its next heartbeat, because it knows the root from its epoch's header.
---- A link is kept while thousands of epochs follow, so that the `safe_add` of a late writer fails for that long.
---- Counters are overwritten in place, which needs no memory: the log can be marked as broken even in a full dict.
--- A missing key is detected by its number, whatever has removed it, and a changed one by its checksum. The log is then
--- abandoned, and replaced by one with another name.
---
--- Each operation on the dict is atomic. If a worker dies during one, nginx's master releases the lock of the dict. A
--- worker that is stopped during one blocks all users of the dict until it continues; only nginx could change that.
---@class resty.etcd.shared_log.log.Log
---@field dict table
---@field namespace string Prefix of the keys of all logs that replace one another.
---@field name string Prefix of this log's keys. No two logs have the same.

--- The way from an epoch to its successor.
---@class resty.etcd.shared_log.log.Link
---@field to number The successor.
---@field at number Last chunk of the sealed epoch that counts.
---@field skip number Last chunk of the successor that repeats what came before: reading continues after it.
---@field reason string? Set if the successor does not continue the sealed epoch: why readers must take its base instead.

local format = string.format
local floor = math.floor
local match = string.match
local now = clock.now

--- Added to an epoch's head to seal it: above any chunk number, and exact in a double although several workers add it.
local SEAL = 2 ^ 42

--- Counters that a log has from its start.
local COUNTERS = {
    "root",
    "epochs",
    "broken",
    "swept",
    "candidate",
    "0h"
}

--- Maximum bytes of a link: three numbers and a reason.
local MAX_LINK_SIZE = 128

--- Seconds that a time of another worker can be later than now: a worker can be interrupted between two operations.
local CLOCK_TOLERANCE = 1

--- Maximum seconds before an abandoned log is replaced: a later time is not of this driver.
local MAX_RETRY_DELAY = 600

--- Key of the error of the worker that writes, see writer_error.ts.
local ERROR_KEY = "error"

local function nil_if_empty(text)
    if text == "" then
        return nil
    end
    return text
end

--- Returns a counter; nil if it is missing, or no longer one.
---@param log resty.etcd.shared_log.log.Log
---@param key string
---@return number?
local function get_number(log, key)
    return dict_values.get_integer(log.dict, log.name .. key)
end

--- Returns a time of the clock of all workers; nil if it is missing, or later than now.
---@param log resty.etcd.shared_log.log.Log
---@param key string
---@return number?
local function get_time(log, key)
    return dict_values.get_time(
        log.dict,
        log.name .. key,
        now(),
        CLOCK_TOLERANCE
    )
end

--- Overwrites a number that exists.
---@param log resty.etcd.shared_log.log.Log
---@param key string
---@param value number
local function set_number(log, key, value)
    log.dict:safe_set(log.name .. key, value)
end

--- Returns the key of a part of an epoch.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param part string
---@return string
local function key_of(log, epoch, part)
    return log.name .. tostring(epoch) .. part
end

local function log_with_id(dict, namespace, id)
    return {
        dict = dict,
        namespace = namespace,
        name = namespace .. format("%x", id) .. "|"
    }
end

--- Returns the current log of a namespace, or nil if it has none.
---@param dict table
---@param namespace string
---@return resty.etcd.shared_log.log.Log?
local function current(dict, namespace)
    local id = dict_values.get_integer(dict, namespace .. "now")
    return id ~= nil and log_with_id(dict, namespace, id) or nil
end

local function remove_counters(log)
    for ____, name in ipairs(COUNTERS) do
        log.dict:delete(log.name .. name)
    end
    log.dict:delete(log.name .. ERROR_KEY)
end

--- Creates the first log of a namespace, or one that replaces a broken one.
---@param dict table
---@param namespace string
---@param broken resty.etcd.shared_log.log.Log? the log to replace; nil if there was none
---@return resty.etcd.shared_log.log.Log? res # the log, or that of another worker that was faster; nil and an error if the dict has no room for it
---@return string? err
local function create(dict, namespace, broken)
    local id = floor(now() * 1000000) * 256 + random.below(256)
    local log = log_with_id(dict, namespace, id)
    dict:safe_add(namespace .. "retry", 0)
    for ____, name in ipairs(COUNTERS) do
        local ok, err = dict:safe_add(log.name .. name, 0)
        if not ok then
            remove_counters(log)
            return nil, err or ""
        end
    end
    if broken == nil then
        local ok, err = dict:safe_add(namespace .. "now", id)
        local ____ok_0
        if ok then
            ____ok_0 = nil
        else
            ____ok_0 = current(dict, namespace)
        end
        local existing = ____ok_0
        if existing ~= nil or err == "no memory" then
            remove_counters(log)
            if existing == nil then
                return nil, "no memory"
            end
            return existing
        end
        if ok then
            return log
        end
    end
    dict:safe_set(namespace .. "now", id)
    return log
end

--- Removes the keys of a namespace, so that the next worker creates another log.
---@param dict table
---@param namespace string
local function forget_current(dict, namespace)
    dict:delete(namespace .. "now")
    dict:delete(namespace .. "retry")
end

--- Reports whether the log was abandoned or has lost its counters: a new one is needed.
---@param log resty.etcd.shared_log.log.Log
---@return boolean
local function is_broken(log)
    return get_number(log, "broken") ~= 0
end

--- Sets the earliest time at which a broken log can be replaced.
---@param dict table
---@param namespace string
---@param seconds number
local function delay_retry(dict, namespace, seconds)
    dict:safe_set(
        namespace .. "retry",
        now() + seconds
    )
end

--- Abandons the log. All workers read from etcd themselves until it is replaced, in `retry_after` seconds.
---@param log resty.etcd.shared_log.log.Log
---@param retry_after number
local function mark_broken(log, retry_after)
    set_number(log, "broken", 1)
    delay_retry(log.dict, log.namespace, retry_after)
end

--- Returns the seconds until a broken log can be replaced.
---@param dict table
---@param namespace string
---@return number
local function seconds_until_retry(dict, namespace)
    local time = now()
    return (dict_values.get_time(dict, namespace .. "retry", time, MAX_RETRY_DELAY) or 0) - time
end

--- Returns the number of an epoch's last published chunk, or nil if the epoch is missing; and whether it is sealed.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number? position
---@return boolean is_sealed
local function head(log, epoch)
    local value = get_number(
        log,
        tostring(epoch) .. "h"
    )
    if value == nil or value < SEAL then
        return value, false
    end
    return value % SEAL, true
end

--- Publishes chunks that are stored.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param count number
---@param last number number of the last of them: the head must be that afterwards
---@return boolean ok # false if the epoch was sealed before, or its head is missing or wrong; and whether the latter is the case
---@return boolean is_lost
local function publish(log, epoch, count, last)
    local value = dict_values.increment(
        log.dict,
        key_of(log, epoch, "h"),
        count
    )
    if value ~= nil and value >= SEAL then
        return false, false
    end
    return value == last, value ~= last
end

--- Ends an epoch: nothing is published in it any more.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
local function seal(log, epoch)
    dict_values.increment(
        log.dict,
        key_of(log, epoch, "h"),
        SEAL
    )
end

--- Returns the number of a new epoch; nil if the counter is missing.
---@param log resty.etcd.shared_log.log.Log
---@return number?
local function allocate_epoch(log)
    return dict_values.increment(log.dict, log.name .. "epochs", 1)
end

--- Returns the link to an epoch's successor, or nil if none was written yet.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return resty.etcd.shared_log.log.Link?
local function link_of(log, epoch)
    local value = dict_values.get_text(
        log.dict,
        key_of(log, epoch, "n"),
        MAX_LINK_SIZE
    )
    local to_text, at_text, skip_text, reason = match(value or "", "^(%d+) (%d+) (%d+) (%l*)$")
    local to = decimal.parse(to_text)
    local at = decimal.parse(at_text)
    local skip = decimal.parse(skip_text)
    if to == nil or at == nil or skip == nil or to <= epoch then
        return nil
    end
    return {
        to = to,
        at = at,
        skip = skip,
        reason = nil_if_empty(reason)
    }
end

--- Links a successor behind a sealed epoch.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param link resty.etcd.shared_log.log.Link
---@return boolean ok # false and `exists` if the epoch has a successor already, false and `no memory` if the dict is full
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

--- Records that an epoch's writer is alive. The clock is that of the machine, the same in all workers.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param last_received number when a writer of the log last received a response from etcd; 0 if none did
local function heartbeat(log, epoch, last_received)
    set_number(
        log,
        tostring(epoch) .. "c",
        last_received
    )
    set_number(
        log,
        tostring(epoch) .. "l",
        now()
    )
end

--- Returns when a writer up to this epoch last received a response from etcd; 0 if none did.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number
local function last_received_at(log, epoch)
    return get_time(
        log,
        tostring(epoch) .. "c"
    ) or 0
end

--- Records that an epoch's writer stops: another worker can take over without waiting for the heartbeat to age.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
local function release(log, epoch)
    set_number(
        log,
        tostring(epoch) .. "l",
        0
    )
end

--- Returns the seconds since the last heartbeat of an epoch's writer.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number
local function seconds_since_heartbeat(log, epoch)
    return now() - (get_time(
        log,
        tostring(epoch) .. "l"
    ) or 0)
end

--- Reports whether an epoch is sealed.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return boolean
local function is_sealed(log, epoch)
    local ____, sealed = head(log, epoch)
    return sealed
end

--- Reports whether two logs are the same, or both absent.
---@param a resty.etcd.shared_log.log.Log?
---@param b resty.etcd.shared_log.log.Log?
---@return boolean
local function is_same(a, b)
    return a == b or a ~= nil and b ~= nil and a.name == b.name
end
_M.ERROR_KEY = ERROR_KEY
_M.add_link = add_link
_M.allocate_epoch = allocate_epoch
_M.create = create
_M.current = current
_M.delay_retry = delay_retry
_M.forget_current = forget_current
_M.get_number = get_number
_M.get_time = get_time
_M.head = head
_M.heartbeat = heartbeat
_M.is_broken = is_broken
_M.is_same = is_same
_M.is_sealed = is_sealed
_M.key_of = key_of
_M.last_received_at = last_received_at
_M.link_of = link_of
_M.mark_broken = mark_broken
_M.nil_if_empty = nil_if_empty
_M.publish = publish
_M.release = release
_M.remove_counters = remove_counters
_M.seal = seal
_M.seconds_since_heartbeat = seconds_since_heartbeat
_M.seconds_until_retry = seconds_until_retry
_M.set_number = set_number

return _M
