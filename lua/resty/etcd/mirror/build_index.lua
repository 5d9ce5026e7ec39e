-- Generated from src/resty/etcd/mirror/build_index.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local time_slice = require("resty.etcd.base.time_slice")
local timer_loop = require("resty.etcd.base.timer_loop")
local errors = require("resty.etcd.protocol.errors")
local indexes = require("resty.etcd.mirror.indexes")
local options = require("resty.etcd.mirror.options")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

--- Adds all keys to an index.
---@param state resty.etcd.mirror.types.State
---@param index resty.etcd.mirror.types.Index
---@return boolean # false if the mirror was closed meanwhile
local function fill(state, index)
    local slice = time_slice.start()
    local store = state.store
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        if state.loop.is_closed then
            return false
        end
        local value = indexes.value_of(state.indexes, index, store.kvs[key])
        indexes.add(index.buckets, index.values, key, value)
    end
    return true
end

local function log_failure(state, name, err)
    rate_limited_log.warn(state.log, "index " .. name .. " was not built: " .. err)
end

local function build(state, index)
    local ok, result = pcall(fill, state, index)
    if not ok then
        log_failure(
            state,
            index.name,
            error_text.of(result, "no reason")
        )
    end
    indexes.end_building(state.indexes, index.name, ok and result == true and index or nil)
end

--- Builds the indexes that were added. Only the loop of the mirror calls this: the content does not change meanwhile.
---@param state resty.etcd.mirror.types.State
local function build_pending(state)
    while not state.loop.is_closed do
        local index = indexes.start_building(state.indexes)
        if index == nil then
            return
        end
        build(state, index)
    end
end

--- Handles that the timer was terminated. An index whose function has done that is not built. If another function has, it
--- stays pending.
---@param state resty.etcd.mirror.types.State
---@return boolean # whether the function of an index that was being built has terminated the timer
local function on_terminated(state)
    local name = state.indexes.building
    if name == nil then
        return false
    end
    local was_calling = state.indexes.is_calling
    indexes.interrupt_building(state.indexes)
    if was_calling then
        log_failure(state, name, "its function terminated the timer")
        indexes.end_building(state.indexes, name, nil)
    end
    return was_calling
end

--- Adds an index. The loop of the mirror builds it: until then, `by` returns "not ready" for it.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
---@return true? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function add_index(self, name, fn)
    local problem = options.check_index(name, fn)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if self.loop.is_closed then
        return errors.to_result(errors.local_error("closed", "the mirror is closed"))
    end
    local ____self_indexes_0 = self.indexes
    local by_name = ____self_indexes_0.by_name
    local pending = ____self_indexes_0.pending
    if by_name[name] ~= nil or pending[name] ~= nil then
        return errors.bad_request("index " .. name .. " already exists")
    end
    indexes.add_pending(self.indexes, name, fn)
    timer_loop.wake(self.loop.timer)
    return true
end
_M.add_index = add_index
_M.build_pending = build_pending
_M.on_terminated = on_terminated

return _M
