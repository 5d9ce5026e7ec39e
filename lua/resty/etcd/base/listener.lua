-- Generated from src/resty/etcd/base/listener.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A function of the program that is called after changes, and on demand first with the current state. Its calls do not
--- overlap: a change that comes while the first call waits for something leads to another call after it.
---@class resty.etcd.base.listener.Listener
---@field is_starting boolean The first call has not returned.
---@field has_changed boolean There was a change since the first call, or the latest repetition of it, began.
---@field is_stopped boolean The function is not called any more.
---@field shown any The state that the function was called with last: a table that is replaced at each change.

--- Different from every state.
local NOTHING = {}

local function create(is_starting)
    return {is_starting = is_starting, has_changed = false, is_stopped = false, shown = NOTHING}
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

--- Reports whether the function must be called for a change now. If its first call runs, the change is noted instead.
---@param listener resty.etcd.base.listener.Listener
---@return boolean
local function accepts_change(listener)
    listener.has_changed = listener.is_starting
    return not listener.is_starting and not listener.is_stopped
end

local function take_change(listener)
    local has_changed = listener.has_changed and not listener.is_stopped
    listener.has_changed = false
    return has_changed
end

--- Makes the first call, and repeats it until there was no change meanwhile.
---@param listener resty.etcd.base.listener.Listener
---@param call fun() calls the function with the current state, and does not throw
local function start(listener, call)
    repeat
        do
            call()
        end
    until not take_change(listener)
    listener.is_starting = false
end
_M.accepts_change = accepts_change
_M.accepts_state = accepts_state
_M.new = create
_M.start = start

return _M
