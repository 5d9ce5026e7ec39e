-- Generated from src/resty/etcd/watcher/callback_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local watchdog = require("resty.etcd.base.watchdog")
local timers = require("resty.etcd.base.timers")
local now = clock.now
local guard = pcall

--- nginx frees what a timer took when it ends, so callbacks go on in another one after so many batches.
local BATCHES_PER_TIMER = 1000

--- A timer that waits for batches looks up so often, in seconds.
local LOOK = 1

--- How long a timer may take to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- Where batches come from.
---@class resty.etcd.watcher.callback_loop.Source
---@field next fun(self: resty.etcd.watcher.callback_loop.Source, timeout?: number): resty.etcd.watcher.batch.WatchBatch?, resty.etcd.protocol.errors.EtcdError?
---@field close fun(self: resty.etcd.watcher.callback_loop.Source): any

--- Gives the batches of a watcher to a callback, in one timer after the other.
---@class resty.etcd.watcher.callback_loop.CallbackLoop: resty.etcd.base.watchdog.Heartbeat
---@field source resty.etcd.watcher.callback_loop.Source
---@field on_batch fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: resty.etcd.protocol.errors.EtcdError): any
---@field run fun(premature: boolean, push: resty.etcd.watcher.callback_loop.CallbackLoop, id: number) What a timer does.
---@field timers number Timers so far: they are numbered.
---@field turn number The timer that may push.
---@field errors number Times that the callback threw, or ended its timer.

local function note_error(push, text)
    push.errors = push.errors + 1
    ngx.log(ngx.ERR, "on_batch of a watcher: ", text)
end

--- Calls back; whatever the user's function does, the stream goes on.
---@param push resty.etcd.watcher.callback_loop.CallbackLoop
---@param batch resty.etcd.watcher.batch.WatchBatch?
---@param err resty.etcd.protocol.errors.EtcdError?
local function call_back(push, batch, err)
    local ok, thrown = guard(push.on_batch, batch, err)
    if not ok then
        local has_text, text = guard(tostring, thrown)
        note_error(
            push,
            has_text and type(text) == "string" and text or "an error without text"
        )
    end
end

--- Gives the turn to a new timer.
---@param push resty.etcd.watcher.callback_loop.CallbackLoop
---@return true? res
---@return string? err
local function start(push)
    local id = push.timers + 1
    local ok, err = timers.at(0, push.run, push, id)
    if ok == nil then
        return nil, err
    end
    push.timers = id
    push.turn = id
    push.running = false
    push.missed = 0
    return true
end

local function is_running(push)
    return push.running
end

--- Hands over to a new timer; false if nginx has dropped that.
---@param push resty.etcd.watcher.callback_loop.CallbackLoop
---@return boolean
local function hand_over(push)
    local own = push.turn
    if (start(push)) == nil then
        return false
    end
    local give_up = now() + START_TIME
    while not is_running(push) and now() < give_up do
        ngx.sleep(0.005)
    end
    if is_running(push) then
        return true
    end
    push.turn = own
    push.running = true
    return false
end

--- Calls back with what comes.
---@param push resty.etcd.watcher.callback_loop.CallbackLoop
local function work(push)
    local count = 0
    while true do
        local batch, err = push.source:next(LOOK)
        if batch ~= nil then
            call_back(push, batch, nil)
            count = count + 1
        elseif err.name ~= "timeout" then
            watchdog.release(push)
            if err.name ~= "closed" then
                call_back(push, nil, err)
            end
            return
        end
        if ngx.worker.exiting() then
            push.source:close()
            watchdog.release(push)
            return
        end
        if count >= BATCHES_PER_TIMER then
            if hand_over(push) then
                return
            end
            count = 0
        end
    end
end

local function run(premature, push, id)
    if id ~= push.turn then
        return
    end
    if premature then
        push.source:close()
        watchdog.release(push)
        return
    end
    local signs = watchdog.start_heartbeat(push)
    work(push)
    ngx.thread.kill(signs)
end

--- Has a function called with each batch, in timers, until the source has no more or the worker ends.
---@param source resty.etcd.watcher.callback_loop.Source
---@param on_batch fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: resty.etcd.protocol.errors.EtcdError): any
---@return resty.etcd.watcher.callback_loop.CallbackLoop? res # what it has come to so far
---@return string? err
local function create(source, on_batch)
    local push = {
        source = source,
        on_batch = on_batch,
        run = run,
        timers = 0,
        turn = 0,
        running = false,
        missed = 0,
        errors = 0
    }
    local ok, err = start(push)
    if ok == nil then
        return nil, err
    end
    local kept, keep_err = watchdog.supervise(
        push,
        function(had_begun)
            if had_begun then
                note_error(push, "it has ended its timer")
            end
            start(push)
        end
    )
    if kept == nil then
        return nil, keep_err
    end
    return push
end
_M.new = create

return _M
