-- Generated from src/resty/etcd/mirror/build_index.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local time_slice = require("resty.etcd.base.time_slice")
local timer_loop = require("resty.etcd.base.timer_loop")
local errors = require("resty.etcd.protocol.errors")
local indexes = require("resty.etcd.mirror.indexes")
local options = require("resty.etcd.mirror.options")
local run_loop = require("resty.etcd.mirror.run_loop")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")

--- An index that is being built.
---@class resty.etcd.mirror.build_index.Build
---@field state resty.etcd.mirror.types.State
---@field index resty.etcd.mirror.types.Index
---@field is_filling boolean It holds the lock of the store.

--- Adds all keys to the index. The caller holds the lock of the store.
---@param build resty.etcd.mirror.build_index.Build
local function fill(build)
    local ____build_0 = build
    local index = ____build_0.index
    local state = ____build_0.state
    local slice = time_slice.start()
    local store = state.store
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        local value = indexes.value_of(state.indexes, index, store.kvs[key])
        indexes.add(index.buckets, index.values, key, value)
    end
end

--- Ends the building of the index, before other changes of the store.
---@param build resty.etcd.mirror.build_index.Build
---@param err string? why it was not built; nil if it was
local function finish(build, err)
    local ____build_1 = build
    local index = ____build_1.index
    local state = ____build_1.state
    if err ~= nil then
        rate_limited_log.warn(state.log, "index " .. index.name .. " was not built: " .. err)
    end
    indexes.end_building(state.indexes, index.name, err == nil and index or nil)
    if build.is_filling then
        build.is_filling = false
        run_loop.release(state.loop)
    end
end

--- The only turn of the loop that builds the index.
---@param build resty.etcd.mirror.build_index.Build
local function run(build)
    local ____build_2 = build
    local index = ____build_2.index
    local state = ____build_2.state
    if not run_loop.acquire(state.loop) then
        indexes.end_building(state.indexes, index.name, nil)
        return
    end
    build.is_filling = true
    local ok, err = pcall(fill, build)
    if ok then
        finish(build, nil)
    else
        finish(
            build,
            error_text.of(err, "no reason")
        )
    end
end

--- Handles that the timer was terminated: by the index function, unless it was not running. The index is then built again.
---@param build resty.etcd.mirror.build_index.Build
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return boolean
local function on_terminated(build, loop)
    local ____build_3 = build
    local index = ____build_3.index
    local state = ____build_3.state
    local was_calling = build.is_filling and state.indexes.is_calling
    if was_calling then
        state.indexes.is_calling = false
        timer_loop.stop(loop)
        finish(build, "its function terminated the timer")
    elseif build.is_filling then
        build.is_filling = false
        build.index = indexes.create_index(index.name, index.fn)
        run_loop.release(state.loop)
    end
    return was_calling
end

--- Adds an index. It is built in the background: until then, `by` returns "not ready" for it.
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
    local ____self_indexes_4 = self.indexes
    local by_name = ____self_indexes_4.by_name
    local building = ____self_indexes_4.building
    if by_name[name] ~= nil or building[name] == true then
        return errors.bad_request("index " .. name .. " already exists")
    end
    local build = {
        state = self,
        index = indexes.create_index(name, fn),
        is_filling = false
    }
    local loop
    loop = timer_loop.new(
        self.log.subject,
        function()
            run(build)
            return nil
        end,
        {
            pool = "user_functions",
            on_terminated = function() return on_terminated(build, loop) end
        }
    )
    local ok, err = timer_loop.start(loop, 0)
    if ok == nil then
        return errors.bad_request(err)
    end
    indexes.start_building(self.indexes, name)
    return true
end
_M.add_index = add_index

return _M
