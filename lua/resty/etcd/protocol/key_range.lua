-- Generated from src/resty/etcd/protocol/key_range.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")

--- Keys from `from` up to, not including, `to`; nil as `to` is the end of the key space.
---@class resty.etcd.protocol.key_range.KeyRange
---@field from string
---@field to string?
---@field key string The same as etcd takes it.
---@field range_end string?

--- The range of a key and a range end as etcd takes them.
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

--- Lua compares strings by their bytes here, whatever the locale.
---@param range resty.etcd.protocol.key_range.KeyRange
---@param key string
---@return boolean
local function has(range, key)
    return key >= range.from and (range.to == nil or key < range.to)
end

--- No key is in it.
---@param range resty.etcd.protocol.key_range.KeyRange
---@return boolean
local function is_empty(range)
    return range.to ~= nil and range.to <= range.from
end

--- Every key of `inner` is in `outer`.
---@param outer resty.etcd.protocol.key_range.KeyRange
---@param inner resty.etcd.protocol.key_range.KeyRange
---@return boolean
local function contains(outer, inner)
    if inner.from < outer.from then
        return false
    end
    return outer.to == nil or inner.to ~= nil and inner.to <= outer.to
end

--- The events whose keys are in the range, in their order.
---@param range resty.etcd.protocol.key_range.KeyRange
---@param events resty.etcd.protocol.message.RawEvent[]
---@return resty.etcd.protocol.message.RawEvent[]? # the very same array if all are, nil if none is
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
    local picked = {}
    for ____, event in ipairs(events) do
        if has(range, event.kv.key) then
            picked[#picked + 1] = event
        end
    end
    return picked
end
_M.contains = contains
_M.has = has
_M.is_empty = is_empty
_M.of = of
_M.filter_events = filter_events

return _M
