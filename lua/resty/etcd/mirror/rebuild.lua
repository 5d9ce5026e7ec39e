-- Generated from src/resty/etcd/mirror/rebuild.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local indexes = require("resty.etcd.mirror.indexes")
local table_new = require("table.new")

--- Tables that are made beside those in use, in slices, to be put in their place at once.
---@class resty.etcd.mirror.rebuild.NewTables
---@field kvs table
---@field sorted string[]
---@field unsorted_keys string[] Keys that are not in their order yet.
---@field invalid_items table

local function create(size)
    return {
        kvs = table_new(0, size),
        sorted = table_new(size, 0),
        unsorted_keys = {},
        invalid_items = {}
    }
end

local function keep(draft, key, kv)
    local sorted = draft.sorted
    sorted[#sorted + 1] = key
    draft.kvs[key] = kv
end

---@param store resty.etcd.mirror.types.Store
---@param size number how many keys may come: a large table takes long to grow
---@return table
local function new_index_values(store, size)
    local found = {}
    for name in pairs(store.indexes) do
        found[name] = table_new(0, size)
    end
    return found
end

--- Asks one index about a key. Where its function throws, the key is not found under anything there.
---@param state resty.etcd.mirror.types.State
---@param index resty.etcd.mirror.types.Index
---@param kv resty.etcd.mirror.types.Kv
---@return table?
local function ask_index(state, index, kv)
    local ok, value = indexes.ask(index, kv)
    if not ok then
        local counters = state.counters
        counters.index_errors = counters.index_errors + 1
        rate_limited_log.warn(
            state.log,
            "index " .. index.name .. ": " .. kv.key .. ": " .. error_text.of(value, "no reason")
        )
        return nil
    end
    return value
end

--- Asks all indexes about a changed key.
---@param state resty.etcd.mirror.types.State
---@param kv resty.etcd.mirror.types.Kv
---@param found table
local function ask_indexes(state, kv, found)
    for name, index in pairs(state.indexes) do
        local value = ask_index(state, index, kv)
        if value ~= nil then
            found[name][kv.key] = value
        end
    end
end

local function forget_prefixes(store)
    store.lists = {}
    store.list_count = 0
end

--- Arrays of before the latest change are nobody's any more.
---@param store resty.etcd.mirror.types.Store
local function forget_lists(store)
    store.list = nil
    forget_prefixes(store)
end

--- The same keys are found there, and each is what it was.
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

--- A bucket in which nothing has changed stays, and so does the array that was made of it, or is made meanwhile.
---@param buckets table
---@param index resty.etcd.mirror.types.Index
---@param state resty.etcd.mirror.types.State
---@param draft resty.etcd.mirror.rebuild.NewTables
---@param slice resty.etcd.base.time_slice.TimeSlice
local function keep_buckets(buckets, index, state, draft, slice)
    for value, bucket in pairs(buckets) do
        time_slice.yield_if_due(slice)
        local old = index.buckets[value]
        if old ~= nil and is_unchanged(
            old,
            bucket,
            state.kvs,
            draft.kvs,
            slice
        ) then
            buckets[value] = old
        end
    end
end

--- Puts the draft in the place of what is in use. Only the last step changes anything, and it is short.
---@param state resty.etcd.mirror.types.State
---@param draft resty.etcd.mirror.rebuild.NewTables
---@param found table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean # false if the mirror was closed meanwhile: it is as it was
local function swap_in(state, draft, found, slice)
    local ____draft_1 = draft
    local kvs = ____draft_1.kvs
    local sorted = ____draft_1.sorted
    local added = ____draft_1.unsorted_keys
    local all_buckets = {}
    local all_values = {}
    for name, index in pairs(state.indexes) do
        local buckets = {}
        local values = table_new(0, #sorted + #added)
        local fresh = found[name]
        for ____, keys in ipairs({sorted, added}) do
            for ____, key in ipairs(keys) do
                time_slice.yield_if_due(slice)
                local is_as_before = kvs[key] == state.kvs[key]
                local known = is_as_before and index.values or fresh
                indexes.add(buckets, values, key, known[key])
            end
        end
        keep_buckets(
            buckets,
            index,
            state,
            draft,
            slice
        )
        all_buckets[name] = buckets
        all_values[name] = values
    end
    if state.is_closed then
        return false
    end
    state.kvs = kvs
    state.key_count = #sorted + #added
    state.sorted = sorted
    state.unsorted_keys = added
    state.has_deleted_keys = false
    state.invalid_items = draft.invalid_items
    for name, index in pairs(state.indexes) do
        index.buckets = all_buckets[name]
        index.values = all_values[name]
    end
    forget_lists(state)
    return true
end
_M.ask_index = ask_index
_M.ask_indexes = ask_indexes
_M.create = create
_M.new_index_values = new_index_values
_M.forget_lists = forget_lists
_M.forget_prefixes = forget_prefixes
_M.keep = keep
_M.swap_in = swap_in

return _M
