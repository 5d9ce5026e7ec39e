-- Generated from src/resty/etcd/mirror/indexes.ts by TypeScriptToLua. Do not edit.
local _M = {}
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

local function create(name, fn)
    return {name = name, fn = fn, buckets = {}, values = {}}
end

--- NaN and nil cannot be looked up.
---@param value any
---@return boolean
local function is_key(value)
    return value ~= nil and value == value
end

--- Asks the user's function what a key is found under.
---@param index resty.etcd.mirror.types.Index
---@param kv resty.etcd.mirror.types.Kv
---@return boolean ok # true and the value or a new array of values, if any; false and an error if it throws
---@return any value
local function ask(index, kv)
    local ok, value = pcall(index.fn, kv.value, kv)
    if not ok or type(value) ~= "table" then
        if is_key(value) then
            return ok, value
        end
        return ok, nil
    end
    local copy = {}
    for ____, one in ipairs(value) do
        if is_key(one) then
            copy[#copy + 1] = one
        end
    end
    return true, copy
end

local function add_to(buckets, value, key)
    local bucket = buckets[value]
    if bucket == nil then
        buckets[value] = {keys = {key}, list = nil}
    else
        sorted_keys.put(bucket.keys, key)
        bucket.list = nil
    end
end

local function remove_from(buckets, value, key)
    local bucket = buckets[value]
    if bucket ~= nil then
        sorted_keys.take(bucket.keys, key)
        bucket.list = nil
        if #bucket.keys == 0 then
            buckets[value] = nil
        end
    end
end

--- Lets a key be found under a value, or an array of values; under none if it is nil.
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

--- Moves a key from what it was found under.
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

--- An array that cannot be written to, shared by all who find nothing.
local NOTHING = setmetatable(
    {},
    {__newindex = function()
        error("read-only", 2)
    end}
)

--- All keys that are found under a value.
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
        list = sorted_keys.pick(store, bucket.keys)
        bucket.list = list
    end
    return list
end
_M.NOTHING = NOTHING
_M.add = add
_M.ask = ask
_M.create = create
_M.find = find
_M.update = update

return _M
