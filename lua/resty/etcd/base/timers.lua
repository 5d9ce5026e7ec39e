-- Generated from src/resty/etcd/base/timers.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What nginx answers: a number, or nil and why there is no timer. It throws in a phase without timers.
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

--- Has a function called by a timer: `ngx.timer.at`, without its errors being raised.
---@generic Args
---@param seconds number
---@param fn fun(premature: boolean, args: Args)
---@param ... Args
---@return true? res # true; or nil and why there is no timer
---@return string? err
local function at(seconds, fn, ...)
    local ok, started, err = pcall(ngx.timer.at, seconds, fn, ...)
    return result_of(ok, started, err)
end

--- The same for `ngx.timer.every`.
---@param seconds number
---@param fn fun(premature: boolean)
---@return true? res
---@return string? err
local function every(seconds, fn)
    local ok, started, err = pcall(ngx.timer.every, seconds, fn)
    return result_of(ok, started, err)
end
_M.at = at
_M.every = every

return _M
