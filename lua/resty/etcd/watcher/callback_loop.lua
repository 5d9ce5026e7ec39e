-- Generated from src/resty/etcd/watcher/callback_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local watchdog = require("resty.etcd.base.watchdog")
local timers = require("resty.etcd.base.timers")
local now = clock.now

--- nginx frees what a timer took when it ends, so callbacks go on in another one after so many batches.
local BATCHES_PER_TIMER = 1000

--- A timer that waits for batches looks up so often, in seconds.
local POLL_INTERVAL = 1

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
---@field run fun(premature: boolean, loop: resty.etcd.watcher.callback_loop.CallbackLoop, id: number) What a timer does.
---@field timers number Timers so far: they are numbered.
---@field turn number The timer that may push.
---@field errors number Times that the callback threw, or ended its timer.

local function note_error(loop, text)
    loop.errors = loop.errors + 1
    ngx.log(ngx.ERR, "on_batch of a watcher: ", text)
end

--- Calls back; whatever the user's function does, the stream goes on.
---@param loop resty.etcd.watcher.callback_loop.CallbackLoop
---@param batch resty.etcd.watcher.batch.WatchBatch?
---@param err resty.etcd.protocol.errors.EtcdError?
local function call_back(loop, batch, err)
    local ok, thrown = pcall(loop.on_batch, batch, err)
    if not ok then
        local has_text, text = pcall(tostring, thrown)
        note_error(
            loop,
            has_text and type(text) == "string" and text or "an error without text"
        )
    end
end

--- Gives the turn to a new timer.
---@param loop resty.etcd.watcher.callback_loop.CallbackLoop
---@return true? res
---@return string? err
local function start(loop)
    local id = loop.timers + 1
    local ok, err = timers.at(0, loop.run, loop, id)
    if ok == nil then
        return nil, err
    end
    loop.timers = id
    loop.turn = id
    loop.running = false
    loop.missed = 0
    return true
end

local function is_running(loop)
    return loop.running
end

--- Hands over to a new timer; false if nginx has dropped that.
---@param loop resty.etcd.watcher.callback_loop.CallbackLoop
---@return boolean
local function hand_over(loop)
    local own = loop.turn
    if (start(loop)) == nil then
        return false
    end
    local give_up = now() + START_TIME
    while not is_running(loop) and now() < give_up do
        ngx.sleep(0.005)
    end
    if is_running(loop) then
        return true
    end
    loop.turn = own
    loop.running = true
    return false
end

--- Calls back with what comes.
---@param loop resty.etcd.watcher.callback_loop.CallbackLoop
local function work(loop)
    local count = 0
    while true do
        local batch, err = loop.source:next(POLL_INTERVAL)
        if batch ~= nil then
            call_back(loop, batch, nil)
            count = count + 1
        elseif err.name ~= "timeout" then
            watchdog.release(loop)
            if err.name ~= "closed" then
                call_back(loop, nil, err)
            end
            return
        end
        if ngx.worker.exiting() then
            loop.source:close()
            watchdog.release(loop)
            return
        end
        if count >= BATCHES_PER_TIMER then
            if hand_over(loop) then
                return
            end
            count = 0
        end
    end
end

local function run(premature, loop, id)
    if id ~= loop.turn then
        return
    end
    if premature then
        loop.source:close()
        watchdog.release(loop)
        return
    end
    local signs = watchdog.start_heartbeat(loop)
    work(loop)
    ngx.thread.kill(signs)
end

--- Has a function called with each batch, in timers, until the source has no more or the worker ends.
---@param source resty.etcd.watcher.callback_loop.Source
---@param on_batch fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: resty.etcd.protocol.errors.EtcdError): any
---@return resty.etcd.watcher.callback_loop.CallbackLoop? res # what it has come to so far
---@return string? err
local function create(source, on_batch)
    local loop = {
        source = source,
        on_batch = on_batch,
        run = run,
        timers = 0,
        turn = 0,
        running = false,
        missed = 0,
        errors = 0
    }
    local ok, err = start(loop)
    if ok == nil then
        return nil, err
    end
    local kept, keep_err = watchdog.supervise(
        loop,
        function(had_begun)
            if had_begun then
                note_error(loop, "it has ended its timer")
            end
            start(loop)
        end
    )
    if kept == nil then
        return nil, keep_err
    end
    return loop
end
_M.new = create

return _M
