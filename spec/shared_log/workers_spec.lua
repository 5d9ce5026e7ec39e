-- One watch for all workers of a node, with real workers that are killed, stopped and replaced.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local ports = require "spec.support.ports"
local rigs = require "spec.support.multi_worker_nginx"

local soak = tonumber(os.getenv("SOAK")) or 1
local seed = tonumber(os.getenv("SEED")) or ngx.now() * 1000 % 2 ^ 31
local HOST = bed.single.http

-- A number of etcd's own statistics, summed over its labels.
local function metric(pattern)
    local sock = assert(ngx.socket.tcp())
    local host, port = HOST:match("^http://([^:]+):(%d+)$")
    assert(sock:connect(host, tonumber(port)))
    sock:send("GET /metrics HTTP/1.0\r\n\r\n")
    local text = sock:receive("*a")
    sock:close()
    local sum = 0
    for line in text:gmatch("[^\n]+") do
        if line:find(pattern) then
            sum = sum + tonumber(line:match("%S+$"))
        end
    end
    return sum
end

-- Full states that were read from etcd, by all workers there ever were.
local function lists(report)
    local sum = 0
    for name, value in pairs(report) do
        sum = sum + (name:find("^lists ") and value or 0)
    end
    return sum
end

local function watches()
    return metric("^etcd_debugging_mvcc_watch_stream_total")
end

local function eventually(check, seconds)
    local stop = ngx.now() + (seconds or 10)
    local ok = check()
    while not ok and ngx.now() < stop do
        ngx.sleep(0.02)
        ok = check()
    end
    return ok
end

describe("workers with a mirror in node mode", function()
    local prefix, cli, rig, watches_before

    -- Values count up by 50 for each key.
    local load = { next = 0, running = false }
    function load.put(n)
        for _ = 1, n do
            local res = assert(cli:set(prefix .. "k" .. load.next % 50, tostring(load.next)))
            assert(res.status == 200)
            load.next = load.next + 1
            load.revision = tonumber(res.body.header.revision)
        end
    end
    function load.start()
        load.running = true
        load.thread = ngx.thread.spawn(function()
            while load.running do
                load.put(1)
            end
        end)
    end
    function load.stop()
        load.running = false
        assert(ngx.thread.wait(load.thread))
    end

    before_each(function()
        prefix = bed.key("node")
        cli = assert(bed.new { serializer = "raw" })
        load.next = 0
        repeat -- those of earlier specs end
            watches_before = watches()
            ngx.sleep(0.1)
        until watches() == watches_before
        load.put(50)
    end)

    after_each(function()
        if load.running then
            load.stop()
        end
        if rig then
            rig:stop()
            rig = nil
            assert.is_true(eventually(function() return watches() <= watches_before end))
        end
    end)

    local function start(workers, more)
        local opts = { workers = workers, http_host = HOST, prefix = prefix, mirror = { mode = "shared", shm_name = "node" } }
        for name, value in pairs(more or {}) do
            opts[name] = value
        end
        rig = rigs.start(opts)
        return rig:wait_ready(workers, 40)
    end

    -- The report that names another worker as the one that watches. One without any does not count.
    local function successor(old)
        return assert(rig:wait(function(report) return report.writer and report.writer ~= old end))
    end

    -- What holds whatever happens.
    local function right(report)
        for _, what in ipairs { "nil", "left out", "gone back", "deleted", "never ready" } do
            assert.is_nil(report[what], what)
        end
    end

    -- And all by the log, each change told by itself; a worker that stood still for long takes what it missed as one.
    local function flawless(report, stood_still)
        right(report)
        if not stood_still then
            assert.is_nil(report["taken anew"], "taken anew")
        end
        for name, value in pairs(report) do
            assert.is_false(name:find("^alone") ~= nil and value, name)
        end
        assert.is_nil(rig:log():match("[^\n]*given up[^\n]*"))
    end

    it("hold one watch in all, and list once", function()
        start(24)
        load.put(50)
        local report = assert(rig:all_at(load.revision))
        flawless(report)
        assert.equal(24 * 100, report.events)
        assert.equal(1, watches() - watches_before)
        assert.equal(1, lists(report))
    end)

    it("miss nothing when the one that watches is killed, again and again", function()
        start(4)
        load.start()
        local longest = 0
        for _ = 1, 3 * soak do
            local old = assert(rig:wait(function(report) return report.writer end)).writer
            ngx.sleep(math.random() * 0.5)
            local killed_at = clock.now()
            rig:kill("KILL", old)
            longest = math.max(longest, successor(old)["writer since"] - killed_at)
            ngx.sleep(0.3)
        end
        load.stop()
        local report = assert(rig:all_at(load.revision))
        flawless(report)
        print(("takeover after at most %.2f s, %d events"):format(longest, report.events))
        assert.is_true(longest < 2.5) -- 2 s, and what the machine takes
        assert.is_true(eventually(function() return watches() - watches_before == 1 end))
    end)

    it("miss nothing and list nothing when nginx is reloaded", function()
        start(4)
        load.start()
        ngx.sleep(0.5)
        for n = 1, 5 * soak do
            local old = rig:workers()
            rig:kill("HUP", rig:master())
            rig:wait_ready(4 + 4 * n)
            assert.is_true(eventually(function()
                local now = " " .. table.concat(rig:workers(), " ") .. " "
                for _, pid in ipairs(old) do
                    if now:find(" " .. pid .. " ") then
                        return false
                    end
                end
                return true
            end))
        end
        ngx.sleep(0.5)
        load.stop()
        local report = assert(rig:all_at(load.revision))
        flawless(report)
        print(("ready after at most %.3f s, %d events"):format(report["longest start"], report.events))
        assert.equal(1, lists(report))
        assert.is_true(eventually(function() return watches() - watches_before == 1 end))
    end)

    it("miss nothing when the one that watches is stopped for a while and goes on", function()
        start(3)
        load.start()
        for _ = 1, soak do
            local old = assert(rig:wait(function(report) return report.writer end)).writer
            rig:kill("STOP", old)
            local since = ngx.now()
            successor(old)
            ngx.sleep(math.max(0, since + 3 - ngx.now())) -- stopped for 3 s, or for as long as the others took
            rig:kill("CONT", old)
            ngx.sleep(1)
        end
        load.stop()
        flawless(assert(rig:all_at(load.revision)))
        assert.is_true(eventually(function() return watches() - watches_before == 1 end))
    end)

    -- A value of some size, so that the log grows.
    local function put_large()
        assert(cli:set(prefix .. "large", ("x"):rep(100000) .. ngx.now()))
    end

    local function kill_and_stop(seconds)
        print("seed " .. seed)
        math.randomseed(seed)
        load.start()
        local stop = ngx.now() + seconds
        while ngx.now() < stop do
            local pids = rig:workers()
            local pid = pids[math.random(#pids)]
            local what = math.random(3)
            if what == 1 then
                rig:kill("KILL", pid)
                assert.is_true(eventually(function() -- until then it is among the workers, and may be gone the next moment
                    return not (" " .. table.concat(rig:workers(), " ") .. " "):find(" " .. pid .. " ", 1, true)
                end))
            elseif what == 2 then
                rig:kill("STOP", pid)
            end
            ngx.sleep(math.random() * 1.5)
            if what == 2 then
                rig:kill("CONT", pid)
            end
            put_large()
        end
        load.stop()
        return assert(rig:all_at(load.revision))
    end

    it("may be killed and stopped at random while the log gets new bases", function()
        start(4)
        flawless(kill_and_stop(6 * soak))
        assert.is_true(eventually(function() return watches() - watches_before == 1 end))
    end)

    it("may be killed and stopped at random when the log has hardly any room, and never go wrong", function()
        start(4, { dict_size = "1m" })
        right(kill_and_stop(4 * soak))
    end)

    it("take what they missed as one change when they stood still for longer than the log has room for", function()
        start(3, { dict_size = "1m" })
        load.put(5)
        assert(rig:all_at(load.revision)) -- each has told of a change: what it takes anew from now on is counted
        load.start()
        local writer = assert(rig:wait(function(report) return report.writer end)).writer
        local pid
        for _, one in ipairs(rig:workers()) do
            pid = one ~= writer and one or pid
        end
        rig:kill("STOP", pid)
        for _ = 1, 20 do
            put_large()
            ngx.sleep(0.1)
        end
        rig:kill("CONT", pid)
        load.stop()
        local report = assert(rig:all_at(load.revision))
        flawless(report, true)
        assert.is_truthy(report["taken anew by " .. pid]) -- and by others, on a machine that makes them stand still
    end)

    it("go on alone with a dict that is too small, and miss nothing", function()
        assert(cli:set(prefix .. "large", ("x"):rep(400000)))
        start(3, { dict_size = "256k" })
        load.put(100)
        local report = assert(rig:all_at(load.revision))
        right(report)
        assert.is_true(eventually(function() return watches() - watches_before == 3 end))
        assert.is_truthy(rig:log():find("shared log of watches is given up: no memory", 1, true))
    end)

    it("begin with what a snapshot has while etcd is away, and have what etcd has when it is back", function()
        local path = os.tmpname()
        local port = ports.free()
        local etcd = rigs.proxy(port, HOST)
        local host = "http://127.0.0.1:" .. port
        local mirror = { mode = "shared", shm_name = "node", snapshot = path, snapshot_interval = 0.1 }
        start(2, { mirror = mirror, http_host = host })
        load.put(50)
        local report = assert(rig:all_at(load.revision))
        assert.is_true(report["longest start"] < 5)
        local snapshot = require "resty.etcd.storage.snapshot_file"
        assert.is_true(eventually(function()
            local file = assert(io.open(path))
            local text = file:read(200) or ""
            file:close()
            return text:find(load.revision, 1, true) ~= nil
        end))
        rig:stop()
        etcd.stop()

        rig = nil
        local before = start(2, { mirror = mirror, http_host = host })
        assert.is_nil(before["nil"])
        assert.is_true(before["longest start"] < 1, before["longest start"])
        report = assert(rig:all_at(load.revision))
        for _, pid in ipairs(rig:workers()) do
            assert.is_true(report["age " .. pid] > 0.1)
        end
        assert.is_nil(snapshot.read(path, "somebody else"))
        load.put(70)
        ngx.sleep(0.3)
        assert.is_nil(rig:all_at(load.revision, 0.2))
        etcd = rigs.proxy(port, HOST)
        report = assert(rig:all_at(load.revision))
        assert.is_nil(report["nil"])
        assert.is_nil(report["gone back"])
        etcd.stop()
        os.remove(path)
    end)
end)
