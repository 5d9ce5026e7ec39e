-- Generated from src/resty/etcd/mirror/rate_limited_log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local min = math.min

--- Lines in a burst, and how many more a second.
local BURST = 20
local PER_SECOND = 1

--- What a user's function says was wrong, whatever it is.
---@param err any
---@param otherwise string
---@return string
local function text_of(err, otherwise)
    if err == nil then
        return otherwise
    end
    local ok, text = pcall(tostring, err)
    return ok and text or otherwise
end

--- Says what a user's function or item is not right at, in one line; of very many, not each.
---@param state resty.etcd.mirror.types.State
---@param text string
local function warn(state, text)
    local time = clock.now()
    state.log_tokens = min(BURST, state.log_tokens + (time - state.log_refilled) * PER_SECOND)
    state.log_refilled = time
    if state.log_tokens < 1 then
        state.log_withheld = state.log_withheld + 1
        return
    end
    state.log_tokens = state.log_tokens - 1
    local printable = string.gsub(text, "%c", "?")
    local others = state.log_withheld > 0 and " (and " .. tostring(state.log_withheld) .. " others)" or ""
    state.log_withheld = 0
    ngx.log(
        ngx.WARN,
        "mirror of ",
        state.dir,
        ": ",
        printable,
        others
    )
end
_M.BURST = BURST
_M.warn = warn
_M.text_of = text_of

return _M
