-- Generated from src/resty/etcd/base/backoff.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local min = math.min

--- Seconds before a second try, at least.
local MIN_DELAY = 0.05
local MAX_DELAY = 10

--- How long to wait before something that has failed is tried once more.
---@class resty.etcd.base.backoff.Backoff
---@field seconds number The last wait; 0 after a success.

local function create()
    return {seconds = 0}
end

--- The next wait. Each is random between the least and three times the last one, so that those who failed together
--- do not come back together.
---@param backoff resty.etcd.base.backoff.Backoff
---@return number
local function next(backoff)
    local last = backoff.seconds == 0 and MIN_DELAY or backoff.seconds
    backoff.seconds = min(
        MAX_DELAY,
        MIN_DELAY + random.next() * (last * 3 - MIN_DELAY)
    )
    return backoff.seconds
end

--- What was tried has succeeded.
---@param backoff resty.etcd.base.backoff.Backoff
local function reset(backoff)
    backoff.seconds = 0
end
_M.new = create
_M.next = next
_M.reset = reset

return _M
