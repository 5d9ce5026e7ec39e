-- Generated from src/resty/etcd/shared_log/cleanup.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local records = require("resty.etcd.shared_log.records")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local max = math.max
local now = clock.now

--- Epochs before the last cleanup that are cleaned again: a writer that was stopped can have stored a chunk there since.
local REPEATED_EPOCHS = 16

--- Epochs that are removed in one call at most: the numbers in the dict can be those of another program.
local MAX_REMOVED = 8192

--- Epochs for which the link of a removed epoch is kept, so that a late writer cannot link its own epoch there.
local KEPT_LINKS = 4096

--- Removes an epoch, except for the link to its successor.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param slice resty.etcd.base.time_slice.TimeSlice
local function remove_epoch(log, epoch, slice)
    local dict = log.dict
    records.remove(
        dict,
        logs.key_of(log, epoch, "b"),
        slice
    )
    records.remove(
        dict,
        logs.key_of(log, epoch, "r"),
        slice
    )
    for ____, part in ipairs({"h", "s", "c", "l"}) do
        dict:delete(logs.key_of(log, epoch, part))
    end
end

--- Returns the epoch before which all epochs were removed; 0 if that is not known.
---@param log resty.etcd.shared_log.log.Log
---@param root number the epoch whose base is in use, which was not removed
---@return number
local function removed_before(log, root)
    local epoch = logs.get_number(log, "swept")
    return epoch ~= nil and epoch <= root and epoch or 0
end

--- Returns when the base of an epoch was written, or nil if the epoch has no own base.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return number?
local function base_written_at(log, epoch)
    local header = epoch_header.read(log, epoch)
    if header == nil or header.root ~= epoch then
        return nil
    end
    return header.created_at
end

--- Returns the newest base of at least this age: readers had as long to move on from the epochs before it.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@param seconds number
---@return number?
local function newest_base_of_age(log, root, seconds)
    local oldest = max(
        removed_before(log, root),
        root - MAX_REMOVED
    )
    local written_by = now() - seconds
    for epoch = root, oldest + 1, -1 do
        local written_at = base_written_at(log, epoch)
        if written_at ~= nil and written_at <= written_by then
            return epoch
        end
    end
    return nil
end

--- Returns the oldest base before which something can be removed: those epochs are the least likely to have readers.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@return number
local function oldest_removable_base(log, root)
    local oldest = max(
        removed_before(log, root),
        root - MAX_REMOVED
    )
    for epoch = oldest + 1, root - 1 do
        if base_written_at(log, epoch) ~= nil then
            return epoch
        end
    end
    return root
end

--- Reports whether there are epochs before `root` that were not removed yet.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@return boolean
local function can_remove(log, root)
    return removed_before(log, root) < root
end

--- Removes the epochs before `base`, the epoch of a base.
---@param log resty.etcd.shared_log.log.Log
---@param base number
---@param slice resty.etcd.base.time_slice.TimeSlice
local function remove_before(log, base, slice)
    local removed = removed_before(log, base)
    local first = max(1, base - MAX_REMOVED)
    for epoch = max(first, removed - REPEATED_EPOCHS), base - 1 do
        remove_epoch(log, epoch, slice)
    end
    for epoch = max(first, removed - KEPT_LINKS), base - 1 - KEPT_LINKS do
        log.dict:delete(logs.key_of(log, epoch, "n"))
    end
    if base > removed then
        logs.set_number(log, "swept", base)
    end
end

--- Removes a log that was abandoned.
---@param log resty.etcd.shared_log.log.Log
local function remove_log(log)
    local last = logs.get_number(log, "epochs") or 0
    remove_before(
        log,
        last + 1,
        time_slice.start()
    )
    for epoch = max(0, last - KEPT_LINKS), last do
        log.dict:delete(logs.key_of(log, epoch, "n"))
    end
    logs.remove_counters(log)
end
_M.can_remove = can_remove
_M.newest_base_of_age = newest_base_of_age
_M.oldest_removable_base = oldest_removable_base
_M.remove_before = remove_before
_M.remove_epoch = remove_epoch
_M.remove_log = remove_log

return _M
