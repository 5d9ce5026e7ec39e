-- Generated from src/resty/etcd/base/timers.ts by TypeScriptToLua. Do not edit.
local _M = {}
local wait = require("resty.etcd.base.wait")

--- Converts the results of a protected call. nginx raises an error in a phase without timers, and returns nil and a text for others.
---@param ok boolean
---@param started any
---@param err any
---@return true? res
---@return string? err
local function result_of(ok, started, err)
    if not ok then
        return nil, tostring(started)
    end
    if started == nil then
        return nil, tostring(err)
    end
    return true
end

--- Creates a timer. Unlike `ngx.timer.at` it raises no error, and no time is too short or too long for it.
---@generic Args
---@param seconds number
---@param fn fun(premature: boolean, args: Args)
---@param ... Args
---@return true? res # true; or nil and why no timer can be created
---@return string? err
local function at(seconds, fn, ...)
    local ok, started, err = pcall(
        ngx.timer.at,
        wait.bounded(seconds),
        fn,
        ...
    )
    return result_of(ok, started, err)
end

--- Creates a timer that runs as soon as nginx is idle. It must not create itself again.
---@generic Args
---@param fn fun(premature: boolean, args: Args)
---@param ... Args
---@return true? res
---@return string? err
local function start(fn, ...)
    local ok, started, err = pcall(ngx.timer.at, 0, fn, ...)
    return result_of(ok, started, err)
end

--- Creates a repeated timer. Unlike `ngx.timer.every` it raises no error.
---@param seconds number
---@param fn fun(premature: boolean)
---@return true? res
---@return string? err
local function every(seconds, fn)
    local ok, started, err = pcall(
        ngx.timer.every,
        wait.bounded(seconds),
        fn
    )
    return result_of(ok, started, err)
end
_M.at = at
_M.every = every
_M.start = start

return _M
