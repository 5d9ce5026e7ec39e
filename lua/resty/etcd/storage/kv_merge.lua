-- Generated from src/resty/etcd/storage/kv_merge.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local min = math.min
local sort = table.sort

--- Keys that are sorted in one call: about a millisecond of work.
local RUN = 1024

--- Merges two neighboring sorted runs: `from` to `middle`, and the rest up to `to`. Counted from 1.
---@param keys string[]
---@param into string[]
---@param from number
---@param middle number
---@param to number
---@param slice resty.etcd.base.time_slice.TimeSlice
local function merge_runs(keys, into, from, middle, to, slice)
    local left = from
    local right = middle + 1
    for i = from, to do
        if right > to or left <= middle and keys[left] <= keys[right] then
            into[i] = keys[left]
            left = left + 1
        else
            into[i] = keys[right]
            right = right + 1
        end
        if i % RUN == 0 then
            time_slice.yield_if_due(slice)
        end
    end
end

--- Sorts the keys with a merge sort that yields.
---@param keys string[]
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return string[]
local function sort_yielding(keys, slice)
    local n = #keys
    local sorted = {}
    for from = 1, n, RUN do
        local run = {}
        for i = from, min(from + RUN - 1, n) do
            run[#run + 1] = keys[i]
        end
        sort(run)
        for ____, key in ipairs(run) do
            sorted[#sorted + 1] = key
        end
        time_slice.yield_if_due(slice)
    end
    local size = RUN
    while size < n do
        local merged = {}
        for from = 1, n, 2 * size do
            merge_runs(
                sorted,
                merged,
                from,
                min(from + size - 1, n),
                min(from + 2 * size - 1, n),
                slice
            )
        end
        sorted = merged
        size = size * 2
    end
    return sorted
end

--- Returns the keys after the changes, in the order of their bytes.
---@param kvs resty.etcd.protocol.message.RawKv[]
---@param changes table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.protocol.message.RawKv[]
local function apply(kvs, changes, slice)
    local changed = {}
    for key in pairs(changes) do
        changed[#changed + 1] = key
    end
    if #changed == 0 then
        return kvs
    end
    local keys = sort_yielding(changed, slice)
    local result = {}
    local next = 1
    local key = keys[1]
    for ____, kv in ipairs(kvs) do
        while key ~= nil and key <= kv.key do
            local event = changes[key]
            if event.type == "PUT" then
                result[#result + 1] = event.kv
            end
            next = next + 1
            key = keys[next]
        end
        if changes[kv.key] == nil then
            result[#result + 1] = kv
        end
        time_slice.yield_if_due(slice)
    end
    for i = next, #keys do
        local event = changes[keys[i]]
        if event.type == "PUT" then
            result[#result + 1] = event.kv
        end
        time_slice.yield_if_due(slice)
    end
    return result
end
_M.apply = apply

return _M
