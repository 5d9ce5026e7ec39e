-- Seeded cases against a hostile server, many concurrently. Environment:
--
--   SEED=n   repeats a run: a case depends only on the seed, the name of its test and its number
--   CASE=n   runs only that case of each test, and prints what the server sends
--   SOAK=n   multiplies the number of cases (tools/soak)
--
-- The error of a failed case contains the command that repeats it. No other case uses the server and the client of a case
-- meanwhile. A good call before the case leaves a connection in the pool, and a good call after it must get its response.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local meter = require "spec.support.resource_usage"
local semaphore = require "ngx.semaphore"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local ONLY = tonumber(os.getenv("CASE"))
local SOAK = tonumber(os.getenv("SOAK")) or 1

local _M = { is_whole = ONLY == nil, soak = SOAK }

-- Seconds past its deadline, without stalls of the event loop, after which a call has missed the deadline.
local MARGIN = 0.05
-- Greatest number of cases of a slot between two checks of the memory. Their light threads then end, and nginx frees
-- their memory.
local STRETCH = 32
-- Allowed growth of live Lua memory in KiB after the first tenth of a run: cached request heads can have any length.
local LUA_GROWTH = 4096
local RESIDENT_GROWTH = 65536
local PATHS = { ["/v3/kv/range"] = 1, ["/v3/kv/put"] = 1, ["/v3/kv/deleterange"] = 1, ["/v3/kv/txn"] = 1, ["/v3/watch"] = 1,
    ["/v3/lease/grant"] = 1, ["/v3/lease/revoke"] = 1, ["/v3/lease/keepalive"] = 1, ["/v3/lease/timetolive"] = 1,
    ["/v3/lease/leases"] = 1, ["/v3/auth/authenticate"] = 1, ["/v3/cluster/member/list"] = 1, ["/v3/maintenance/status"] = 1, ["/version"] = 1 }
local HEADER = '"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"7","raft_term":"2"}'
_M.HEADER = HEADER
_M.TOKEN = '{' .. HEADER .. ',"token":"FJVrMSOrxIeZmPGO.38"}'

-- Returns the generator of a case: random(n) returns 1 to n.
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

-- Returns the repetitions of a test that has `n` without SOAK. `share` reduces the factor for costly cases.
function _M.scale(n, share)
    return n * math.max(1, math.floor(SOAK * (share or 1)))
end

local function script_for(self, request)
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
        scripts[1] = script -- it serves all later requests
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

-- A slot runs cases one after another. Fields for a case: cli, server, scripts and logins (of later requests, see
-- scripted_server.lua), served (requests so far), connection (of the last request), new_client, timed,
-- wait_for_late_bytes.
local function new_slot(stalls, timeout)
    local self = { server = fake.new(), scripts = {}, logins = {}, worst = 0 }
    self.server.rest()
    self.server:serve(function(request) return script_for(self, request) end)

    function self.new_client(opts)
        local all = { http_host = self.server.http_host }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        local cli = assert(bed.new(all))
        cli.timeout = timeout
        return cli
    end

    -- Waits until the server has sent all bytes of the case, so that nginx notices them on idle connections.
    function self.wait_for_late_bytes()
        repeat
            ngx.sleep(0.001)
        until self.server.playing == 0
        ngx.sleep(0.001) -- nginx checks its idle connections
    end

    -- Calls a function that must return within `seconds` (a number, or a function evaluated afterwards). Returns an error
    -- text or nil, and the results.
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
        return "before the case, " .. wrong
    end
    local ok, result = pcall(one, self, case, random_of(name, case))
    self.scripts, self.logins = {}, {}
    self.wait_for_late_bytes()
    wrong = good_call(self.cli, case)
    self.is_warm = not wrong -- the good call leaves a connection in the pool for the next case
    return not ok and "threw " .. tostring(result) or result or self.wrong or wrong and "after the case, " .. wrong
end

-- Waits until `count()` is at most `limit`, for at most 5 s. Returns its last result.
local function settle(limit, count)
    local stop = meter.now() + 5
    while count() > limit and meter.now() < stop do
        ngx.sleep(0.01)
    end
    return count()
end

-- Runs one(slot, case, random), which returns an error text or nil, `cases` times, and checks memory and descriptors.
-- Other fields: name, timeout (of the client), slots (number of concurrent cases), pooled (connections that a case can
-- leave in the pool, default 1), case_size (bytes that a case can still hold when the next one starts), max_cpu (seconds of
-- CPU that all can use between two runs of the event loop).
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
        -- checked here because nginx closes the rest with the timer: only pooled connections can be open
        local open = settle(pooled, function() return self.server.open end)
        failed = failed or open > pooled and ("%s: %d connections stay open"):format(name, open) or nil
        self.server.rest()
        settle(0, function() return self.server.open end) -- the light threads of its connections would count as memory
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
            stalls.skip_cpu()
        end
    end
    stalls:stop()
    health_check.conf = conf
    local seconds, worst, last = meter.now() - started, 0, meter.lua_memory()
    for i = 1, slots do
        worst = math.max(worst, places[i].worst)
        places[i].server:close()
    end
    local cpu = stalls.longest_cpu
    places = nil -- luacheck: ignore 311
    local left = settle(descriptors, meter.descriptors)
    print(("%s: SEED=%d, %d cases in %.1f s, latest %.0f ms, longest stall %.0f ms, %.0f ms of CPU; Lua memory %.0f, %.0f, %.0f KiB (start, a tenth, end), resident %.0f, %.0f KiB; descriptors %d, %d")
        :format(name, SEED, next_case - first, seconds, worst * 1000, stalls.longest * 1000, cpu * 1000, at_start, memory or 0, last,
            resident or 0, meter.resident(), descriptors, left))
    assert(not failed, failed)
    assert(next_case == cases + 1)
    assert(not opts.max_cpu or cpu < opts.max_cpu, ("%.3f s of CPU in one piece"):format(cpu))
    assert(left <= descriptors, "open descriptors: " .. descriptors .. " before, " .. left .. " after")
    if _M.is_whole then
        assert(top - memory < LUA_GROWTH + (opts.case_size or 0) / 1024, ("Lua memory grew from %.0f to %.0f KiB"):format(memory, top))
        assert(meter.resident() - resident < RESIDENT_GROWTH, ("the process grew from %d to %d KiB"):format(resident, meter.resident()))
    end
end

local function wrong_details(err, details)
    if type(err) ~= "string" or type(details) ~= "table" or type(details.name) ~= "string" or type(details.message) ~= "string" or type(details.retryable) ~= "boolean" or type(details.maybe_applied) ~= "boolean" then
        return "an invalid error"
    end
end

local function wrong_status(status)
    return type(status) ~= "number" or status % 1 ~= 0 or status < 200 or status > 999
end

-- Checks the results of a call. Returns an error text or nil.
function _M.wrong_result(res, err, details)
    if res == nil then
        local status = details and details.http_status
        return wrong_details(err, details) or status ~= nil and wrong_status(status) and "an error of status " .. tostring(status) or nil
    elseif type(res) ~= "table" or wrong_status(res.status) or type(res.headers) ~= "table" or type(res.body) ~= "table" then
        return "an invalid result"
    elseif res.status >= 300 and type(res.body.error) ~= "string" then
        return "an error response without text"
    end
end

local function wrong_reply(reply, err, details)
    if reply == nil then
        return type(err) ~= "string" and "an invalid error" or details ~= nil and wrong_details(err, details) or nil
    elseif reply.error ~= nil then
        return (type(reply.error.http_code) ~= "number" or reply.error.http_code >= 500) and "an invalid error response" or nil
    end
    for _, each in ipairs(type(reply.result) == "table" and reply.result.events or {}) do
        if type(each) ~= "table" or each.kv ~= nil and type(each.kv) ~= "table" or each.type ~= nil and each.type ~= "DELETE" then
            return "an invalid event"
        end
    end
    return type(reply.result) ~= "table" and "an invalid response" or nil
end

-- Reads a watch to its end, each response within `seconds`. Returns an error text or nil, and the number of responses.
function _M.read_to_end(self, reader, seconds)
    for replies = 0, 99 do
        local wrong, reply, err, details = self.timed(seconds, reader)
        wrong = wrong or wrong_reply(reply, err, details)
        if wrong or reply == nil then
            local again, same = reader()
            return wrong or (again ~= nil or same ~= err) and "an error that is not repeated" or nil, replies
        end
    end
    return "no end", 100
end

return _M
