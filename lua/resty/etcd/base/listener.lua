-- Generated from src/resty/etcd/base/listener.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local timers = require("resty.etcd.base.timers")
local now = clock.now

--- Seconds after which a first call that has not returned no longer delays the calls for changes. It runs in the light
-- thread of the program, which is killed with its request, for example if the function ends the request. The first call then
-- never returns.
local MAX_START = 5

--- A function of the program that is called after changes, and on demand first with the current state. A change that comes
--- while the first call waits for something leads to another call after it, so that they do not overlap.
---@class resty.etcd.base.listener.Listener
---@field is_starting boolean The first call has not returned.
---@field started_at number
---@field call (fun())? Calls the function with the current state; nil without a first call.
---@field has_changed boolean There was a change since the first call, or the latest repetition of it, began.
---@field is_stopped boolean The function is not called any more.
---@field shown any The state that the function was called with last: a table that is replaced at each change.

--- Different from every state.
local NOTHING = {}

local function create(is_starting)
    local listener = {
        is_starting = is_starting,
        started_at = now(),
        call = nil,
        has_changed = false,
        is_stopped = false,
        shown = NOTHING
    }
    return listener
end

--- Reports whether the function has not been called with a state yet, and notes that it is called now. Changes are
--- visible before they are reported, so a call can already show the state after the next change.
---@param listener resty.etcd.base.listener.Listener
---@param state any
---@return boolean
local function accepts_state(listener, state)
    local is_new = state ~= listener.shown
    listener.shown = state
    return is_new
end

local function take_change(listener)
    local has_changed = listener.has_changed and not listener.is_stopped
    listener.has_changed = false
    return has_changed
end

--- Reports whether the first call runs; from `MAX_START` on it counts as killed.
---@param listener resty.etcd.base.listener.Listener
---@return boolean
local function is_delayed(listener)
    if listener.is_starting and now() - listener.started_at >= MAX_START then
        listener.is_starting = false
    end
    return listener.is_starting
end

--- Calls the function for a change that the first call has delayed, unless the first call has returned.
---@param premature boolean
---@param listener resty.etcd.base.listener.Listener
local function call_delayed(premature, listener)
    if listener.is_starting and not premature then
        listener.is_starting = false
        local call = listener.call
        if call ~= nil and take_change(listener) then
            call()
        end
    end
end

--- Reports whether the function must be called for a change now. If its first call runs, the change is noted instead.
---@param listener resty.etcd.base.listener.Listener
---@return boolean
local function accepts_change(listener)
    if not is_delayed(listener) then
        return not listener.is_stopped
    end
    if not listener.has_changed then
        listener.has_changed = true
        local ok = timers.at(
            listener.started_at + MAX_START - now(),
            call_delayed,
            listener
        )
        if ok == nil then
            listener.is_starting = false
            return not listener.is_stopped
        end
    end
    return false
end

--- Makes the first call, and repeats it until there was no change meanwhile.
---@param listener resty.etcd.base.listener.Listener
---@param call fun() calls the function with the current state, and does not throw
local function start(listener, call)
    listener.call = call
    repeat
        do
            call()
        end
    until not (take_change(listener) and listener.is_starting)
    listener.is_starting = false
end
_M.accepts_change = accepts_change
_M.accepts_state = accepts_state
_M.new = create
_M.start = start

return _M
