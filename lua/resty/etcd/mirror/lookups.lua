-- Generated from src/resty/etcd/mirror/lookups.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local indexes = require("resty.etcd.mirror.indexes")
local lists = require("resty.etcd.mirror.lists")
local stores = require("resty.etcd.mirror.store")
local now = clock.now

--- Looks a key up. It never yields, allocates nothing, and works in every phase.
---@param self resty.etcd.mirror.types.State
---@param key string
---@return any value # the value and the kv; nil and nil for an absent key; nil and "not ready" before the first full state
---@return (string|resty.etcd.mirror.types.Kv)? kv
local function get(self, key)
    local store = self.store
    local kv = store.kvs[key]
    if kv == nil then
        return nil, store.miss_reason
    end
    return kv.value, kv
end

--- Returns all kvs in the order of their keys. The array is made once per change and must not be written to.
---@param self resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Kv[]? res
---@return string? err
local function all(self)
    local store = self.store
    if store.miss_reason ~= nil then
        return nil, store.miss_reason
    end
    return lists.all(store)
end

--- Returns the kvs whose keys start with a prefix, in the order of their keys. The array is made once per change and
--- must not be written to.
---@param self resty.etcd.mirror.types.State
---@param dir string the mirror's prefix, or a longer one
---@return resty.etcd.mirror.types.Kv[]? res
---@return string? err
local function prefix(self, dir)
    if type(dir) ~= "string" then
        return nil, "prefix must be string"
    end
    local store = self.store
    if store.miss_reason ~= nil then
        return nil, store.miss_reason
    end
    return lists.by_prefix(store, dir)
end

--- Returns the kvs with a value in an index, in the order of their keys.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param value table
---@return resty.etcd.mirror.types.Kv[]? res # an array that must not be written to
---@return string? err
local function by(self, name, value)
    local ____self_indexes_0 = self.indexes
    local by_name = ____self_indexes_0.by_name
    local building = ____self_indexes_0.building
    local index = by_name[name]
    if index == nil then
        return nil, building[name] == true and stores.NOT_READY or "no index " .. tostring(name)
    end
    local store = self.store
    if store.miss_reason ~= nil then
        return nil, store.miss_reason
    end
    return indexes.find(store, index, value)
end

--- Returns etcd's revision of the content; 0 before the first full state.
---@param self resty.etcd.mirror.types.State
---@return number
local function revision(self)
    return self.store.revision
end

--- Returns the number of changes of the content; 0 before the first full state.
---@param self resty.etcd.mirror.types.State
---@return number
local function version(self)
    return self.store.version
end

--- Returns the number of keys.
---@param self resty.etcd.mirror.types.State
---@return number
local function count(self)
    return self.store.key_count
end

--- Reports whether there is a full state: from then on, a key that is not found is absent in etcd.
---@param self resty.etcd.mirror.types.State
---@return boolean
local function ready(self)
    return self.store.miss_reason == nil
end

--- Returns the seconds since the last response from etcd; infinite if there was none.
---@param self resty.etcd.mirror.types.State
---@return number
local function age(self)
    local ____self_loop_1 = self.loop
    local feed = ____self_loop_1.feed
    local has_received = ____self_loop_1.has_received
    local last_received_at = ____self_loop_1.last_received_at
    if feed ~= nil and has_received then
        return feed:age()
    end
    return last_received_at ~= nil and now() - last_received_at or math.huge
end
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
