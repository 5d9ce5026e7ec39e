-- Generated from src/resty/etcd/endpoint/client_health.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local checks = require("resty.etcd.base.checks")
local clock = require("resty.etcd.base.clock")
local dict_values = require("resty.etcd.base.dict_values")
local latencies = require("resty.etcd.endpoint.latency")
local memory_dict = require("resty.etcd.base.memory_dict")
local retry_budget = require("resty.etcd.endpoint.retry_budget")
local tls_failures = require("resty.etcd.endpoint.tls_failures")
local now = clock.now
local max = math.max

--- Option `health`: the client's own health check, instead of the shared one.
---@class resty.etcd.endpoint.client_health.HealthOptions
---@field max_fails? number Consecutive failures after which an endpoint is ejected; default 3.
---@field fail_timeout? number Seconds of the first ejection; default 1. The time doubles with each further failure, with jitter.
---@field max_fail_timeout? number Longest ejection in seconds; default 30.
---@field fail_open? boolean If all endpoints are ejected, probes one of them nevertheless, at most five times per second; default true.
---@field retry? boolean Retries failed calls on other endpoints if repeating them is safe; default true.
---@field retry_budget? number Average number of retries per call; default 0.2.
---@field policy? ("round_robin"|"latency") Load-balancing policy: "round_robin" (default), or "latency", which uses the faster one of two endpoints.
---@field shm_name? string Name of a shared dict that shares the state between workers.

--- The state of a client's own health check.
---@class resty.etcd.endpoint.client_health.Health
---@field max_fails number
---@field fail_timeout number
---@field max_fail_timeout number
---@field fail_open boolean
---@field retry boolean
---@field budget resty.etcd.endpoint.retry_budget.RetryBudget
---@field dict table Three keys per endpoint: the number of consecutive failures, the end of the ejection, and the probe lock with its end, which is set with `add` so that only one call probes. The ends are those of the monotonic clock, because a shared dict expires keys by the wall clock, which can be set back.
---@field scope string Part of the keys: which clients share the state in the dict.
---@field latency resty.etcd.endpoint.latency.Latency? Nil unless the policy is "latency".
---@field tls_failures table
---@field next_fail_open_at number Earliest time of the next probe while all endpoints are ejected.

local PREFIX = "resty.etcd|"
local FAILS = PREFIX .. "fails|"
local EJECTED = PREFIX .. "away|"
local PROBE = PREFIX .. "probe|"

--- Shortest time in seconds between two probes of ejected endpoints, for all clients of a worker together.
local MIN_PROBE_INTERVAL = 0.2

--- Longest ejection in seconds by a client with other options: an end after that is not of this driver.
local MAX_OTHER_EJECTION = 600

--- Seconds after which a probe lock expires, because the call that probes can be killed.
local PROBE_TIME = 5

--- Seconds after the last failure after which the state of an endpoint is removed; a wall clock set forward ends it earlier.
local FORGET_AFTER = 86400

--- Greatest number in the options: they are finite.
local MAX_NUMBER = 1000000000

--- Time of the last probe of an endpoint by this worker, by host. All its clients share it, which limits their probes.
local probed_at = memory_dict.new()

local function unsigned(name)
    return {
        name = name,
        type = "number",
        min = 0,
        max = MAX_NUMBER,
        expected = "unsigned number"
    }
end
local OPTIONS = {
    subject = "opts.health",
    rules = {
        unsigned("max_fails"),
        unsigned("fail_timeout"),
        unsigned("max_fail_timeout"),
        unsigned("retry_budget"),
        {name = "fail_open", type = "boolean"},
        {name = "retry", type = "boolean"},
        {name = "policy", values = {"round_robin", "latency"}},
        {name = "shm_name", check = checks.check_shared_dict}
    }
}

--- Checks the option. Returns an error text, or nil if it is valid.
---@param opts any
---@return string?
local function check(opts)
    return type(opts) ~= "table" and "opts.health must be table or ignore" or checks.check_options(opts, OPTIONS)
end

--- Creates a health check. The options must have been checked.
---@param opts resty.etcd.endpoint.client_health.HealthOptions
---@return resty.etcd.endpoint.client_health.Health
local function create(opts)
    return {
        max_fails = max(1, opts.max_fails or 3),
        fail_timeout = opts.fail_timeout or 1,
        max_fail_timeout = opts.max_fail_timeout or 30,
        fail_open = opts.fail_open ~= false,
        retry = opts.retry ~= false,
        budget = retry_budget.new(opts.retry_budget or 0.2),
        dict = opts.shm_name ~= nil and ngx.shared[opts.shm_name] or memory_dict.new(),
        scope = "",
        latency = opts.policy == "latency" and latencies.new() or nil,
        tls_failures = tls_failures.new(),
        next_fail_open_at = 0
    }
end

--- Returns the key of a part of an endpoint's state.
---@param health resty.etcd.endpoint.client_health.Health
---@param part string
---@param host string
---@return string
local function key_of(health, part, host)
    return part .. health.scope .. host
end

--- Sets which clients share the state in a shared dict: those that reach the endpoints in the same way.
---@param health resty.etcd.endpoint.client_health.Health
---@param identity string of `identity.of_health`
local function set_scope(health, identity)
    health.scope = identity .. "|"
end

local function fails_of(health, host)
    return dict_values.get_integer(
        health.dict,
        key_of(health, FAILS, host)
    ) or 0
end

--- Reports whether the last probe of an endpoint is long enough ago: `n` ejected endpoints share the rate of probes.
---@param host string
---@param n number
---@return boolean
local function is_probe_due(host, n)
    local time = dict_values.get_number(probed_at, host)
    return time == nil or now() - time >= n * MIN_PROBE_INTERVAL
end

--- Returns when the ejection of an endpoint ends; nil if it is not ejected.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@return number?
local function ejection_end_of(health, host)
    return dict_values.get_time(
        health.dict,
        key_of(health, EJECTED, host),
        now(),
        max(health.max_fail_timeout, MAX_OTHER_EJECTION)
    )
end

--- Reports whether the ejection of an endpoint has not ended.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@return boolean
local function is_ejected(health, host)
    return (ejection_end_of(health, host) or 0) > now()
end

--- Takes the probe lock of an endpoint if its ejection has ended; returns true if this call must probe it.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param n number
---@return boolean
local function try_acquire_probe(health, host, n)
    if is_ejected(health, host) or not is_probe_due(host, n) then
        return false
    end
    local dict = health.dict
    local time = now()
    local lock = key_of(health, PROBE, host)
    if (dict_values.get_time(dict, lock, time, PROBE_TIME) or 0) <= time then
        dict:delete(lock)
    end
    local is_first = dict:safe_add(lock, time + PROBE_TIME, PROBE_TIME)
    if is_first then
        probed_at:set(
            host,
            now(),
            FORGET_AFTER
        )
    end
    return is_first
end

--- Counts failures.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param least number number of failures that the endpoint has then at least
---@return boolean # true if that ejects the endpoint after a healthy period, which is logged
local function count_failure(health, host, least)
    if is_ejected(health, host) then
        return false
    end
    local dict = health.dict
    local fails = max(
        fails_of(health, host) + 1,
        least
    )
    local kept_for = FORGET_AFTER + health.max_fail_timeout
    dict:safe_set(
        key_of(health, FAILS, host),
        fails,
        kept_for
    )
    if fails < health.max_fails then
        return false
    end
    local seconds = backoff.exponential(health.fail_timeout, health.max_fail_timeout, fails - health.max_fails)
    dict:safe_set(
        key_of(health, EJECTED, host),
        now() + seconds,
        kept_for
    )
    dict:delete(key_of(health, PROBE, host))
    return fails == health.max_fails
end

--- Counts a failure. Returns true if it ejects the endpoint after a healthy period, which is logged.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@return boolean
local function failed(health, host)
    return count_failure(health, host, 0)
end

--- Ejects an endpoint that cannot serve this client, however well it answers. Returns true as `failed` does.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@return boolean
local function eject(health, host)
    return count_failure(health, host, health.max_fails)
end

--- Reports whether an endpoint can be chosen before others: nothing speaks against it.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param tried table?
---@return boolean
local function can_prefer(health, host, tried)
    local has_failed = fails_of(health, host) >= health.max_fails or tls_failures.must_avoid(health.tls_failures, host)
    return not has_failed and (tried and tried[host]) ~= true
end

--- Records a failure of the TLS session, which does not eject the endpoint: the cause can be an option of the client. A
--- probe that fails in this way leaves the endpoint as it was.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
local function tls_failed(health, host)
    tls_failures.note(health.tls_failures, host, health.fail_timeout, health.max_fail_timeout)
    health.dict:delete(key_of(health, PROBE, host))
end

--- Records a success, which ends the ejection of the endpoint.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param seconds number? latency of the call; nil if it says nothing about the endpoint
---@return boolean # true if the endpoint was ejected
local function succeeded(health, host, seconds)
    local fails = fails_of(health, host)
    tls_failures.forget(health.tls_failures, host)
    if fails > 0 then
        local dict = health.dict
        dict:delete(key_of(health, FAILS, host))
        dict:delete(key_of(health, EJECTED, host))
        dict:delete(key_of(health, PROBE, host))
        probed_at:delete(host)
    end
    if health.latency ~= nil and seconds ~= nil then
        latencies.note(health.latency, host, seconds)
    end
    return fails >= health.max_fails
end

--- Releases the probe of an endpoint, because nothing was sent to it.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
local function not_attempted(health, host)
    health.dict:delete(key_of(health, PROBE, host))
    probed_at:delete(host)
end

--- Reports whether a host is usable: users can have written other values to their endpoints.
---@param host any
---@return boolean
local function is_host(host)
    return type(host) == "string"
end

--- Returns the endpoint whose ejection ends first, or whose probe is the longest ago, if `fail_open` allows a probe now.
--- Called when no endpoint is available.
---@param health resty.etcd.endpoint.client_health.Health
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function pick_fail_open(health, endpoints)
    local time = now()
    if not health.fail_open or time < health.next_fail_open_at then
        return nil
    end
    health.next_fail_open_at = time + MIN_PROBE_INTERVAL
    local best
    local lowest_rank = math.huge
    for ____, endpoint in ipairs(endpoints) do
        local host = endpoint.http_host
        if is_host(host) and is_probe_due(host, #endpoints) then
            local last_probe = dict_values.get_number(probed_at, host)
            local rank = max(
                ejection_end_of(health, host) or 0,
                last_probe or 0
            )
            if rank < lowest_rank then
                best = endpoint
                lowest_rank = rank
            end
        end
    end
    if best ~= nil then
        probed_at:set(best.http_host, time, FORGET_AFTER)
    end
    return best
end

--- Returns the next available endpoint, or the faster one of the next two, among those that the call has not tried. An
--- endpoint whose probe is due comes first.
---@param health resty.etcd.endpoint.client_health.Health
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@param start number
---@param tried table?
---@param avoided table? TLS failures of endpoints that are left out
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function pick_untried(health, endpoints, start, tried, avoided)
    local n = #endpoints
    local first
    for i = 0, n - 1 do
        local endpoint = endpoints[(start + i) % n + 1]
        local host = endpoint.http_host
        local is_untried = is_host(host) and (tried and tried[host]) ~= true
        if is_untried and (avoided == nil or not tls_failures.must_avoid(avoided, host)) then
            if fails_of(health, host) >= health.max_fails then
                if try_acquire_probe(health, host, n) then
                    return endpoint
                end
            elseif health.latency == nil then
                return endpoint
            elseif first == nil then
                first = endpoint
            else
                return latencies.faster(health.latency, first, endpoint)
            end
        end
    end
    return first
end

--- Chooses an endpoint, if possible one that the call has not tried.
---@param health resty.etcd.endpoint.client_health.Health
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@param start number position in the ring
---@param tried table? endpoints at which the call has failed
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function pick(health, endpoints, start, tried)
    local endpoint = pick_untried(
        health,
        endpoints,
        start,
        tried,
        health.tls_failures
    )
    if endpoint == nil then
        endpoint = pick_untried(
            health,
            endpoints,
            start,
            tried,
            nil
        )
    end
    if endpoint == nil and tried ~= nil then
        endpoint = pick_untried(
            health,
            endpoints,
            start,
            nil,
            nil
        )
    end
    return endpoint or pick_fail_open(health, endpoints)
end
_M.can_prefer = can_prefer
_M.check = check
_M.new = create
_M.eject = eject
_M.failed = failed
_M.not_attempted = not_attempted
_M.pick = pick
_M.set_scope = set_scope
_M.succeeded = succeeded
_M.tls_failed = tls_failed

return _M
