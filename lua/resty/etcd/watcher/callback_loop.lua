-- Generated from src/resty/etcd/watcher/callback_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local timer_loops = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")

--- Maximum seconds of a wait for a batch, so that the turn notices a successor of its timer and the worker's exit.
local POLL_INTERVAL = 1

--- Where batches come from.
---@class resty.etcd.watcher.callback_loop.Source
---@field next fun(self: resty.etcd.watcher.callback_loop.Source, timeout?: number): resty.etcd.watcher.batch.WatchBatch?, string?, resty.etcd.protocol.errors.EtcdError?
---@field close fun(self: resty.etcd.watcher.callback_loop.Source): any

--- Calls a user's function with the batches of a watcher. Written by this file.
---@class resty.etcd.watcher.callback_loop.CallbackLoop
---@field source resty.etcd.watcher.callback_loop.Source
---@field on_batch fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: string, details?: resty.etcd.protocol.errors.EtcdError): any
---@field loop resty.etcd.base.timer_types.TimerLoop?
---@field is_calling boolean The function has not returned yet.
---@field errors number How often the function raised an error, or terminated its timer.

local function note_error(callback_loop, text)
    callback_loop.errors = callback_loop.errors + 1
    ngx.log(
        ngx.ERR,
        "on_batch of a watcher: ",
        printable.of(text)
    )
end

--- Calls the user's function. The watcher continues if it raises an error.
---@param callback_loop resty.etcd.watcher.callback_loop.CallbackLoop
---@param batch resty.etcd.watcher.batch.WatchBatch?
---@param err? string
---@param details? resty.etcd.protocol.errors.EtcdError
local function call_back(callback_loop, batch, err, details)
    callback_loop.is_calling = true
    local ok, thrown = pcall(callback_loop.on_batch, batch, err, details)
    callback_loop.is_calling = false
    if not ok then
        note_error(
            callback_loop,
            error_text.of(thrown, "an error without text")
        )
    end
    timer_loops.note_leftovers(callback_loop.loop, 1)
end

--- Calls the function until the watcher ends, the worker is exiting, or another timer continues.
---@param callback_loop resty.etcd.watcher.callback_loop.CallbackLoop
---@return number?
local function run(callback_loop)
    local source = callback_loop.source
    while not ngx.worker.exiting() do
        local batch, err, details = source:next(POLL_INTERVAL)
        if batch ~= nil then
            call_back(callback_loop, batch)
        elseif details.name ~= "timeout" then
            if details.name ~= "closed" then
                call_back(callback_loop, nil, err, details)
            end
            return nil
        end
        if timer_loops.must_hand_over(callback_loop.loop) then
            return 0
        end
    end
    source:close()
    return nil
end

--- Handles that the timer was terminated: by the function, unless it was not running. A batch that it was called with is
--- not repeated.
---@param callback_loop resty.etcd.watcher.callback_loop.CallbackLoop
---@return boolean
local function on_terminated(callback_loop)
    local was_calling = callback_loop.is_calling
    callback_loop.is_calling = false
    if was_calling then
        note_error(callback_loop, "the callback terminated its timer")
    end
    return was_calling
end

--- Has a function called with each batch, in timers, until the source ends or the worker is exiting.
---@param source resty.etcd.watcher.callback_loop.Source
---@param on_batch fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: string, details?: resty.etcd.protocol.errors.EtcdError): any
---@return resty.etcd.watcher.callback_loop.CallbackLoop? res
---@return string? err
local function create(source, on_batch)
    local callback_loop = {
        source = source,
        on_batch = on_batch,
        loop = nil,
        is_calling = false,
        errors = 0
    }
    callback_loop.loop = timer_loops.new(
        "on_batch of a watcher",
        function() return run(callback_loop) end,
        {
            pool = "user_functions",
            on_terminated = function() return on_terminated(callback_loop) end
        }
    )
    local ok, err = timer_loops.start(callback_loop.loop, 0)
    if ok == nil then
        return nil, err
    end
    return callback_loop
end
_M.new = create

return _M
