-- Generated from src/resty/etcd/protocol/key_range.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")

--- The keys from `from` (inclusive) to `to` (exclusive). If `to` is nil, the range has no upper end.
---@class resty.etcd.protocol.key_range.KeyRange
---@field from string
---@field to string?
---@field key string The same range as in etcd's requests.
---@field range_end string?

--- Returns the range of `key` and `range_end` of a request.
---@param key string
---@param range_end string?
---@return resty.etcd.protocol.key_range.KeyRange
local function of(key, range_end)
    if range_end == nil or range_end == "" then
        return {from = key, to = key .. "\000", key = key, range_end = nil}
    end
    local from = key == "" and keys.ZERO or key
    local ____temp_0
    if range_end == keys.ZERO then
        ____temp_0 = nil
    else
        ____temp_0 = range_end
    end
    local to = ____temp_0
    return {from = from, to = to, key = from, range_end = range_end}
end

--- Reports whether a key is in the range. LuaJIT compares strings by bytes, independent of the locale.
---@param range resty.etcd.protocol.key_range.KeyRange
---@param key string
---@return boolean
local function has(range, key)
    return key >= range.from and (range.to == nil or key < range.to)
end

--- Reports whether the range contains no keys.
---@param range resty.etcd.protocol.key_range.KeyRange
---@return boolean
local function is_empty(range)
    return range.to ~= nil and range.to <= range.from
end

--- Reports whether all keys of `inner` are in `outer`.
---@param outer resty.etcd.protocol.key_range.KeyRange
---@param inner resty.etcd.protocol.key_range.KeyRange
---@return boolean
local function contains(outer, inner)
    if inner.from < outer.from then
        return false
    end
    return outer.to == nil or inner.to ~= nil and inner.to <= outer.to
end

--- Returns the events whose keys are in the range, in the same order.
---@param range resty.etcd.protocol.key_range.KeyRange
---@param events resty.etcd.protocol.message.RawEvent[]
---@return resty.etcd.protocol.message.RawEvent[]? # the given array if all are, nil if none is
local function filter_events(range, events)
    local count = 0
    for ____, event in ipairs(events) do
        if has(range, event.kv.key) then
            count = count + 1
        end
    end
    if count == #events or count == 0 then
        local ____temp_1
        if count == 0 then
            ____temp_1 = nil
        else
            ____temp_1 = events
        end
        return ____temp_1
    end
    local selected = {}
    for ____, event in ipairs(events) do
        if has(range, event.kv.key) then
            selected[#selected + 1] = event
        end
    end
    return selected
end
_M.contains = contains
_M.has = has
_M.is_empty = is_empty
_M.of = of
_M.filter_events = filter_events

return _M
