-- Generated from src/resty/etcd/base/memory_dict.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now

---@class resty.etcd.base.memory_dict.Fields
---@field values table
---@field expires_at table By key; nil for values that do not expire.
---@field sets_left number Calls of `set` until expired values are removed next.

--- Calls of `set` between two removals of expired values: the cost of a removal is spread over them.
local SETS_PER_SWEEP = 100

---@class resty.etcd.base.memory_dict.MemoryDict: resty.etcd.base.memory_dict.Fields
---@field delete fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string)
---@field get fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string): (string|number|boolean)?
---@field safe_add fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string, value: string|number|boolean, exptime?: number): boolean, string?
---@field safe_set fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string, value: string|number|boolean, exptime?: number): boolean
---@field set fun(self: resty.etcd.base.memory_dict.MemoryDict, key: string, value: string|number|boolean, exptime?: number): boolean

local function get(self, key)
    local expires_at = self.expires_at[key]
    if expires_at ~= nil and expires_at <= now() then
        return nil
    end
    return self.values[key]
end

local function remove_expired(dict)
    local time = now()
    for key, expires_at in pairs(dict.expires_at) do
        if expires_at <= time then
            dict.values[key] = nil
            dict.expires_at[key] = nil
        end
    end
    dict.sets_left = SETS_PER_SWEEP
end

local function set(self, key, value, exptime)
    self.sets_left = self.sets_left - 1
    if self.sets_left < 1 then
        remove_expired(self)
    end
    self.values[key] = value
    if exptime ~= nil then
        self.expires_at[key] = now() + exptime
    else
        self.expires_at[key] = nil
    end
    return true
end

local function add(self, key, value, exptime)
    local existing = self:get(key)
    if existing ~= nil then
        return false, "exists"
    end
    self:set(key, value, exptime)
    return true
end

local function delete_key(self, key)
    self.values[key] = nil
    self.expires_at[key] = nil
end
local methods = {
    delete = delete_key,
    get = get,
    safe_add = add,
    safe_set = set,
    set = set
}
local mt = {__index = methods}

--- Creates a replacement for a shared dict in the memory of this worker. Meant for few keys: it scans all of them regularly.
---@return table
local function create()
    local fields = {values = {}, expires_at = {}, sets_left = SETS_PER_SWEEP}
    return setmetatable(fields, mt)
end
_M.new = create

return _M
