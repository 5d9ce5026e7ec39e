-- Generated from src/resty/etcd/shared_log/cleanup.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local records = require("resty.etcd.shared_log.records")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local max = math.max
local now = clock.now

--- Epochs that are gone over once more: a writer that was stopped may have left a last piece there.
local CLEANUP_INTERVAL = 16

--- Epochs whose links are kept, so that a late writer cannot link to them.
local LINKS = 4096

--- Removes an epoch, but for the link to its successor.
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
    for ____, what in ipairs({"h", "s", "c", "l"}) do
        dict:delete(logs.key_of(log, epoch, what))
    end
end

--- The newest base that is there for so many seconds: for as long readers could leave what is before it.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@param seconds number
---@return number?
local function settled(log, root, seconds)
    local swept = logs.number_at(log, "swept") or root
    local made_by = now() - seconds
    for epoch = root, swept + 1, -1 do
        local start = epoch_header.read(log, epoch)
        if start ~= nil and start.root == epoch and start.made_at <= made_by then
            return epoch
        end
    end
    return nil
end

--- The oldest base that was not swept to: of what may be removed, what is before it is missed least.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@return number
local function oldest(log, root)
    local swept = logs.number_at(log, "swept") or root
    for epoch = swept + 1, root - 1 do
        local start = epoch_header.read(log, epoch)
        if start ~= nil and start.root == epoch then
            return epoch
        end
    end
    return root
end

--- True if there are epochs before `root` that were not removed yet.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@return boolean
local function is_due(log, root)
    return (logs.number_at(log, "swept") or root) < root
end

--- Removes the epochs before `root`.
---@param log resty.etcd.shared_log.log.Log
---@param root number
---@param slice resty.etcd.base.time_slice.TimeSlice
local function before(log, root, slice)
    local swept = logs.number_at(log, "swept") or 0
    for epoch = max(1, swept - CLEANUP_INTERVAL), root - 1 do
        remove_epoch(log, epoch, slice)
    end
    for epoch = max(1, swept - LINKS), root - 1 - LINKS do
        log.dict:delete(logs.key_of(log, epoch, "n"))
    end
    if root > swept then
        logs.set_number(log, "swept", root)
    end
end

--- Removes a log that was given up.
---@param log resty.etcd.shared_log.log.Log
local function all(log)
    local last = logs.number_at(log, "epochs") or 0
    before(
        log,
        last + 1,
        time_slice.start()
    )
    for epoch = max(0, last - LINKS), last do
        log.dict:delete(logs.key_of(log, epoch, "n"))
    end
    logs.forget(log)
end
_M.all = all
_M.before = before
_M.is_due = is_due
_M.oldest = oldest
_M.remove_epoch = remove_epoch
_M.settled = settled

return _M
