-- Generated from src/resty/etcd/base/rate_limited_log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local min = math.min

--- Lines that can be written in a burst.
local BURST = 20
local LINES_PER_SECOND = 1

--- The log lines of one object: a burst of them, then one line per second.
---@class resty.etcd.base.rate_limited_log.RateLimitedLog
---@field subject string What each line starts with: `mirror of /routes/`.
---@field tokens number Lines that can be written at `refilled_at`.
---@field refilled_at number
---@field withheld number Lines dropped since the last one that was written.

local function create(subject)
    return {
        subject = printable.key(subject),
        tokens = BURST,
        refilled_at = clock.now(),
        withheld = 0
    }
end

--- Logs a warning. The next line that is written counts those that the limit withheld.
---@param log resty.etcd.base.rate_limited_log.RateLimitedLog
---@param text string
local function warn(log, text)
    local time = clock.now()
    log.tokens = min(BURST, log.tokens + (time - log.refilled_at) * LINES_PER_SECOND)
    log.refilled_at = time
    if log.tokens < 1 then
        log.withheld = log.withheld + 1
        return
    end
    log.tokens = log.tokens - 1
    local others = log.withheld > 0 and " (and " .. tostring(log.withheld) .. " others)" or ""
    log.withheld = 0
    ngx.log(
        ngx.WARN,
        log.subject,
        ": ",
        printable.of(text),
        others
    )
end
_M.new = create
_M.warn = warn

return _M
