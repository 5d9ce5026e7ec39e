-- Generated from src/resty/etcd/mirror/lookups.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local indexes = require("resty.etcd.mirror.indexes")
local lists = require("resty.etcd.mirror.lists")
local now = clock.now

--- The error of lookups before the first full state. Made once, because lookups must not allocate.
local NOT_READY = errors.local_error("not_ready", "not ready")
NOT_READY.retryable = true

--- Returns the result of `get` for a key that the mirror does not have. The key is checked only here, so that a hit costs
--- one table access.
---@param store resty.etcd.mirror.types.Store
---@param key any
---@return any value
---@return resty.etcd.mirror.types.Kv? kv
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function miss(store, key)
    if type(key) ~= "string" then
        local ____, message, details = errors.bad_request("key must be string")
        return nil, nil, message, details
    end
    if not store.is_ready then
        return nil, nil, NOT_READY.message, NOT_READY
    end
    return nil, nil
end

--- Looks a key up. It never yields, allocates nothing, and works in every phase.
---@param self resty.etcd.mirror.types.State
---@param key string
---@return any value # the value and the kv; nil and nil for an absent key; nil, nil, "not ready" and the details before the first full state
---@return resty.etcd.mirror.types.Kv? kv
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function get(self, key)
    local store = self.store
    local kv = store.kvs[key]
    if kv == nil then
        return miss(store, key)
    end
    return kv.value, kv
end

--- Returns all kvs in the order of their keys. The array is made once per change and must not be written to.
---@param self resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Kv[]? res # nil, "not ready" and the details before the first full state
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function all(self)
    local store = self.store
    if not store.is_ready then
        return errors.to_result(NOT_READY)
    end
    return lists.all(store)
end

--- Returns the kvs whose keys start with a prefix, in the order of their keys. The array is made once per change and
--- must not be written to.
---@param self resty.etcd.mirror.types.State
---@param dir string the mirror's prefix, or a longer one
---@return resty.etcd.mirror.types.Kv[]? res # nil, an error text and the details if the prefix is no string, and before the first full state
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function prefix(self, dir)
    if type(dir) ~= "string" then
        return errors.bad_request("prefix must be string")
    end
    local store = self.store
    if not store.is_ready then
        return errors.to_result(NOT_READY)
    end
    return lists.by_prefix(store, dir)
end

--- Returns the kvs with a value in an index, in the order of their keys.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param value table
---@return resty.etcd.mirror.types.Kv[]? res # an array that must not be written to; nil, an error text and the details if there is no such index, and before the first full state
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function by(self, name, value)
    local ____self_indexes_0 = self.indexes
    local by_name = ____self_indexes_0.by_name
    local pending = ____self_indexes_0.pending
    local index = by_name[name]
    if index == nil and pending[name] == nil then
        return errors.bad_request("no index " .. tostring(name))
    end
    local store = self.store
    if index == nil or not store.is_ready then
        return errors.to_result(NOT_READY)
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
    return self.store.is_ready
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
