-- Generated from src/resty/etcd/mirror/sorted_keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local protocol_keys = require("resty.etcd.protocol.keys")
local table_new = require("table.new")
local floor = math.floor
local max = math.max
local insert = table.insert
local remove = table.remove
local sort = table.sort

--- Where the first key is that is not before `key`, counted from 1.
---@param keys string[]
---@param key string
---@return number
local function lower_bound(keys, key)
    local low = 1
    local high = #keys + 1
    while low < high do
        local middle = floor((low + high) / 2)
        if keys[middle] < key then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

--- Puts a key where it belongs, unless it is there.
---@param keys string[]
---@param key string
local function put(keys, key)
    local last = keys[#keys]
    if last == nil or last < key then
        keys[#keys + 1] = key
        return
    end
    local at = lower_bound(keys, key)
    if keys[at] ~= key then
        insert(keys, at, key)
    end
end

local function take(keys, key)
    local at = lower_bound(keys, key)
    if keys[at] == key then
        remove(keys, at)
    end
end

--- Brings the order of the keys up to date, in one pass.
---@param store resty.etcd.mirror.types.Store
local function sort_pending(store)
    local added = store.unsorted_keys
    if #added == 0 and not store.has_deleted_keys then
        return
    end
    sort(added)
    local old = store.sorted
    local kvs = store.kvs
    local keys = table_new(store.key_count, 0)
    local last
    local next = 1
    local key = added[1]
    for i = 1, #old do
        local known = old[i]
        while key ~= nil and key < known do
            if key ~= last and kvs[key] ~= nil then
                keys[#keys + 1] = key
                last = key
            end
            next = next + 1
            key = added[next]
        end
        if known ~= last and kvs[known] ~= nil then
            keys[#keys + 1] = known
            last = known
        end
    end
    while key ~= nil do
        if key ~= last and kvs[key] ~= nil then
            keys[#keys + 1] = key
            last = key
        end
        next = next + 1
        key = added[next]
    end
    store.sorted = keys
    store.unsorted_keys = {}
    store.has_deleted_keys = false
end

--- What these keys stand for, as a new array.
---@param store resty.etcd.mirror.types.Store
---@param keys string[]
---@return resty.etcd.mirror.types.Kv[]
local function pick(store, keys)
    local n = #keys
    local kvs = store.kvs
    local list = table_new(n, 0)
    for i = 1, n do
        list[i] = kvs[keys[i]]
    end
    return list
end

--- All keys that start with `prefix`, as a new array.
---@param store resty.etcd.mirror.types.Store
---@param prefix string
---@return resty.etcd.mirror.types.Kv[]
local function pick_prefix(store, prefix)
    sort_pending(store)
    local sorted = store.sorted
    local ____end = protocol_keys.prefix_end(prefix)
    local first = lower_bound(sorted, prefix)
    local after = ____end == protocol_keys.ZERO and #sorted + 1 or lower_bound(sorted, ____end)
    local kvs = store.kvs
    local list = table_new(
        max(0, after - first),
        0
    )
    for i = first, after - 1 do
        list[i - first + 1] = kvs[sorted[i]]
    end
    return list
end
_M.lower_bound = lower_bound
_M.pick = pick
_M.pick_prefix = pick_prefix
_M.put = put
_M.sort_pending = sort_pending
_M.take = take

return _M
