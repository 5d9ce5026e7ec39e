-- Generated from src/resty/etcd/watch/reopen_policy.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local now = clock.now
local min = math.min

--- Seconds for which a stream must have been connected to count as healthy.
local HEALTHY_AFTER = 1

--- Minimum interval in seconds between reopenings without a delay, which follow the end of a healthy stream.
local MIN_REOPEN_INTERVAL = 0.1

--- Maximum delay in seconds while no endpoint is available: asking the health check again costs no connection.
local NO_ENDPOINT_DELAY = 1

--- When a shared watch opens its next stream. Written by this file.
---@class resty.etcd.watch.reopen_policy.ReopenPolicy
---@field backoff resty.etcd.base.backoff.Backoff
---@field last_immediate number Time of the last reopening without a delay.
---@field was_answered boolean etcd has answered during the last session.

local function create()
    return {
        backoff = backoffs.new(),
        last_immediate = 0,
        was_answered = true
    }
end

--- Returns the delay in seconds before the next stream.
---@param policy resty.etcd.watch.reopen_policy.ReopenPolicy
---@param err resty.etcd.protocol.errors.EtcdError
---@param connected_at number? when etcd confirmed the watch on the stream that has ended; nil if it did not
---@param has_delivered boolean events came through it
---@param is_answered boolean etcd has answered a request of the session: an outage, if there was one, is over
---@return number
local function next_delay(policy, err, connected_at, has_delivered, is_answered)
    local backoff = policy.backoff
    local time = now()
    local is_healthy = has_delivered or connected_at ~= nil and time - connected_at > HEALTHY_AFTER
    if is_healthy or is_answered and not policy.was_answered then
        backoffs.reset(backoff)
    end
    policy.was_answered = is_answered
    local was_healthy = connected_at ~= nil and backoff.seconds == 0
    local delay = backoffs.next(backoff)
    if was_healthy and time - policy.last_immediate > MIN_REOPEN_INTERVAL then
        policy.last_immediate = time
        return 0
    end
    return err.name == "no_endpoint" and min(delay, NO_ENDPOINT_DELAY) or delay
end
_M.new = create
_M.next_delay = next_delay

return _M
