-- Generated from src/resty/etcd/endpoint/tls_failures.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local now = clock.now

--- The TLS failures of an endpoint, as one client sees it.
---@class resty.etcd.endpoint.tls_failures.TlsFailure
---@field count number Consecutive failures.
---@field avoided_until number Time until which the client uses other endpoints first.

--- Seconds after which another call can try an endpoint, because the one that tries it can be killed.
local TRIAL_TIME = 5

--- Number of failed endpoints above which old ones are removed: addresses of names change.
local MAX_KEPT = 100

--- Seconds after the last failure after which an endpoint is removed.
local FORGET_AFTER = 600

local function create()
    return {}
end

local function forget_old(failures, time)
    local count = 0
    for host, failure in pairs(failures) do
        count = count + 1
        if count > MAX_KEPT or time > failure.avoided_until + FORGET_AFTER then
            failures[host] = nil
        end
    end
end

--- Records a failure.
---@param failures table
---@param host string
---@param first number seconds for which the endpoint is avoided after the first one; doubled with each further one
---@param longest number
local function note(failures, host, first, longest)
    local time = now()
    local known = failures[host]
    if known == nil then
        forget_old(failures, time)
    end
    local count = known ~= nil and known.count + 1 or 1
    failures[host] = {
        count = count,
        avoided_until = time + backoff.exponential(first, longest, count - 1)
    }
end

--- Reports whether a call must use other endpoints first. When the time is over, one call tries the endpoint.
---@param failures table
---@param host string
---@return boolean
local function must_avoid(failures, host)
    local failure = failures[host]
    if failure == nil then
        return false
    end
    local time = now()
    if time < failure.avoided_until then
        return true
    end
    failure.avoided_until = time + TRIAL_TIME
    return false
end

--- Removes an endpoint that has responded.
---@param failures table
---@param host string
local function forget(failures, host)
    failures[host] = nil
end
_M.new = create
_M.forget = forget
_M.must_avoid = must_avoid
_M.note = note

return _M
