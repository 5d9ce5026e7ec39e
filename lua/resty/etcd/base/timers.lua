-- Generated from src/resty/etcd/base/timers.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Has a function called by a timer. `ngx.timer.at`, but for a worker's last phase, where that throws.
---@generic Args
---@param seconds number
---@param fn fun(premature: boolean, args: Args)
---@param ... Args
---@return true? res # true; or nil and why there is no timer
---@return string? err
local function at(seconds, fn, ...)
    local ok, started, err = pcall(ngx.timer.at, seconds, fn, ...)
    if not ok then
        return nil, tostring(started)
    end
    if started == nil then
        return nil, tostring(err)
    end
    return true
end
_M.at = at

return _M
