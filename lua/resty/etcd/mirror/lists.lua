-- Generated from src/resty/etcd/mirror/lists.ts by TypeScriptToLua. Do not edit.
local _M = {}
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

--- Arrays of different prefixes that are kept; at the next one, all of them are dropped.
local MAX_PREFIXES = 1000

local function create()
    return {all = nil, by_prefix = {}, prefix_count = 0}
end

local function clear_prefixes(lists)
    lists.by_prefix = {}
    lists.prefix_count = 0
end

--- Drops all arrays. To be called after each change.
---@param lists resty.etcd.mirror.types.Lists
local function clear(lists)
    lists.all = nil
    clear_prefixes(lists)
end

--- Returns all kvs in the order of their keys.
---@param store resty.etcd.mirror.types.Store
---@return resty.etcd.mirror.types.Kv[]
local function all(store)
    local lists = store.lists
    local list = lists.all
    if list == nil then
        sorted_keys.sort_pending(store)
        list = sorted_keys.pick(store.kvs, store.order.sorted)
        lists.all = list
    end
    return list
end

--- Returns the kvs whose keys start with a prefix, in the order of their keys.
---@param store resty.etcd.mirror.types.Store
---@param prefix string
---@return resty.etcd.mirror.types.Kv[]
local function by_prefix(store, prefix)
    local lists = store.lists
    local list = lists.by_prefix[prefix]
    if list == nil then
        list = sorted_keys.pick_prefix(store, prefix)
        if lists.prefix_count >= MAX_PREFIXES then
            clear_prefixes(lists)
        end
        lists.prefix_count = lists.prefix_count + 1
        lists.by_prefix[prefix] = list
    end
    return list
end
_M.all = all
_M.by_prefix = by_prefix
_M.clear = clear
_M.new = create

return _M
