-- Generated from src/resty/etcd/base/memory_dict.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now

---@class resty.etcd.base.memory_dict.Fields
---@field values table
---@field ends table
---@field sets_left number Values that will be set before what has expired is thrown away.

--- How often a value is set between two times that what has expired is thrown away.
local SETS = 100

---@class resty.etcd.base.memory_dict.MemoryDict: resty.etcd.base.memory_dict.Fields
---@field add fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string, value: string|number|boolean, exptime?: number): boolean, string?
---@field delete fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string)
---@field get fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string): (string|number|boolean)?
---@field set fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string, value: string|number|boolean, exptime?: number): boolean

local function get(self, key)
    local ends = self.ends[key]
    if ends ~= nil and ends <= now() then
        return nil
    end
    return self.values[key]
end

local function throw_away(dict)
    local time = now()
    for key, ends in pairs(dict.ends) do
        if ends <= time then
            dict.values[key] = nil
            dict.ends[key] = nil
        end
    end
    dict.sets_left = SETS
end

local function set(self, key, value, exptime)
    self.sets_left = self.sets_left - 1
    if self.sets_left < 1 then
        throw_away(self)
    end
    self.values[key] = value
    if exptime ~= nil then
        self.ends[key] = now() + exptime
    else
        self.ends[key] = nil
    end
    return true
end

local function add(self, key, value, exptime)
    local known = self:get(key)
    if known ~= nil then
        return false, "exists"
    end
    self:set(key, value, exptime)
    return true
end

local function delete_key(self, key)
    self.values[key] = nil
    self.ends[key] = nil
end
local methods = {add = add, delete = delete_key, get = get, set = set}
local mt = {__index = methods}

--- A worker's own stand-in for a shared dict, for few keys: it looks at all of them now and then.
---@return table
local function create()
    local fields = {values = {}, ends = {}, sets_left = SETS}
    return setmetatable(fields, mt)
end
_M.new = create

return _M
