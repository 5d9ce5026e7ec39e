-- Generated from src/resty/etcd/mirror/indexes.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local printable = require("resty.etcd.base.printable")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")
local table_new = require("table.new")

local function create_index(name, fn)
    return {name = name, fn = fn, buckets = {}, values = {}}
end

local function create(fns, log)
    local by_name = {}
    for name, fn in pairs(fns or ({})) do
        by_name[name] = create_index(name, fn)
    end
    return {
        by_name = by_name,
        pending = {},
        building = nil,
        log = log,
        error_count = 0,
        is_calling = false
    }
end

--- Notes that an index must be built.
---@param indexes resty.etcd.mirror.types.Indexes
---@param name string
---@param fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
local function add_pending(indexes, name, fn)
    indexes.pending[name] = fn
end

--- Starts to build a pending index; nil if there is none.
---@param indexes resty.etcd.mirror.types.Indexes
---@return resty.etcd.mirror.types.Index?
local function start_building(indexes)
    local first = next(indexes.pending)
    local name = first
    indexes.building = name
    return name ~= nil and create_index(name, indexes.pending[name]) or nil
end

--- Notes that a function has interrupted the building of the index: it is still pending.
---@param indexes resty.etcd.mirror.types.Indexes
local function interrupt_building(indexes)
    indexes.building = nil
    indexes.is_calling = false
end

--- Ends the building of an index.
---@param indexes resty.etcd.mirror.types.Indexes
---@param name string
---@param index resty.etcd.mirror.types.Index? nil if it was not built
local function end_building(indexes, name, index)
    indexes.building = nil
    indexes.pending[name] = nil
    if index ~= nil then
        indexes.by_name[name] = index
    end
end

--- Reports whether there is any index, also one that is not built yet.
---@param indexes resty.etcd.mirror.types.Indexes
---@return boolean
local function is_used(indexes)
    local name = next(indexes.by_name)
    local pending_name = next(indexes.pending)
    return name ~= nil or pending_name ~= nil
end

--- Builds no pending index any more.
---@param indexes resty.etcd.mirror.types.Indexes
local function drop_pending(indexes)
    for name in pairs(indexes.pending) do
        indexes.pending[name] = nil
    end
end

--- Reports whether a value can be a table key: nil and NaN cannot.
---@param value any
---@return boolean
local function is_table_key(value)
    return value ~= nil and value == value
end

--- Calls an index function.
---@param index resty.etcd.mirror.types.Index
---@param kv resty.etcd.mirror.types.Kv
---@return boolean ok # true and the value or a new array of values, if any; false and an error if it throws
---@return any value
local function call(index, kv)
    local ok, value = pcall(index.fn, kv.value, kv)
    if not ok or type(value) ~= "table" then
        if is_table_key(value) then
            return ok, value
        end
        return ok, nil
    end
    local copy = {}
    for ____, one in ipairs(value) do
        if is_table_key(one) then
            copy[#copy + 1] = one
        end
    end
    return true, copy
end

--- Returns the value of one index for a key, or nil. If the function throws, the key has no value in this index.
---@param indexes resty.etcd.mirror.types.Indexes
---@param index resty.etcd.mirror.types.Index
---@param kv resty.etcd.mirror.types.Kv
---@return table?
local function value_of(indexes, index, kv)
    indexes.is_calling = true
    local ok, value = call(index, kv)
    indexes.is_calling = false
    if not ok then
        indexes.error_count = indexes.error_count + 1
        rate_limited_log.warn(
            indexes.log,
            "index " .. index.name .. ": " .. printable.key(kv.key) .. ": " .. error_text.of(value, "no reason")
        )
        return nil
    end
    return value
end

--- Makes the tables for the values of changed keys.
---@param indexes resty.etcd.mirror.types.Indexes
---@param size number upper bound for the number of keys: growing a large table takes long
---@return table
local function new_values(indexes, size)
    local new_index_values = {}
    for name in pairs(indexes.by_name) do
        new_index_values[name] = table_new(0, size)
    end
    return new_index_values
end

--- Computes the values of all indexes for a changed key.
---@param indexes resty.etcd.mirror.types.Indexes
---@param kv resty.etcd.mirror.types.Kv
---@param new_index_values table
local function compute_values(indexes, kv, new_index_values)
    for name, index in pairs(indexes.by_name) do
        local value = value_of(indexes, index, kv)
        if value ~= nil then
            new_index_values[name][kv.key] = value
        end
    end
end

local function add_to(buckets, value, key)
    local bucket = buckets[value]
    if bucket == nil then
        buckets[value] = {keys = {key}, list = nil}
    else
        sorted_keys.insert_key(bucket.keys, key)
        bucket.list = nil
    end
end

local function remove_from(buckets, value, key)
    local bucket = buckets[value]
    if bucket ~= nil then
        sorted_keys.remove_key(bucket.keys, key)
        bucket.list = nil
        if #bucket.keys == 0 then
            buckets[value] = nil
        end
    end
end

--- Adds a key under a value, or under each of an array of values; nil removes its values.
---@param buckets table
---@param values table
---@param key string
---@param value table?
local function add(buckets, values, key, value)
    if value == nil then
        values[key] = nil
        return
    end
    values[key] = value
    if type(value) == "table" then
        for ____, one in ipairs(value) do
            add_to(buckets, one, key)
        end
    else
        add_to(buckets, value, key)
    end
end

--- Moves a key to the buckets of its new value.
---@param index resty.etcd.mirror.types.Index
---@param key string
---@param value table?
local function update(index, key, value)
    local buckets = index.buckets
    local old = index.values[key]
    if type(old) == "table" then
        for ____, one in ipairs(old) do
            remove_from(buckets, one, key)
        end
    elseif old ~= nil then
        if old == value then
            buckets[old].list = nil
            return
        end
        remove_from(buckets, old, key)
    end
    add(buckets, index.values, key, value)
end

--- Moves a key to the buckets of its new values in all indexes.
---@param indexes resty.etcd.mirror.types.Indexes
---@param key string
---@param new_index_values table
local function update_all(indexes, key, new_index_values)
    for name, index in pairs(indexes.by_name) do
        update(index, key, new_index_values[name][key])
    end
end

--- Replaces the content of an index.
---@param index resty.etcd.mirror.types.Index
---@param buckets table
---@param values table
local function replace(index, buckets, values)
    index.buckets = buckets
    index.values = values
end

--- An empty, write-protected array, returned whenever an index has no key for a value.
local NOTHING = setmetatable(
    {},
    {__newindex = function()
        error("read-only", 2)
    end}
)

--- Returns the kvs with a value, in the order of their keys.
---@param store resty.etcd.mirror.types.Store
---@param index resty.etcd.mirror.types.Index
---@param value table
---@return resty.etcd.mirror.types.Kv[]
local function find(store, index, value)
    local bucket = index.buckets[value]
    if bucket == nil then
        return NOTHING
    end
    local list = bucket.list
    if list == nil then
        list = sorted_keys.pick(store.kvs, bucket.keys)
        bucket.list = list
    end
    return list
end
_M.add = add
_M.add_pending = add_pending
_M.compute_values = compute_values
_M.drop_pending = drop_pending
_M.end_building = end_building
_M.find = find
_M.interrupt_building = interrupt_building
_M.is_used = is_used
_M.new = create
_M.new_values = new_values
_M.replace = replace
_M.start_building = start_building
_M.update_all = update_all
_M.value_of = value_of

return _M
