-- Generated from src/resty/etcd/base/dict_values.ts by TypeScriptToLua. Do not edit.
local _M = {}
local decimal = require("resty.etcd.base.decimal")
local find = string.find
local MAX_INTEGER = decimal.MAX

--- Reports whether a dict has a key, whatever its value.
---@param dict table
---@param key string
---@return boolean
local function has(dict, key)
    local value = dict:get(key)
    return value ~= nil
end

--- Returns a number that is not negative and below 2^53; nil if there is none.
---@param dict table
---@param key string
---@return number?
local function get_number(dict, key)
    local value = dict:get(key)
    return type(value) == "number" and value >= 0 and value <= MAX_INTEGER and value or nil
end

--- Returns an integer that is not negative; nil if there is none.
---@param dict table
---@param key string
---@return number?
local function get_integer(dict, key)
    local value = get_number(dict, key)
    return value ~= nil and value % 1 == 0 and value or nil
end

--- Returns a time that is not later than now by more than `ahead` seconds; nil if there is none. A time that cannot be is
--- that of another program, and would last for ever.
---@param dict table
---@param key string
---@param time number now, by the same clock
---@param ahead number
---@return number?
local function get_time(dict, key, time, ahead)
    local value = get_number(dict, key)
    return value ~= nil and value <= time + ahead and value or nil
end

--- Returns a text of at most `max_length` bytes; nil if there is none.
---@param dict table
---@param key string
---@param max_length number
---@return string?
local function get_text(dict, key, max_length)
    local value = dict:get(key)
    return type(value) == "string" and #value <= max_length and value or nil
end

--- Returns a text of at most `max_length` printable characters of ASCII, without line ends; nil if there is none.
---@param dict table
---@param key string
---@param max_length number
---@return string?
local function get_line(dict, key, max_length)
    local value = get_text(dict, key, max_length)
    if value == nil then
        return nil
    end
    local unprintable = find(value, "[^ -~]")
    return unprintable == nil and value or nil
end

--- Adds to an integer. Returns the sum; nil if there is no integer.
---@param dict table
---@param key string
---@param count number
---@return number?
local function increment(dict, key, count)
    local value = dict:incr(key, count)
    return value ~= nil and value >= 0 and value <= MAX_INTEGER and value % 1 == 0 and value or nil
end
_M.get_integer = get_integer
_M.get_line = get_line
_M.get_number = get_number
_M.get_text = get_text
_M.get_time = get_time
_M.has = has
_M.increment = increment

return _M
