-- Generated from src/resty/etcd/mirror/lookups.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local rebuild = require("resty.etcd.mirror.rebuild")
local indexes = require("resty.etcd.mirror.indexes")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")
local now = clock.now

--- Arrays of different prefixes that are kept at most.
local MAX_LISTS = 1000
local NOT_READY = "not ready"

--- Looks a key up. It never yields, allocates nothing, and may be used in every phase.
---@param self resty.etcd.mirror.types.State
---@param key string
---@return any value # the value and the key's kv; nil and nil for a key that is not there; nil and "not ready"
---@return (string|resty.etcd.mirror.types.Kv)? kv
local function get(self, key)
    local kv = self.kvs[key]
    if kv == nil then
        return nil, self.miss_reason
    end
    return kv.value, kv
end

--- All keys in their order: an array that is made once per change, and is not to be written to.
---@param self resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Kv[]? res
---@return string? err
local function all(self)
    if self.miss_reason ~= nil then
        return nil, self.miss_reason
    end
    local list = self.list
    if list == nil then
        sorted_keys.sort_pending(self)
        list = sorted_keys.pick(self, self.sorted)
        self.list = list
    end
    return list
end

--- The same of all keys that start with a prefix, which is the mirror's own or longer.
---@param self resty.etcd.mirror.types.State
---@param dir string
---@return resty.etcd.mirror.types.Kv[]? res
---@return string? err
local function prefix(self, dir)
    if type(dir) ~= "string" then
        return nil, "prefix must be string"
    end
    if self.miss_reason ~= nil then
        return nil, self.miss_reason
    end
    local list = self.lists[dir]
    if list == nil then
        list = sorted_keys.pick_prefix(self, dir)
        if self.list_count >= MAX_LISTS then
            rebuild.forget_prefixes(self)
        end
        self.list_count = self.list_count + 1
        self.lists[dir] = list
    end
    return list
end

--- All keys that are found under a value in an index.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param value table
---@return resty.etcd.mirror.types.Kv[]? res # an array in the order of the keys, which is not to be written to
---@return string? err
local function by(self, name, value)
    local index = self.indexes[name]
    if index == nil then
        return nil, self.building_indexes[name] == true and NOT_READY or "no index " .. tostring(name)
    end
    if self.miss_reason ~= nil then
        return nil, self.miss_reason
    end
    return indexes.find(self, index, value)
end

--- etcd's revision that is mirrored; 0 before the first full state.
---@param self resty.etcd.mirror.types.State
---@return number
local function revision(self)
    return self.at_revision
end

--- How often something has really changed; 0 before the first full state.
---@param self resty.etcd.mirror.types.State
---@return number
local function version(self)
    return self.data_version
end

--- How many keys there are.
---@param self resty.etcd.mirror.types.State
---@return number
local function count(self)
    return self.key_count
end

--- There is a full state: from now on what is not found is not there.
---@param self resty.etcd.mirror.types.State
---@return boolean
local function ready(self)
    return self.miss_reason == nil
end

--- Seconds since etcd was last heard of; infinite if it never was.
---@param self resty.etcd.mirror.types.State
---@return number
local function age(self)
    if self.feed ~= nil and self.has_received then
        return self.feed:age()
    end
    return self.last_received_at ~= nil and now() - self.last_received_at or math.huge
end
_M.NOT_READY = NOT_READY
_M.age = age
_M.all = all
_M.by = by
_M.count = count
_M.get = get
_M.prefix = prefix
_M.ready = ready
_M.revision = revision
_M.version = version

return _M
