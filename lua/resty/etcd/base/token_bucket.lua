-- Generated from src/resty/etcd/base/token_bucket.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now
local min = math.min

--- A limit of a rate: a burst of tokens, then a number of them per second.
---@class resty.etcd.base.token_bucket.TokenBucket
---@field capacity number
---@field per_second number
---@field tokens number Tokens at `refilled_at`; negative if tokens of the future were reserved.
---@field refilled_at number

local function create(capacity, per_second)
    return {
        capacity = capacity,
        per_second = per_second,
        tokens = capacity,
        refilled_at = now()
    }
end

--- Changes the limits. A capacity that grows adds its tokens immediately.
---@param bucket resty.etcd.base.token_bucket.TokenBucket
---@param capacity number
---@param per_second number
local function resize(bucket, capacity, per_second)
    bucket.tokens = bucket.tokens + capacity - bucket.capacity
    bucket.capacity = capacity
    bucket.per_second = per_second
end

--- Takes tokens, also those of the future. Returns the seconds until they can be used: 0 if they are there.
---@param bucket resty.etcd.base.token_bucket.TokenBucket
---@param count number
---@return number
local function reserve(bucket, count)
    local time = now()
    local refilled = bucket.tokens + (time - bucket.refilled_at) * bucket.per_second
    bucket.refilled_at = time
    bucket.tokens = min(bucket.capacity, refilled) - count
    return bucket.tokens >= 0 and 0 or -bucket.tokens / bucket.per_second
end
_M.new = create
_M.reserve = reserve
_M.resize = resize

return _M
