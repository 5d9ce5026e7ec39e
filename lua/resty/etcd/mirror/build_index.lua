-- Generated from src/resty/etcd/mirror/build_index.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local time_slice = require("resty.etcd.base.time_slice")
local timers = require("resty.etcd.base.timers")
local indexes = require("resty.etcd.mirror.indexes")
local options = require("resty.etcd.mirror.options")
local run_loop = require("resty.etcd.mirror.run_loop")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

--- Adds all keys to an index. The caller holds the lock of the store.
---@param state resty.etcd.mirror.types.State
---@param index resty.etcd.mirror.types.Index
local function fill(state, index)
    local slice = time_slice.start()
    local store = state.store
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        local value = indexes.value_of(state.indexes, index, store.kvs[key])
        indexes.add(index.buckets, index.values, key, value)
    end
end

local function build(premature, state, index)
    local finished
    if not premature and run_loop.acquire(state.loop) then
        local ok, err = pcall(fill, state, index)
        if ok then
            finished = index
        else
            rate_limited_log.warn(
                state.log,
                "index " .. index.name .. " was not built: " .. error_text.of(err, "no reason")
            )
        end
        indexes.end_building(state.indexes, index.name, finished)
        run_loop.release(state.loop)
        return
    end
    indexes.end_building(state.indexes, index.name, nil)
end

--- Adds an index. It is built in the background: until then, `by` returns "not ready" for it.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
---@return true? res
---@return string? err
local function add_index(self, name, fn)
    local problem = options.check_index(name, fn)
    if problem ~= nil then
        return nil, problem
    end
    if self.loop.is_closed then
        return nil, "the mirror is closed"
    end
    local ____self_indexes_0 = self.indexes
    local by_name = ____self_indexes_0.by_name
    local building = ____self_indexes_0.building
    if by_name[name] ~= nil or building[name] == true then
        return nil, "index " .. name .. " already exists"
    end
    indexes.start_building(self.indexes, name)
    local ok, err = timers.at(
        0,
        build,
        self,
        indexes.create_index(name, fn)
    )
    if ok == nil then
        indexes.end_building(self.indexes, name, nil)
        return nil, err
    end
    return true
end
_M.add_index = add_index

return _M
