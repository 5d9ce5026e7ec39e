-- Generated from src/resty/etcd/watch/reopen_limit.ts by TypeScriptToLua. Do not edit.
local _M = {}
local token_bucket = require("resty.etcd.base.token_bucket")
local max = math.max

--- Least number of failed streams of a client that are opened again without a further delay.
local MIN_BURST = 10

--- The same for each watch of the client: each reopens immediately after a disconnect, and again after a compaction.
local BURST_PER_WATCH = 2

--- Least number of failed streams per second that are opened again after that.
local MIN_RATE = 5

--- The same for each watch: none waits longer for the others than its own delay lasts, which is 10 s at most.
local RATE_PER_WATCH = 0.1

--- Returns the seconds before a watch of a client opens another stream after one that etcd has answered but not kept. An
--- endpoint that answers looks healthy, so no health check limits such attempts, and the delay of each watch alone would let
--- many watches send hundreds of calls per second at first.
---@param core resty.etcd.call.client_state.Core
---@return number
local function delay(core)
    local ____opt_0 = core.shared_watches
    local watches = ____opt_0 and #____opt_0 or 0
    local bucket = core.reopen_limit
    if bucket == nil then
        bucket = token_bucket.new(MIN_BURST, MIN_RATE)
        core.reopen_limit = bucket
    end
    local burst = max(bucket.capacity, BURST_PER_WATCH * watches)
    if burst > bucket.capacity then
        token_bucket.resize(
            bucket,
            burst,
            max(MIN_RATE, burst / BURST_PER_WATCH * RATE_PER_WATCH)
        )
    end
    return token_bucket.reserve(bucket, 1)
end
_M.delay = delay

return _M
