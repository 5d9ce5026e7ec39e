-- Generated from src/resty/etcd/mirror/rebuild.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local indexes = require("resty.etcd.mirror.indexes")
local stores = require("resty.etcd.mirror.store")
local table_new = require("table.new")

--- Tables that are built in slices next to those in use, which they then replace in one step.
---@class resty.etcd.mirror.rebuild.NewTables
---@field kvs table
---@field sorted string[]
---@field unsorted string[] Keys that `sorted` lacks.
---@field invalid_items table

---@param size number expected number of keys
---@return resty.etcd.mirror.rebuild.NewTables
local function create(size)
    return {
        kvs = table_new(0, size),
        sorted = table_new(size, 0),
        unsorted = {},
        invalid_items = {}
    }
end

--- Adds a key that is greater than all keys added before.
---@param tables resty.etcd.mirror.rebuild.NewTables
---@param key string
---@param kv resty.etcd.mirror.types.Kv
local function append(tables, key, kv)
    local sorted = tables.sorted
    sorted[#sorted + 1] = key
    tables.kvs[key] = kv
end

--- Reports whether a bucket has the same keys as before, with the same kvs.
---@param old resty.etcd.mirror.types.Bucket
---@param bucket resty.etcd.mirror.types.Bucket
---@param before table
---@param kvs table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean
local function is_unchanged(old, bucket, before, kvs, slice)
    local ____bucket_0 = bucket
    local keys = ____bucket_0.keys
    local old_keys = old.keys
    if #keys ~= #old_keys then
        return false
    end
    for i = 1, #keys do
        time_slice.yield_if_due(slice)
        local key = keys[i]
        if key ~= old_keys[i] or kvs[key] ~= before[key] then
            return false
        end
    end
    return true
end

--- Reuses the unchanged buckets, so that the arrays that `by` has returned, or returns meanwhile, stay the same.
---@param buckets table
---@param index resty.etcd.mirror.types.Index
---@param state resty.etcd.mirror.types.State
---@param tables resty.etcd.mirror.rebuild.NewTables
---@param slice resty.etcd.base.time_slice.TimeSlice
local function reuse_buckets(buckets, index, state, tables, slice)
    for value, bucket in pairs(buckets) do
        time_slice.yield_if_due(slice)
        local old = index.buckets[value]
        if old ~= nil and is_unchanged(
            old,
            bucket,
            state.store.kvs,
            tables.kvs,
            slice
        ) then
            buckets[value] = old
        end
    end
end

--- Replaces the tables in use. The last step is short, and the only one that changes anything.
---@param state resty.etcd.mirror.types.State
---@param tables resty.etcd.mirror.rebuild.NewTables
---@param new_values table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean # false if the mirror was closed meanwhile: nothing has changed then
local function swap_in(state, tables, new_values, slice)
    local ____tables_1 = tables
    local kvs = ____tables_1.kvs
    local sorted = ____tables_1.sorted
    local unsorted = ____tables_1.unsorted
    local store = state.store
    local all_buckets = {}
    local all_values = {}
    for name, index in pairs(state.indexes.by_name) do
        local buckets = {}
        local values = table_new(0, #sorted + #unsorted)
        local changed_values = new_values[name]
        for ____, keys in ipairs({sorted, unsorted}) do
            for ____, key in ipairs(keys) do
                time_slice.yield_if_due(slice)
                local is_same_kv = kvs[key] == store.kvs[key]
                local source = is_same_kv and index.values or changed_values
                indexes.add(buckets, values, key, source[key])
            end
        end
        reuse_buckets(
            buckets,
            index,
            state,
            tables,
            slice
        )
        all_buckets[name] = buckets
        all_values[name] = values
    end
    if state.loop.is_closed then
        return false
    end
    stores.replace(
        store,
        kvs,
        sorted,
        unsorted,
        tables.invalid_items
    )
    for name, index in pairs(state.indexes.by_name) do
        indexes.replace(index, all_buckets[name], all_values[name])
    end
    return true
end
_M.append = append
_M.new = create
_M.swap_in = swap_in

return _M
