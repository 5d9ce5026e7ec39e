-- Generated from src/resty/etcd/endpoint/resolver.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local clock = require("resty.etcd.base.clock")
local digest = require("resty.etcd.base.digest")
local single_flight = require("resty.etcd.base.single_flight")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local dns = require("resty.etcd.endpoint.dns")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local now = clock.now
local min = math.min
local DEFAULT_INTERVAL = 30

--- Seconds after which a failed lookup is repeated, unless the interval is shorter.
local RETRY_AFTER = 5

--- Intervals after a lookup during which calls use its addresses without waiting for the next lookup.
local FRESH_INTERVALS = 2

--- Longest wait of a call for addresses, in seconds; also at most half of its remaining time.
local MAX_WAIT = 2

--- Seconds for the timer of a lookup to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- Time limit of a lookup in seconds, after which it counts as lost. Three attempts of 1 s each are usual.
local MAX_LOOKUP_TIME = 20

--- The option `resolve` of `new`.
---@class resty.etcd.endpoint.resolver.ResolveOptions
---@field nameservers? (string|table<number, (string|number)?>)[] Default: the nameservers of `/etc/resolv.conf`.
---@field interval? number Seconds between lookups; default 30.
---@field ipv6? boolean Also queries IPv6 addresses; default true.

--- `nameservers` is checked by `dns.check_nameservers`.
local OPTIONS = {subject = "opts.resolve", rules = {{name = "nameservers"}, {name = "interval", type = "number", above = 0, expected = "number of seconds"}, {name = "ipv6", type = "boolean"}}}

--- The lookup of one name, which has one or two queries.
---@class resty.etcd.endpoint.resolver.Question
---@field name resty.etcd.endpoint.dns_endpoints.ResolvedName
---@field is_answered boolean Set when a query has returned addresses.
---@field err string?

--- Lets the calls that wait for a lookup proceed.
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param lookup resty.etcd.base.single_flight.Run
local function release(plan, lookup)
    if not lookup.is_released and plan.lookups.latest == lookup then
        plan.fresh_until = now() + FRESH_INTERVALS * plan.interval
    end
    single_flight.release(lookup, true)
end

local function all_answered(questions)
    for ____, question in ipairs(questions) do
        if not question.is_answered then
            return false
        end
    end
    return true
end

--- Sends one query of a question. An error leaves the known addresses in use.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param lookup resty.etcd.base.single_flight.Run
---@param questions resty.etcd.endpoint.resolver.Question[]
---@param question resty.etcd.endpoint.resolver.Question
---@param qtype number
local function query(set, plan, lookup, questions, question, qtype)
    local addresses, err = dns.query(plan.nameservers, question.name.host, qtype)
    if addresses == nil then
        question.err = err
        return
    end
    dns_endpoints.update_addresses(
        set,
        plan,
        question.name,
        qtype,
        addresses
    )
    if #addresses > 0 then
        question.is_answered = true
        if all_answered(questions) then
            release(plan, lookup)
        end
    end
end

--- Resolves all names concurrently. Waiting calls proceed as soon as each name has an address.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param lookup resty.etcd.base.single_flight.Run
local function resolve_all(set, plan, lookup)
    local questions = {}
    for ____, name in pairs(plan.resolved) do
        questions[#questions + 1] = {name = name, is_answered = false, err = nil}
    end
    local threads = {}
    for ____, question in ipairs(questions) do
        threads[#threads + 1] = ngx.thread.spawn(
            query,
            set,
            plan,
            lookup,
            questions,
            question,
            dns.A
        )
        if plan.ipv6 then
            threads[#threads + 1] = ngx.thread.spawn(
                query,
                set,
                plan,
                lookup,
                questions,
                question,
                dns.AAAA
            )
        end
    end
    for ____, thread in ipairs(threads) do
        ngx.thread.wait(thread)
    end
    for ____, question in ipairs(questions) do
        if not question.is_answered then
            local next = #question.name.used > 0 and "; keeping the last ones" or "; nginx resolves the name"
            local host = printable.key(question.name.host)
            ngx.log(
                ngx.WARN,
                "addresses of ",
                host,
                ": ",
                printable.of(question.err or "none"),
                next
            )
            plan.next = min(
                plan.next,
                now() + RETRY_AFTER
            )
        end
    end
end

local function run_lookup(set, plan, lookup)
    single_flight.extend(lookup, MAX_LOOKUP_TIME)
    if not ngx.worker.exiting() then
        resolve_all(set, plan, lookup)
    end
    release(plan, lookup)
    single_flight.finish(plan.lookups, lookup, true)
end

--- Starts a lookup in a timer, or returns nil where no timer can be created; a later call then starts it.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param time number
---@return resty.etcd.base.single_flight.Run?
local function start_lookup(set, plan, time)
    local lookup = single_flight.start(plan.lookups, START_TIME)
    local loop = timer_loop.run_once(
        "addresses of endpoints",
        function()
            run_lookup(set, plan, lookup)
        end
    )
    if loop == nil then
        single_flight.finish(plan.lookups, lookup, true)
        return nil
    end
    plan.next = time + plan.interval
    return lookup
end

--- Starts a lookup in the background when one is due. The call waits only if no addresses are known, or if they are old
--- because no call was made for several intervals. After that wait it uses the addresses that are there.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param plan resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param time number
---@param deadline number?
local function before_call(set, plan, time, deadline)
    if time < plan.next and time < plan.fresh_until then
        return
    end
    local lookup = single_flight.running(plan.lookups) or start_lookup(set, plan, time)
    if lookup ~= nil and time >= plan.fresh_until then
        local seconds = deadline ~= nil and min(MAX_WAIT, (deadline - time) / 2) or MAX_WAIT
        single_flight.wait_for(lookup, time + seconds)
    end
end

local function nameservers_of(opts)
    if opts.nameservers ~= nil then
        return dns.check_nameservers(opts.nameservers)
    end
    return dns.system_nameservers()
end

--- Returns what decides to which addresses names are resolved. Nameservers of the system can change: they count as one.
---@param opts resty.etcd.endpoint.resolver.ResolveOptions
---@param nameservers (string|table<number, (string|number)?>)[]
---@return string
local function identity_of(opts, nameservers)
    local identity = digest.field(
        "ipv6",
        tostring(opts.ipv6 ~= false)
    )
    if opts.nameservers ~= nil then
        for ____, nameserver in ipairs(nameservers) do
            local host, port = unpack(nameserver, 1, 2)
            identity = identity .. digest.field(
                "nameserver",
                host .. " " .. tostring(port)
            )
        end
    end
    return identity
end

--- Checks the option and creates the resolver state of a client.
---@param wanted any the option: true or a table
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@return resty.etcd.endpoint.dns_endpoints.DnsEndpoints? res
---@return string? err
local function create(wanted, endpoints)
    if wanted ~= true and type(wanted) ~= "table" then
        return nil, "opts.resolve must be boolean or table"
    end
    local opts = wanted == true and ({}) or wanted
    local problem = checks.check_options(opts, OPTIONS)
    if problem ~= nil then
        return nil, problem
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
        identity = identity_of(opts, nameservers),
        interval = opts.interval or DEFAULT_INTERVAL,
        ipv6 = opts.ipv6 ~= false,
        configured = endpoints,
        resolved = {},
        next = 0,
        fresh_until = 0,
        lookups = single_flight.new()
    }
    dns_endpoints.set_configured(plan, endpoints)
    return plan
end
_M.before_call = before_call
_M.new = create

return _M
