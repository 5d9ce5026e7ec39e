-- Generated from src/resty/etcd/mirror/sorted_keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local protocol_keys = require("resty.etcd.protocol.keys")
local table_new = require("table.new")
local floor = math.floor
local max = math.max
local insert = table.insert
local remove = table.remove
local sort = table.sort

--- Returns the index, counted from 1, of the first key that is not less than `key`.
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

--- Inserts a key, unless the array has it.
---@param keys string[]
---@param key string
local function insert_key(keys, key)
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

--- Removes a key, if the array has it.
---@param keys string[]
---@param key string
local function remove_key(keys, key)
    local at = lower_bound(keys, key)
    if keys[at] == key then
        remove(keys, at)
    end
end

local function create()
    return {sorted = {}, unsorted = {}, has_deleted = false}
end

local function note_added(order, key)
    local ____order_unsorted_0 = order.unsorted
    ____order_unsorted_0[#____order_unsorted_0 + 1] = key
end

local function note_deleted(order)
    order.has_deleted = true
end

local function replace(order, sorted, unsorted)
    order.sorted = sorted
    order.unsorted = unsorted
    order.has_deleted = false
end

--- Sorts added keys in and drops deleted ones, in one pass.
---@param store resty.etcd.mirror.types.Store
local function sort_pending(store)
    local order = store.order
    local added = order.unsorted
    if #added == 0 and not order.has_deleted then
        return
    end
    sort(added)
    local old = order.sorted
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
    replace(order, keys, {})
end

--- Returns the kvs of these keys as a new array.
---@param kvs table
---@param keys string[]
---@return resty.etcd.mirror.types.Kv[]
local function pick(kvs, keys)
    local n = #keys
    local list = table_new(n, 0)
    for i = 1, n do
        list[i] = kvs[keys[i]]
    end
    return list
end

--- Returns the kvs of all keys that start with `prefix` as a new array.
---@param store resty.etcd.mirror.types.Store
---@param prefix string
---@return resty.etcd.mirror.types.Kv[]
local function pick_prefix(store, prefix)
    sort_pending(store)
    local sorted = store.order.sorted
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
_M.new = create
_M.insert_key = insert_key
_M.note_added = note_added
_M.note_deleted = note_deleted
_M.pick = pick
_M.pick_prefix = pick_prefix
_M.remove_key = remove_key
_M.replace = replace
_M.sort_pending = sort_pending

return _M
