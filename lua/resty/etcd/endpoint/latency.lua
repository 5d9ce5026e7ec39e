-- Generated from src/resty/etcd/endpoint/latency.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now

--- How quick the endpoints are, by host.
---@class resty.etcd.endpoint.latency.Latency
---@field seconds table Seconds that calls take, a moving average.
---@field measured_at table When an endpoint was measured last, or a call went out to do so.
---@field forget_at number When hosts that are not asked any more are to be forgotten.

--- Weight of the newest measurement.
local WEIGHT = 0.2

--- After so many seconds an endpoint is measured anew.
local MEASURE_AGAIN = 30

--- After so many seconds without a call a host is forgotten.
local FORGET_AFTER = 600

local function create()
    return {
        seconds = {},
        measured_at = {},
        forget_at = now() + FORGET_AFTER
    }
end

--- Endpoints come and go where names are resolved or members followed.
---@param latency resty.etcd.endpoint.latency.Latency
---@param time number
local function forget_old(latency, time)
    for host, measured_at in pairs(latency.measured_at) do
        if time - measured_at > FORGET_AFTER then
            latency.seconds[host] = nil
            latency.measured_at[host] = nil
        end
    end
    latency.forget_at = time + FORGET_AFTER
end

--- Notes how long a call took.
---@param latency resty.etcd.endpoint.latency.Latency
---@param host string
---@param seconds number
local function note(latency, host, seconds)
    local known = latency.seconds[host] or seconds
    latency.seconds[host] = known + WEIGHT * (seconds - known)
    local time = now()
    if time >= latency.forget_at then
        forget_old(latency, time)
    end
    latency.measured_at[host] = time
end

local function is_measured(latency, host, time)
    local measured_at = latency.measured_at[host]
    return measured_at ~= nil and time - measured_at <= MEASURE_AGAIN
end

--- What a call to the endpoint is expected to take: nothing where that is to be found out, for ever while it is.
---@param latency resty.etcd.endpoint.latency.Latency
---@param host string
---@param time number
---@return number
local function expected(latency, host, time)
    if not is_measured(latency, host, time) then
        return 0
    end
    return latency.seconds[host] or math.huge
end

--- The one of the two that is expected to answer sooner, for a call that goes out now.
---@param latency resty.etcd.endpoint.latency.Latency
---@param first resty.etcd.endpoint.endpoint.Endpoint
---@param second resty.etcd.endpoint.endpoint.Endpoint
---@return resty.etcd.endpoint.endpoint.Endpoint
local function quicker(latency, first, second)
    local time = now()
    local best = first
    if expected(latency, second.http_host, time) < expected(latency, first.http_host, time) then
        best = second
    end
    if not is_measured(latency, best.http_host, time) then
        latency.measured_at[best.http_host] = time
    end
    return best
end
_M.new = create
_M.note = note
_M.quicker = quicker

return _M
