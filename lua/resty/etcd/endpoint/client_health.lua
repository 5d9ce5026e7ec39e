-- Generated from src/resty/etcd/endpoint/client_health.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local latencies = require("resty.etcd.endpoint.latency")
local memory_dict = require("resty.etcd.base.memory_dict")
local retry_budget = require("resty.etcd.endpoint.retry_budget")
local now = clock.now
local max = math.max

--- A client's own view of its endpoints, in the place of the health check that all clients share.
---@class resty.etcd.endpoint.client_health.HealthOptions
---@field max_fails? number Failures in a row after which an endpoint is left alone; default 3.
---@field fail_timeout? number Seconds that it is left alone first; default 1. The time doubles with each failure after it, with jitter.
---@field max_fail_timeout? number Seconds that it is left alone at most; default 30.
---@field fail_open? boolean Where every endpoint is left alone, one is tried all the same, five times a second at most; default true.
---@field retry? boolean Calls that may be sent again go on to other endpoints; default true.
---@field retry_budget? number Tries beyond the first that are allowed per call in the long run; default 0.2.
---@field policy? ("round_robin"|"latency") "round_robin" (default), or "latency": the quicker of two.
---@field shm_name? string Name of a shared dict: the workers then share what they know.

---@class resty.etcd.endpoint.client_health.Health
---@field max_fails number
---@field fail_timeout number
---@field max_fail_timeout number
---@field fail_open boolean
---@field retry boolean
---@field budget resty.etcd.endpoint.retry_budget.RetryBudget
---@field dict table Failures in a row by `f|host`; `away|host` while it is left alone; `probe|host` while one call tries it again.
---@field latency resty.etcd.endpoint.latency.Latency? nil unless the quicker of two is chosen.
---@field next_fail_open_at number

local PREFIX = "resty.etcd|"
local FAILS = PREFIX .. "fails|"
local EJECTED = PREFIX .. "away|"
local PROBE = PREFIX .. "probe|"

--- Seconds between two tries of endpoints that are left alone, however many clients a worker has.
local MIN_PROBE_INTERVAL = 0.2

--- How long a call that tries an endpoint again keeps others from it, should it never tell how it ended.
local PROBE_TIME = 5

--- A run of failures is forgotten after so many seconds without another, but not while an endpoint is left alone.
local FORGET_AFTER = 600

--- The least that a shared dict can tell from "for ever", in seconds.
local MIN_EXPIRY = 0.001

--- When this worker has last tried an endpoint that had failed, by host: all its clients spare etcd together.
local tried_at = memory_dict.new()

--- What is wrong with the options; nil if nothing is.
---@param opts any
---@return string?
local function check(opts)
    if type(opts) ~= "table" then
        return "opts.health must be table or ignore"
    end
    local given = opts
    for ____, name in ipairs({"max_fails", "fail_timeout", "max_fail_timeout", "retry_budget"}) do
        local value = given[name]
        if value ~= nil and (type(value) ~= "number" or value < 0 or value ~= value or value == math.huge) then
            return "opts.health." .. name .. " must be unsigned number"
        end
    end
    for ____, name in ipairs({"fail_open", "retry"}) do
        local value = given[name]
        if value ~= nil and type(value) ~= "boolean" then
            return "opts.health." .. name .. " must be boolean"
        end
    end
    local ____given_policy_0 = given.policy
    if ____given_policy_0 == nil then
        ____given_policy_0 = "round_robin"
    end
    local policy = ____given_policy_0
    if policy ~= "round_robin" and policy ~= "latency" then
        return "opts.health.policy must be \"round_robin\" or \"latency\""
    end
    local shm_name = given.shm_name
    if shm_name ~= nil and (type(shm_name) ~= "string" or ngx.shared[shm_name] == nil) then
        return "failed to get ngx.shared dict: " .. tostring(shm_name)
    end
    return nil
end

--- Takes options that were checked.
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
        latency = opts.policy == "latency" and latencies.new() or nil,
        next_fail_open_at = 0
    }
end

local function fails_of(health, host)
    local fails = health.dict:get(FAILS .. host)
    return fails or 0
end

--- Whether no call of this worker has just tried a failed endpoint; each of `n` has its turn.
---@param host string
---@param n number
---@return boolean
local function is_rested(host, n)
    local tried = tried_at:get(host)
    return tried == nil or now() - tried >= n * MIN_PROBE_INTERVAL
end

--- It is time to try a failed endpoint again, and for this call to do so.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param n number
---@return boolean
local function may_probe(health, host, n)
    local dict = health.dict
    local away = dict:get(EJECTED .. host)
    if away ~= nil or not is_rested(host, n) then
        return false
    end
    local is_first = dict:add(PROBE .. host, 1, PROBE_TIME)
    if is_first then
        tried_at:set(
            host,
            now(),
            FORGET_AFTER
        )
    end
    return is_first
end

--- Notes a failure; true if the endpoint is left alone from now on.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@return boolean
local function failed(health, host)
    local dict = health.dict
    local away = dict:get(EJECTED .. host)
    if away ~= nil then
        return false
    end
    local fails = fails_of(health, host) + 1
    dict:set(FAILS .. host, fails, FORGET_AFTER + health.max_fail_timeout)
    if fails < health.max_fails then
        return false
    end
    local seconds = backoff.exponential(health.fail_timeout, health.max_fail_timeout, fails - health.max_fails)
    dict:set(
        EJECTED .. host,
        now(),
        max(MIN_EXPIRY, seconds)
    )
    dict:delete(PROBE .. host)
    return fails == health.max_fails
end

--- Notes a success: the endpoint is as good as any.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
---@param seconds number? that it took, if that is to count
local function succeeded(health, host, seconds)
    if fails_of(health, host) > 0 then
        local dict = health.dict
        dict:delete(FAILS .. host)
        dict:delete(EJECTED .. host)
        dict:delete(PROBE .. host)
        tried_at:delete(host)
    end
    if health.latency ~= nil and seconds ~= nil then
        latencies.note(health.latency, host, seconds)
    end
end

--- Notes that a call was not made after all.
---@param health resty.etcd.endpoint.client_health.Health
---@param host string
local function not_attempted(health, host)
    health.dict:delete(PROBE .. host)
    tried_at:delete(host)
end

--- Users may have written to endpoints.
---@param host any
---@return boolean
local function is_host(host)
    return type(host) == "string"
end

--- Where no endpoint may be used: the one that has been left alone for the longest, once in a while.
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
    local best_since = math.huge
    for ____, endpoint in ipairs(endpoints) do
        local host = endpoint.http_host
        if is_host(host) and is_rested(host, #endpoints) then
            local since = health.dict:get(EJECTED .. host)
            local tried = tried_at:get(host)
            local left_at = max(since or 0, tried or 0)
            if left_at < best_since then
                best = endpoint
                best_since = left_at
            end
        end
    end
    if best ~= nil then
        tried_at:set(best.http_host, time, FORGET_AFTER)
    end
    return best
end

--- The next endpoint that may be used, or the quicker of the next two, of those that a call has not tried yet.
---@param health resty.etcd.endpoint.client_health.Health
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@param start number
---@param tried table?
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function pick_of(health, endpoints, start, tried)
    local n = #endpoints
    local first
    for i = 0, n - 1 do
        local endpoint = endpoints[(start + i) % n + 1]
        local host = endpoint.http_host
        if is_host(host) and (tried and tried[host]) ~= true then
            if fails_of(health, host) >= health.max_fails then
                if may_probe(health, host, n) then
                    return endpoint
                end
            elseif health.latency == nil then
                return endpoint
            elseif first == nil then
                first = endpoint
            else
                return latencies.quicker(health.latency, first, endpoint)
            end
        end
    end
    return first
end

--- Chooses an endpoint.
---@param health resty.etcd.endpoint.client_health.Health
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@param start number counts the choices of the ring
---@param tried table? the endpoints that have failed the same call
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function pick(health, endpoints, start, tried)
    local endpoint = pick_of(health, endpoints, start, tried)
    if endpoint == nil and tried ~= nil then
        endpoint = pick_of(health, endpoints, start, nil)
    end
    return endpoint or pick_fail_open(health, endpoints)
end
_M.check = check
_M.new = create
_M.failed = failed
_M.pick = pick
_M.succeeded = succeeded
_M.not_attempted = not_attempted

return _M
