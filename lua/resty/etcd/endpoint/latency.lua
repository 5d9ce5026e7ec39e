-- Generated from src/resty/etcd/endpoint/latency.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now

--- Measured latencies by host.
---@class resty.etcd.endpoint.latency.Latency
---@field seconds table Exponential moving average of the call times, in seconds.
---@field measured_at table Time of the last measurement, or of the start of the call that measures.
---@field forget_at number Time of the next removal of unused hosts.

--- Weight of the newest measurement in the moving average.
local WEIGHT = 0.2

--- Seconds after which a measurement is out of date: one call then goes to the endpoint to measure it again.
local MEASUREMENT_LIFETIME = 30

--- Seconds without a call after which a host is removed.
local FORGET_AFTER = 600

local function create()
    return {
        seconds = {},
        measured_at = {},
        forget_at = now() + FORGET_AFTER
    }
end

--- Removes unused hosts, which remain when DNS records or the member list change.
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

--- Records the time that a call took.
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
    return measured_at ~= nil and time - measured_at <= MEASUREMENT_LIFETIME
end

--- Returns the expected time of a call in seconds: 0 if the endpoint must be measured, so that the next call goes there;
--- infinity while that first call runs.
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

--- Returns the endpoint with the shorter expected time, for a call that starts now.
---@param latency resty.etcd.endpoint.latency.Latency
---@param first resty.etcd.endpoint.endpoint.Endpoint
---@param second resty.etcd.endpoint.endpoint.Endpoint
---@return resty.etcd.endpoint.endpoint.Endpoint
local function faster(latency, first, second)
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
_M.faster = faster

return _M
