-- Generated from src/resty/etcd/endpoint/resolver.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local dns = require("resty.etcd.endpoint.dns")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local now = clock.now
local min = math.min
local DEFAULT_INTERVAL = 30

--- A name that could not be resolved is asked for again after so many seconds, or after the interval if that is shorter.
local RETRY_AFTER = 5

--- What is known is used without a wait for so many intervals after it was asked for.
local FRESH_INTERVALS = 2

--- A call waits for addresses half of its time, and so many seconds at most.
local MAX_WAIT = 2

--- How long the timer of a round may take to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- No round takes longer: one that has not ended by then is lost.
local ROUND_TIME = 20

--- The option `resolve` of `new`.
---@class resty.etcd.endpoint.resolver.ResolveOptions
---@field nameservers? (string|table<number, (string|number)?>)[] Default: those of `/etc/resolv.conf`.
---@field interval? number Seconds after which names are resolved anew; default 30.
---@field ipv6? boolean Asks for IPv6 addresses too; default true.

--- One name in a round.
---@class resty.etcd.endpoint.resolver.Question
---@field known resty.etcd.endpoint.dns_endpoints.ResolvedName
---@field answered boolean There are addresses.
---@field err string?

--- Lets all go on who wait.
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param flight resty.etcd.endpoint.dns_endpoints.PendingLookup
local function wake(plan, flight)
    if not flight.is_over then
        flight.is_over = true
        if plan.pending_lookup == flight then
            plan.fresh_until = now() + FRESH_INTERVALS * plan.interval
        end
        if flight.waiting > 0 then
            flight.waiters:post(flight.waiting)
        end
    end
end

--- Asks for one kind of addresses of one name. Trouble leaves what is known.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param flight resty.etcd.endpoint.dns_endpoints.PendingLookup
---@param question resty.etcd.endpoint.resolver.Question
---@param qtype number
local function ask(set, plan, flight, question, qtype)
    local found, err = dns.ask(plan.nameservers, question.known.host, qtype)
    if found == nil then
        question.err = err
        return
    end
    dns_endpoints.update_addresses(
        set,
        plan,
        question.known,
        qtype,
        found
    )
    if #found > 0 and not question.answered then
        question.answered = true
        flight.missing = flight.missing - 1
        if flight.missing == 0 then
            wake(plan, flight)
        end
    end
end

--- Asks for all names at once. Calls go on as soon as each has an address.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param flight resty.etcd.endpoint.dns_endpoints.PendingLookup
local function resolve_all(set, plan, flight)
    local questions = {}
    for ____, known in pairs(plan.resolved) do
        questions[#questions + 1] = {known = known, answered = false, err = nil}
    end
    flight.missing = #questions
    local threads = {}
    for ____, question in ipairs(questions) do
        threads[#threads + 1] = ngx.thread.spawn(
            ask,
            set,
            plan,
            flight,
            question,
            dns.A
        )
        if plan.ipv6 then
            threads[#threads + 1] = ngx.thread.spawn(
                ask,
                set,
                plan,
                flight,
                question,
                dns.AAAA
            )
        end
    end
    for ____, thread in ipairs(threads) do
        ngx.thread.wait(thread)
    end
    for ____, question in ipairs(questions) do
        if not question.answered then
            ngx.log(
                ngx.WARN,
                "addresses of ",
                question.known.host,
                ": ",
                question.err or "none"
            )
            plan.next = min(
                plan.next,
                now() + RETRY_AFTER
            )
        end
    end
end

local function run_lookup(premature, set, plan, flight)
    flight.ends_by = now() + ROUND_TIME
    if not premature then
        resolve_all(set, plan, flight)
    end
    wake(plan, flight)
    if plan.pending_lookup == flight then
        plan.pending_lookup = nil
    end
end

--- Starts a round in a timer of its own; nil where there is none to be had: a later call will.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param time number
---@return resty.etcd.endpoint.dns_endpoints.PendingLookup?
local function start_lookup(set, plan, time)
    local waiters = semaphore.new(0)
    if waiters == nil then
        return nil
    end
    local flight = {
        waiters = waiters,
        waiting = 0,
        missing = 0,
        is_over = false,
        ends_by = time + START_TIME
    }
    local may_start, started = pcall(
        ngx.timer.at,
        0,
        run_lookup,
        set,
        plan,
        flight
    )
    if not may_start or started == nil then
        return nil
    end
    plan.pending_lookup = flight
    plan.next = time + plan.interval
    return flight
end

--- Has names resolved anew in the background when it is time to. A call waits only where nothing is known, or where
--- it is old because nobody has made a call for long; if that takes too long, it goes on with what there is.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param time number
---@param deadline number?
local function before_call(set, plan, time, deadline)
    if time < plan.next and time < plan.fresh_until then
        return
    end
    local flight = plan.pending_lookup
    if flight == nil or time >= flight.ends_by then
        flight = start_lookup(set, plan, time)
    end
    if flight ~= nil and not flight.is_over and time >= plan.fresh_until then
        local seconds = deadline ~= nil and min(MAX_WAIT, (deadline - time) / 2) or MAX_WAIT
        flight.waiting = flight.waiting + 1
        pcall(flight.waiters.wait, flight.waiters, seconds)
    end
end

local function nameservers_of(opts)
    if opts.nameservers ~= nil then
        return dns.check_nameservers(opts.nameservers)
    end
    return dns.system_nameservers()
end

--- Checks the option and makes the plan of a client.
---@param wanted any true or a table
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@return resty.etcd.endpoint.dns_endpoints.DnsEndpoints? res
---@return string? err
local function create(wanted, endpoints)
    if wanted ~= true and type(wanted) ~= "table" then
        return nil, "opts.resolve must be boolean or table"
    end
    local opts = wanted == true and ({}) or wanted
    local interval = opts.interval or DEFAULT_INTERVAL
    if type(interval) ~= "number" or interval <= 0 or interval ~= interval then
        return nil, "opts.resolve.interval must be number of seconds"
    end
    local ____opts_ipv6_0 = opts.ipv6
    if ____opts_ipv6_0 == nil then
        ____opts_ipv6_0 = true
    end
    local ipv6 = ____opts_ipv6_0
    if type(ipv6) ~= "boolean" then
        return nil, "opts.resolve.ipv6 must be boolean"
    end
    if not dns.is_installed() then
        return nil, "opts.resolve: lua-resty-dns is not installed"
    end
    local nameservers, err = nameservers_of(opts)
    if nameservers == nil then
        return nil, err
    end
    local plan = {
        nameservers = nameservers,
        interval = interval,
        ipv6 = ipv6,
        configured = endpoints,
        resolved = {},
        next = 0,
        fresh_until = 0,
        pending_lookup = nil
    }
    dns_endpoints.set_configured(plan, endpoints)
    return plan
end
_M.before_call = before_call
_M.new = create

return _M
