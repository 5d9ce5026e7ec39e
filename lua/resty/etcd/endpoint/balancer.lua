-- Generated from src/resty/etcd/endpoint/balancer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local memory_dict = require("resty.etcd.base.memory_dict")
local last_failures = require("resty.etcd.endpoint.last_failures")
local masked_url = require("resty.etcd.endpoint.masked_url")
local client_health = require("resty.etcd.endpoint.client_health")
local log = require("resty.etcd.base.log")
local half_open = require("resty.etcd.endpoint.half_open")
local shared_health = require("resty.etcd.endpoint.shared_health")

--- The endpoints of a client and its position in their ring.
---@class resty.etcd.endpoint.balancer.Ring
---@field endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@field init_count number Position of the last choice: counts up from a random start, or from the option `init_count`.
---@field start_pid number? PID of the process that chose the random start; nil if the user set `init_count`.
---@field health resty.etcd.endpoint.client_health.Health? The client's own health check; nil if it uses the shared one.

--- A choice that was made.
---@class resty.etcd.endpoint.balancer.Choice
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint? Nil if no endpoint is available.

local floor = math.floor

--- A deadline that has passed: a choice with it does not wait.
local PASSED = 0

--- Last failures of endpoints, if no shared dict holds them.
local worker_failures = memory_dict.new()

--- Random starts chosen by this worker: makes those of the same millisecond differ.
local start_count = 0

--- Returns a start position that differs between workers and clients, without using the program's `math.random`.
---@return number
local function random_start()
    start_count = start_count + 1
    return ngx.crc32_short(tostring(ngx.worker.pid()) .. ":" .. tostring(start_count) .. ":" .. tostring(ngx.now())) % 100003
end

--- Returns the next endpoint of the ring that the shared health check allows.
---@param ring resty.etcd.endpoint.balancer.Ring
---@return resty.etcd.endpoint.endpoint.Endpoint? endpoint # the endpoint; or nil, and whether another call is probing an endpoint
---@return boolean is_probing
local function next_available(ring)
    local endpoints = ring.endpoints
    local n = #endpoints
    local is_probing = false
    for _ = 1, n do
        ring.init_count = ring.init_count + 1
        local endpoint = endpoints[floor(ring.init_count) % n + 1]
        local host = endpoint and endpoint.http_host
        local is_healthy = shared_health.get_target_status(host)
        if type(host) == "string" then
            if is_healthy == false then
                half_open.note_ban(host)
            elseif is_healthy == true then
                if half_open.try_acquire(host) then
                    return endpoint, false
                end
                is_probing = true
            end
        end
    end
    return nil, is_probing
end

--- Like `next_available`, but waits for the outcome if another call is probing an endpoint whose ban has ended.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param deadline number?
---@return resty.etcd.endpoint.endpoint.Endpoint? endpoint
---@return boolean is_probing
local function next_healthy(ring, deadline)
    local endpoint, is_probing = next_available(ring)
    while is_probing and half_open.wait_for_probe(deadline) do
        endpoint, is_probing = next_available(ring)
    end
    return endpoint, is_probing
end

--- Returns the endpoint with a host if the health check allows it; nil otherwise. It does not count as a step in the ring.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param http_host string
---@param tried table?
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function find_available(ring, http_host, tried)
    for ____, endpoint in ipairs(ring.endpoints) do
        if endpoint.http_host == http_host then
            local own = ring.health
            if own ~= nil then
                return client_health.can_prefer(own, http_host, tried) and endpoint or nil
            end
            local is_healthy = shared_health.get_target_status(http_host)
            return is_healthy == true and half_open.try_acquire(http_host) and endpoint or nil
        end
    end
    return nil
end

--- Chooses the endpoint of the next attempt.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param tried table? endpoints at which the call has failed; ignored with the shared health check
---@param deadline number? of the call; nil for none
---@param prefer? string host of the endpoint to choose if the health check allows it; nil for the next one of the ring
---@return resty.etcd.endpoint.endpoint.Endpoint? endpoint # the endpoint; or nil if none is available now, and whether another call is probing an endpoint
---@return boolean is_probing
local function choose_endpoint(ring, tried, deadline, prefer)
    if ring.start_pid ~= nil and ring.start_pid ~= ngx.worker.pid() then
        ring.start_pid = ngx.worker.pid()
        ring.init_count = random_start()
    end
    local ____temp_2
    if prefer ~= nil then
        ____temp_2 = find_available(ring, prefer, tried)
    else
        ____temp_2 = nil
    end
    local endpoint = ____temp_2
    local is_probing = false
    local own = ring.health
    if endpoint ~= nil then
    elseif own ~= nil then
        ring.init_count = ring.init_count + 1
        endpoint = client_health.pick(
            own,
            ring.endpoints,
            floor(ring.init_count),
            tried
        )
    else
        endpoint, is_probing = next_healthy(ring, deadline)
    end
    if endpoint ~= nil and log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "choose endpoint: ",
            masked_url.mask(endpoint.http_host)
        )
    end
    return endpoint, is_probing
end

--- Chooses the endpoint of a call's first attempt. Returns nil if that has to wait for the probe of another call.
---@param ring resty.etcd.endpoint.balancer.Ring
---@return resty.etcd.endpoint.balancer.Choice?
local function choose_without_waiting(ring)
    local endpoint, is_probing = choose_endpoint(ring, nil, PASSED)
    local ____temp_3
    if endpoint == nil and is_probing then
        ____temp_3 = nil
    else
        ____temp_3 = {endpoint = endpoint}
    end
    return ____temp_3
end

local function log_recovery(http_host)
    ngx.log(
        ngx.NOTICE,
        "endpoint ",
        masked_url.mask(http_host),
        ": healthy again"
    )
end

--- Reports an outcome to the shared health check.
---@param http_host string
---@param outcome "bad_reply"|"failure"|"success"|"tls_failure"|"not_attempted"
local function report_to_shared(http_host, outcome)
    if outcome == "failure" or outcome == "tls_failure" then
        shared_health.report_failure(http_host)
        if shared_health.is_banned(http_host) then
            half_open.note_ban(http_host)
        end
        half_open.on_failure(http_host)
    elseif outcome == "not_attempted" then
        half_open.on_failure(http_host)
    elseif half_open.on_success(http_host) then
        log_recovery(http_host)
    end
end

local function report_to_client_health(health, http_host, outcome, seconds)
    if outcome == "success" then
        if client_health.succeeded(health, http_host, seconds) then
            log_recovery(http_host)
        end
    elseif outcome == "not_attempted" then
        client_health.not_attempted(health, http_host)
    elseif outcome == "tls_failure" then
        client_health.tls_failed(health, http_host)
    elseif client_health.failed(health, http_host) then
        ngx.log(
            ngx.WARN,
            "update endpoint: ",
            masked_url.mask(http_host),
            " to unhealthy"
        )
    end
end

--- Reports the outcome of an attempt to the client's health check.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param http_host string
---@param outcome "bad_reply"|"failure"|"success"|"tls_failure"|"not_attempted"
---@param seconds? number latency of a successful attempt; nil if it says nothing about the endpoint
local function report(ring, http_host, outcome, seconds)
    if ring.health == nil then
        report_to_shared(http_host, outcome)
    else
        report_to_client_health(ring.health, http_host, outcome, seconds)
    end
end

--- Returns the dict with the last failures: the one that the client's health check shares with other workers, if it does.
---@param ring resty.etcd.endpoint.balancer.Ring
---@return table
local function failures_of(ring)
    if ring.health ~= nil then
        return ring.health.dict
    end
    local ____opt_4 = shared_health.conf
    local shm_name = ____opt_4 and ____opt_4.shm_name
    local ____temp_6
    if shm_name ~= nil then
        ____temp_6 = ngx.shared[shm_name]
    else
        ____temp_6 = nil
    end
    local shared = ____temp_6
    return shared or worker_failures
end

--- Stores why an endpoint failed, for the hint of errors of calls that find no endpoint.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param http_host string
---@param text string
local function note_failure(ring, http_host, text)
    local has_host = string.sub(text, 1, #http_host) == http_host
    last_failures.note(
        failures_of(ring),
        http_host,
        has_host and text or masked_url.mask(http_host) .. ": " .. text
    )
end

--- Returns the last failure of each endpoint as one text, or nil if none is known.
---@param ring resty.etcd.endpoint.balancer.Ring
---@return string?
local function last_failures_of(ring)
    return last_failures.text_of(
        failures_of(ring),
        ring.endpoints
    )
end

--- Takes an endpoint out of use for a while, because it is of another cluster. Its successful calls are no reason to keep it.
---@param ring resty.etcd.endpoint.balancer.Ring
---@param http_host string
local function report_other_cluster(ring, http_host)
    if ring.health == nil then
        report_to_shared(http_host, "failure")
    elseif client_health.eject(ring.health, http_host) then
        ngx.log(
            ngx.WARN,
            "update endpoint: ",
            masked_url.mask(http_host),
            " to unhealthy"
        )
    end
end
_M.choose_endpoint = choose_endpoint
_M.choose_without_waiting = choose_without_waiting
_M.last_failures_of = last_failures_of
_M.note_failure = note_failure
_M.random_start = random_start
_M.report = report
_M.report_other_cluster = report_other_cluster

return _M
