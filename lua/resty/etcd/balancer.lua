-- Generated from src/resty/etcd/balancer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local log = require("resty.etcd.log")
local health_check = require("resty.etcd.health_check")

--- The endpoints of a client and its place in their ring.
---@class resty.etcd.balancer.Ring
---@field endpoints resty.etcd.endpoint.Endpoint[]
---@field init_count number Choices made so far, from a random start unless the user gives one.
---@field rolled_in number? The process that rolled the random start; nil for a start of the user's.

local floor = math.floor
local rolls = 0

--- A start that differs between workers and clients, without touching Lua's own random numbers.
---@return number
local function roll()
    rolls = rolls + 1
    return ngx.crc32_short(tostring(ngx.worker.pid()) .. ":" .. tostring(rolls) .. ":" .. tostring(ngx.now())) % 100003
end

--- Picks the next healthy endpoint of the ring.
---@param ring resty.etcd.balancer.Ring
---@return resty.etcd.endpoint.Endpoint? # the endpoint, nil if there is none
local function choose_endpoint(ring)
    if ring.rolled_in ~= nil and ring.rolled_in ~= ngx.worker.pid() then
        ring.rolled_in = ngx.worker.pid()
        ring.init_count = roll()
    end
    local endpoints = ring.endpoints
    local n = #endpoints
    for _ = 1, n do
        ring.init_count = ring.init_count + 1
        local endpoint = endpoints[floor(ring.init_count) % n + 1]
        if endpoint ~= nil and (health_check.get_target_status(endpoint.http_host)) == true then
            if log.info_enabled() then
                ngx.log(ngx.INFO, "choose endpoint: ", endpoint.http_host)
            end
            return endpoint
        end
    end
    return nil
end

--- Counts a failed attempt against an endpoint.
---@param endpoint resty.etcd.endpoint.Endpoint
local function report_failure(endpoint)
    health_check.report_failure(endpoint.http_host)
end

--- How many endpoints a call may try, and whether it goes on at all.
---@param ring resty.etcd.balancer.Ring
---@return number
local function max_tries(ring)
    local conf = health_check.conf
    if (conf and conf.retry) ~= true or health_check.get_check_mode() == health_check.DISABLED_MODE then
        return 1
    end
    return #ring.endpoints * conf.max_fails + 1
end
_M.choose_endpoint = choose_endpoint
_M.max_tries = max_tries
_M.report_failure = report_failure
_M.roll = roll

return _M
