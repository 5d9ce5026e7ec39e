-- Generated from src/resty/etcd/mirror/store.ts by TypeScriptToLua. Do not edit.
local _M = {}
local lists = require("resty.etcd.mirror.lists")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

local function create()
    return {
        kvs = {},
        key_count = 0,
        order = sorted_keys.new(),
        lists = lists.new(),
        invalid_items = {},
        revision = 0,
        version = 0,
        is_ready = false
    }
end

--- Adds or replaces a key.
---@param store resty.etcd.mirror.types.Store
---@param key string
---@param kv resty.etcd.mirror.types.Kv
---@return resty.etcd.mirror.types.Kv? # the kv before
local function put(store, key, kv)
    local kvs = store.kvs
    local old = kvs[key]
    kvs[key] = kv
    store.invalid_items[key] = nil
    if old == nil then
        store.key_count = store.key_count + 1
        sorted_keys.note_added(store.order, key)
    end
    return old
end

--- Deletes a key.
---@param store resty.etcd.mirror.types.Store
---@param key string
---@return resty.etcd.mirror.types.Kv? # the kv before; nil if there was none
local function remove(store, key)
    local kvs = store.kvs
    local old = kvs[key]
    store.invalid_items[key] = nil
    if old ~= nil then
        kvs[key] = nil
        store.key_count = store.key_count - 1
        sorted_keys.note_deleted(store.order)
    end
    return old
end

--- Notes that the latest value of a key is invalid. The key keeps its last good value, or stays absent.
---@param store resty.etcd.mirror.types.Store
---@param key string
---@param item resty.etcd.mirror.types.Invalid
local function set_invalid(store, key, item)
    store.invalid_items[key] = item
end

local function replace_invalid_items(store, items)
    store.invalid_items = items
end

--- Replaces all keys.
---@param store resty.etcd.mirror.types.Store
---@param kvs table
---@param sorted string[]
---@param unsorted string[]
---@param invalid_items table
local function replace(store, kvs, sorted, unsorted, invalid_items)
    store.kvs = kvs
    store.key_count = #sorted + #unsorted
    store.invalid_items = invalid_items
    sorted_keys.replace(store.order, sorted, unsorted)
    lists.clear(store.lists)
end

--- Ends the application of a batch.
---@param store resty.etcd.mirror.types.Store
---@param revision number
---@param has_changed boolean
local function advance(store, revision, has_changed)
    store.revision = revision
    if has_changed then
        store.version = store.version + 1
    end
end

--- Notes that the first full state is visible: an absent key is absent in etcd from now on.
---@param store resty.etcd.mirror.types.Store
local function mark_ready(store)
    store.is_ready = true
end
_M.advance = advance
_M.mark_ready = mark_ready
_M.new = create
_M.put = put
_M.remove = remove
_M.replace = replace
_M.replace_invalid_items = replace_invalid_items
_M.set_invalid = set_invalid

return _M
