-- Generated from src/resty/etcd/watch/reopen_policy.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local token_bucket = require("resty.etcd.base.token_bucket")
local now = clock.now
local max = math.max
local min = math.min

--- Least time in seconds for which a stream must have been connected to count as healthy.
local HEALTHY_AFTER = 1

--- Least time in seconds for which a stream must have been connected, unless it has delivered events, not to be limited.
local UNLIMITED_AFTER = 10

--- Minimum interval in seconds between reopenings without a delay, which follow the end of a healthy stream.
local MIN_REOPEN_INTERVAL = 0.1

--- Maximum delay in seconds while no endpoint is available: asking the health check again costs no connection.
local NO_ENDPOINT_DELAY = 1

--- Streams that a watch opens in a burst if etcd answers: after a disconnect, a compaction, and once more.
local BURST = 3

--- Streams per second after that. Each takes up to five calls: three reads, the watch, and the read of a full state.
local STREAMS_PER_SECOND = 1

--- Attempts at calls that count as one stream: a rejected token is sent up to seven times, and replaced by a login.
local ATTEMPTS_PER_STREAM = 3

--- When a shared watch opens its next stream. Written by this file.
---@class resty.etcd.watch.reopen_policy.ReopenPolicy
---@field backoff resty.etcd.base.backoff.Backoff
---@field limit resty.etcd.base.token_bucket.TokenBucket Limits the streams that etcd has answered.
---@field last_immediate number Time of the last reopening without a delay.
---@field was_answered boolean etcd has answered during the last session.
---@field can_recover boolean An answer can still end the delay of an outage: none has done that since the last healthy stream.

--- How a session with a stream has ended.
---@class resty.etcd.watch.reopen_policy.SessionEnd
---@field err resty.etcd.protocol.errors.EtcdError
---@field connected_at number? When etcd confirmed the watch; nil if it did not.
---@field has_delivered boolean Events came through the stream.
---@field is_answered boolean etcd has answered a request: an outage, if there was one, is over.
---@field attempts number Attempts at the calls before the stream was open.

local function create()
    return {
        backoff = backoffs.new(),
        limit = token_bucket.new(BURST, STREAMS_PER_SECOND),
        last_immediate = 0,
        was_answered = true,
        can_recover = true
    }
end

--- Returns the seconds for which the stream was connected.
---@param end resty.etcd.watch.reopen_policy.SessionEnd
---@return number
local function connected_for(____end)
    return ____end.connected_at ~= nil and now() - ____end.connected_at or 0
end

--- Resets the delay after real progress: the stream has delivered events, or was connected for longer than the delay before
--- it. The first answer after an outage resets the delay too, but only once before the next healthy stream: an endpoint
--- that is banned and released in turns would keep the delay short for ever.
---@param policy resty.etcd.watch.reopen_policy.ReopenPolicy
---@param end resty.etcd.watch.reopen_policy.SessionEnd
local function reset_after_progress(policy, ____end)
    local ____policy_0 = policy
    local backoff = ____policy_0.backoff
    if ____end.has_delivered or connected_for(____end) > max(HEALTHY_AFTER, backoff.seconds) then
        backoffs.reset(backoff)
        policy.can_recover = true
    elseif ____end.is_answered and not policy.was_answered and policy.can_recover then
        backoffs.reset(backoff)
        policy.can_recover = false
    end
    policy.was_answered = ____end.is_answered
end

--- Returns the delay in seconds before the next stream.
---@param policy resty.etcd.watch.reopen_policy.ReopenPolicy
---@param end resty.etcd.watch.reopen_policy.SessionEnd
---@return number
local function next_delay(policy, ____end)
    local backoff = policy.backoff
    local time = now()
    reset_after_progress(policy, ____end)
    local was_healthy = ____end.connected_at ~= nil and backoff.seconds == 0
    local delay = backoffs.next(backoff)
    if was_healthy and time - policy.last_immediate > MIN_REOPEN_INTERVAL then
        policy.last_immediate = time
        delay = 0
    end
    if ____end.err.name == "no_endpoint" then
        return min(delay, NO_ENDPOINT_DELAY)
    end
    return ____end.is_answered and max(
        delay,
        token_bucket.reserve(
            policy.limit,
            max(1, ____end.attempts / ATTEMPTS_PER_STREAM)
        )
    ) or delay
end

--- Reports whether the limit of the client applies to the next stream too: etcd answers, but does not keep the stream.
---@param end resty.etcd.watch.reopen_policy.SessionEnd
---@return boolean
local function is_limited_by_client(____end)
    return ____end.is_answered and not ____end.has_delivered and connected_for(____end) < UNLIMITED_AFTER
end
_M.new = create
_M.is_limited_by_client = is_limited_by_client
_M.next_delay = next_delay

return _M
