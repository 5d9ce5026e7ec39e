-- Seeded cases against a hostile server, many at a time. Env:
--
--   SEED=n   repeats a run: what a case does depends on the seed, the name of its test and its own number
--   CASE=n   runs nothing but that case of each test, and shows what the server sends
--   SOAK=n   runs n times as many cases (tools/soak)
--
-- A failed case says how to repeat it. Each case has a server and a client that no other case uses meanwhile; before it
-- a good call leaves a connection in the pool, and behind it a good call must have its own answer.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local meter = require "spec.support.resource_usage"
local semaphore = require "ngx.semaphore"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local ONLY = tonumber(os.getenv("CASE"))
local SOAK = tonumber(os.getenv("SOAK")) or 1

local _M = { is_whole = ONLY == nil, soak = SOAK }

-- Late by more than this, not counting the time in which the worker stood still, is a broken deadline.
local MARGIN = 0.05
-- Cases of a slot, at most, between two looks at the memory. Its light threads end with them, and nginx frees what
-- they had.
local STRETCH = 32
-- KiB that Lua may hold more than after the first tenth of a run: the heads that are remembered may be of any length.
local LUA_GROWTH = 4096
local RESIDENT_GROWTH = 65536
local PATHS = { ["/v3/kv/range"] = 1, ["/v3/kv/put"] = 1, ["/v3/kv/deleterange"] = 1, ["/v3/kv/txn"] = 1, ["/v3/watch"] = 1,
    ["/v3/lease/grant"] = 1, ["/v3/lease/revoke"] = 1, ["/v3/lease/keepalive"] = 1, ["/v3/lease/timetolive"] = 1,
    ["/v3/lease/leases"] = 1, ["/v3/auth/authenticate"] = 1, ["/version"] = 1 }
local HEADER = '"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"7","raft_term":"2"}'
_M.HEADER = HEADER
_M.TOKEN = '{' .. HEADER .. ',"token":"FJVrMSOrxIeZmPGO.38"}'

-- random(n) gives 1 to n.
local function random_of(name, case)
    local state = (SEED * 7919 + ngx.crc32_short(name) + case * 104729) % 2147483646 + 1
    local function random(n)
        state = state * 16807 % 2147483647
        return state % n + 1
    end
    random(2)
    random(2)
    return random
end

-- How often a test repeats what it does `n` times in its short form; costly cases grow by a share of SOAK only.
function _M.scale(n, share)
    return n * math.max(1, math.floor(SOAK * (share or 1)))
end

local function answer(self, request)
    if not PATHS[request.path] or request.headers["x-evil"] then
        self.wrong = "the server made the driver send " .. tostring(request.method) .. " " .. tostring(request.path)
    end
    local key = ngx.decode_base64(request.body:match('"key":"([^"]*)"') or "")
    local good = key and key:match("^/good/(%d+)$")
    if good then
        self.connection = request.connection
        return { fake.reply(('{%s,"kvs":[{"key":"%s","value":"%s"}],"count":"1"}'):format(HEADER, ngx.encode_base64(key), ngx.encode_base64(good))) }
    end
    local is_login = request.path == "/v3/auth/authenticate"
    local scripts = is_login and self.logins or self.scripts
    local script = table.remove(scripts, 1)
    if type(script) == "function" then
        scripts[1] = script -- it serves all that follow
        script = script(request)
    end
    self.served, self.connection = self.served + 1, request.connection
    if ONLY then
        for _, step in ipairs(script or {}) do
            print(request.path, type(step) == "string" and ("%q"):format(step:sub(1, 2000)) or step)
        end
    end
    return script or is_login and { fake.reply(_M.TOKEN) } or { fake.CLOSE }
end

-- One of the places where cases run, one after the other. Fields for a case: cli, server, scripts and logins (for
-- requests to come, see fake.lua), served (requests so far), connection (of the latest), new_client,
-- timed, wait_for_late_bytes.
local function new_slot(stalls, timeout)
    local self = { server = fake.new(), scripts = {}, logins = {}, worst = 0 }
    self.server.rest()
    self.server:serve(function(request) return answer(self, request) end)

    function self.new_client(opts)
        local all = { http_host = self.server.http_host }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        local cli = assert(bed.new(all))
        cli.timeout = timeout
        return cli
    end

    -- Whoever answers may also answer late. Only what it sends until then is bound to be noticed.
    function self.wait_for_late_bytes()
        repeat
            ngx.sleep(0.001)
        until self.server.playing == 0
        ngx.sleep(0.001) -- nginx looks at idle connections
    end

    -- Calls a function that has `seconds`, or as many as that function says behind it; returns what is wrong with the
    -- time it took, or nil, and its results.
    function self.timed(seconds, fn, ...)
        local started = meter.now()
        local a, b, c = fn(...)
        local took = meter.now() - started
        local late = took - (type(seconds) == "function" and seconds() or seconds) - stalls:since(started)
        self.worst = math.max(self.worst, late)
        return late > MARGIN and ("returned %.3f s after its deadline"):format(late) or nil, a, b, c
    end

    return self
end

local function good_call(cli, case)
    local res, err = cli:get("/good/" .. case, { timeout = 30 })
    local value = res and res.body.kvs and res.body.kvs[1].value
    return value ~= case and "the good call got " .. tostring(value) .. ", " .. tostring(err) or nil
end

local function run_case(self, one, name, case)
    self.scripts, self.logins, self.served, self.wrong = {}, {}, 0, nil
    local wrong = not self.is_warm and good_call(self.cli, 0)
    if wrong then
        return "before it " .. wrong
    end
    local ok, result = pcall(one, self, case, random_of(name, case))
    self.scripts, self.logins = {}, {}
    self.wait_for_late_bytes()
    wrong = good_call(self.cli, case)
    self.is_warm = not wrong -- it has left a connection in the pool for the next case
    return not ok and "threw " .. tostring(result) or result or self.wrong or wrong and "behind it " .. wrong
end

-- What `count` gives once it is at most `limit`, or after 5 seconds.
local function settle(limit, count)
    local stop = meter.now() + 5
    while count() > limit and meter.now() < stop do
        ngx.sleep(0.01)
    end
    return count()
end

-- Runs `cases` times one(slot, case, random), which returns what is wrong, or nil. Other fields: name, timeout (of the
-- client), slots (how many cases at a time), pooled (connections that a case may leave in the pool, default 1). The
-- memory is looked at on the way.
-- `case_size`: bytes that a case may still hold when the next one begins.
function _M.run(opts)
    local name, one, cases, slots = opts.name, opts.one, opts.cases, opts.slots or 48
    local first = ONLY or 1
    cases = ONLY or cases
    slots = math.min(slots, cases - first + 1)
    local conf = health_check.conf
    assert(health_check.init { shm_name = "test", max_fails = 1e9, fail_timeout = 60 })
    local descriptors, stalls, places, failed = meter.descriptors(), meter.watch_stalls(), {}, nil
    for i = 1, slots do
        places[i] = new_slot(stalls, opts.timeout)
    end
    local next_case, done = first, semaphore.new(0)
    local pooled = opts.pooled or 1
    local length = math.min(STRETCH, math.ceil(cases / slots / 10))

    local function stretch(_, self)
        self.server.start()
        self.cli, self.is_warm = self.new_client(), false
        for _ = 1, length do
            local case = next_case
            if case > cases or failed then
                break
            end
            next_case = case + 1
            local wrong = run_case(self, one, name, case)
            if wrong then
                failed = ("%s: case %d: %s (SEED=%d CASE=%d ETCD_TRANSPORT=%s tools/run-specs repeats it)")
                    :format(name, case, wrong, SEED, case, bed.transport)
            end
        end
        -- nginx would close them with the timer: only what a client pools may be open
        local open = settle(pooled, function() return self.server.open end)
        failed = failed or open > pooled and ("%s: %d connections stay open"):format(name, open) or nil
        self.server.rest()
        done:post(1)
    end

    local started, memory, resident, top, at_start = meter.now(), nil, nil, 0, meter.lua_memory()
    while next_case <= cases and not failed do
        for i = 1, slots do
            assert(ngx.timer.at(0, stretch, places[i]))
        end
        for _ = 1, slots do
            assert(done:wait(300), name .. " does not end")
        end
        if (next_case - first) * 10 >= cases - first then
            local now = meter.lua_memory()
            memory, resident, top = memory or now, resident or meter.resident(), math.max(top, now)
        end
    end
    stalls:stop()
    health_check.conf = conf
    local seconds, worst, last = meter.now() - started, 0, meter.lua_memory()
    for i = 1, slots do
        worst = math.max(worst, places[i].worst)
        places[i].server:close()
    end
    places = nil -- luacheck: ignore 311
    local left = settle(descriptors, meter.descriptors)
    print(("%s: SEED=%d, %d cases in %.1f s, latest %.0f ms, longest stall %.0f ms; Lua memory %.0f, %.0f, %.0f KiB (start, a tenth, end), resident %.0f, %.0f KiB; descriptors %d, %d")
        :format(name, SEED, next_case - first, seconds, worst * 1000, stalls.longest * 1000, at_start, memory or 0, last,
            resident or 0, meter.resident(), descriptors, left))
    assert(not failed, failed)
    assert(next_case == cases + 1)
    assert(left <= descriptors, "open descriptors: " .. descriptors .. " before, " .. left .. " after")
    if _M.is_whole then
        assert(top - memory < LUA_GROWTH + (opts.case_size or 0) / 1024, ("Lua memory grew from %.0f to %.0f KiB"):format(memory, top))
        assert(meter.resident() - resident < RESIDENT_GROWTH, ("the process grew from %d to %d KiB"):format(resident, meter.resident()))
    end
end

local function wrong_details(err, details)
    if type(err) ~= "string" or type(details) ~= "table" or type(details.name) ~= "string" or type(details.message) ~= "string" or type(details.retryable) ~= "boolean" or type(details.maybe_applied) ~= "boolean" then
        return "an error that is none"
    end
end

local function wrong_status(status)
    return type(status) ~= "number" or status % 1 ~= 0 or status < 200 or status > 999
end

-- What is wrong with the results of a call, or nil.
function _M.wrong_result(res, err, details)
    if res == nil then
        local status = details and details.http_status
        return wrong_details(err, details) or status ~= nil and wrong_status(status) and "an error of status " .. tostring(status) or nil
    elseif type(res) ~= "table" or wrong_status(res.status) or type(res.headers) ~= "table" or type(res.body) ~= "table" then
        return "a result that is none"
    elseif res.status >= 300 and type(res.body.error) ~= "string" then
        return "a refusal without text"
    end
end

local function wrong_reply(reply, err, details)
    if reply == nil then
        return type(err) ~= "string" and "an error that is none" or details ~= nil and wrong_details(err, details) or nil
    elseif reply.error ~= nil then
        return (type(reply.error.http_code) ~= "number" or reply.error.http_code >= 500) and "an error reply that is none" or nil
    end
    for _, each in ipairs(type(reply.result) == "table" and reply.result.events or {}) do
        if type(each) ~= "table" or each.kv ~= nil and type(each.kv) ~= "table" or each.type ~= nil and each.type ~= "DELETE" then
            return "an event that is none"
        end
    end
    return type(reply.result) ~= "table" and "a reply that is none" or nil
end

-- Reads a watch to its end, each reply within `seconds`; returns what is wrong, or nil, and how many replies came.
function _M.read_to_end(self, reader, seconds)
    for replies = 0, 99 do
        local wrong, reply, err, details = self.timed(seconds, reader)
        wrong = wrong or wrong_reply(reply, err, details)
        if wrong or reply == nil then
            local again, same = reader()
            return wrong or (again ~= nil or same ~= err) and "an error that does not stay" or nil, replies
        end
    end
    return "no end", 100
end

return _M
