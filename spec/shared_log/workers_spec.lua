-- Mirrors in shared mode in real workers that are killed, stopped and replaced.
-- Env: SOAK, how many times as many rounds (default 1); SEED, to replay a run.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local ports = require "spec.support.ports"
local rigs = require "spec.support.multi_worker_nginx"

local soak = tonumber(os.getenv("SOAK")) or 1
local seed = tonumber(os.getenv("SEED")) or ngx.now() * 1000 % 2 ^ 31
local HOST = bed.single.http

-- Returns a metric of etcd, summed over its labels.
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

-- Returns the number of full states that were read from etcd, by current and former workers.
local function count_lists(report)
    local sum = 0
    for name, value in pairs(report) do
        sum = sum + (name:find("^lists ") and value or 0)
    end
    return sum
end

local function count_watches()
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

describe("mirrors in shared mode", function()
    local prefix, cli, rig, watches_before

    -- Puts keys whose values count up by 50 each.
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
        prefix = bed.key("shared")
        cli = assert(bed.new { serializer = "raw" })
        load.next = 0
        repeat -- until the watches of earlier specs have ended
            watches_before = count_watches()
            ngx.sleep(0.1)
        until count_watches() == watches_before
        load.put(50)
    end)

    after_each(function()
        if load.running then
            load.stop()
        end
        if rig then
            rig:stop()
            rig = nil
            assert.is_true(eventually(function() return count_watches() <= watches_before end))
        end
    end)

    local function start(workers, more)
        local opts = {
            workers = workers, http_host = HOST, prefix = prefix, mirror = { mode = "shared", shm_name = "watch_log" },
        }
        for name, value in pairs(more or {}) do
            opts[name] = value
        end
        rig = rigs.start(opts)
        return rig:wait_ready(workers, 40)
    end

    -- Waits until a worker other than `old` is the writer, and returns the report.
    local function wait_for_successor(old)
        return assert(rig:wait(function(report) return report.writer and report.writer ~= old end))
    end

    local function has_one_watch()
        return eventually(function() return count_watches() - watches_before == 1 end)
    end

    -- Holds in all circumstances.
    local function assert_correct(report)
        for _, finding in ipairs { "missing keys", "lost changes", "regressions", "deletions", "not ready" } do
            assert.is_nil(report[finding], finding)
        end
    end

    -- Holds while the log is usable: every change has reached every worker through it, as an event, unless the machine did
    -- not let the worker read for as long as the log is kept for slow readers.
    local function assert_shared(report, has_left_behind)
        assert_correct(report)
        for name, value in pairs(report) do
            local pid = name:match("^repeated full states of (%d+)")
            if pid and not has_left_behind then
                assert.is_true(report["left behind " .. pid], report["reasons of the last repeated full state"])
            end
            assert.is_false(name:find("^direct") ~= nil and value, name)
        end
        assert.is_nil(rig:log():match("[^\n]*abandoned[^\n]*"))
    end

    it("need one watch and one list in all", function()
        start(24)
        load.put(50)
        local report = assert(rig:all_at(load.revision))
        assert_shared(report)
        assert.equal(24 * 100, report.events)
        assert.equal(1, count_watches() - watches_before)
        assert.equal(1, count_lists(report))
    end)

    it("lose no change when the writer is killed repeatedly #alone", function()
        start(4)
        load.start()
        local longest = 0
        for _ = 1, 3 * soak do
            local old = assert(rig:wait(function(report) return report.writer end)).writer
            ngx.sleep(math.random() * 0.5)
            local killed_at = clock.now()
            rig:kill("KILL", old)
            longest = math.max(longest, wait_for_successor(old)["writer since"] - killed_at)
            ngx.sleep(0.3)
        end
        load.stop()
        local report = assert(rig:all_at(load.revision))
        assert_shared(report)
        print(("takeover after at most %.2f s, %d events"):format(longest, report.events))
        assert.is_true(longest < 2.5) -- 2 s, and the delays of the machine
        assert.is_true(has_one_watch())
    end)

    it("lose no change and need no list when nginx is reloaded", function()
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
        assert_shared(report)
        print(("ready after at most %.3f s, %d events"):format(report["longest start"], report.events))
        assert.equal(1, count_lists(report))
        assert.is_true(has_one_watch())
    end)

    it("lose no change when the writer is stopped for a while and continued", function()
        start(3)
        load.start()
        for _ = 1, soak do
            local old = assert(rig:wait(function(report) return report.writer end)).writer
            rig:kill("STOP", old)
            local since = ngx.now()
            wait_for_successor(old)
            ngx.sleep(math.max(0, since + 3 - ngx.now())) -- stopped for 3 s, or for as long as the takeover took
            rig:kill("CONT", old)
            ngx.sleep(1)
        end
        load.stop()
        assert_shared(assert(rig:all_at(load.revision)))
        assert.is_true(has_one_watch())
    end)

    -- Puts a large value, so that the log grows fast.
    local function put_large()
        assert(cli:set(prefix .. "large", ("x"):rep(100000) .. ngx.now()))
    end

    local function kill_and_stop_at_random(seconds)
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
                assert.is_true(eventually(function() -- the kernel can list it for a moment
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

    it("lose no change when workers are killed and stopped at random while the log is compacted", function()
        start(4)
        assert_shared(kill_and_stop_at_random(6 * soak))
        assert.is_true(has_one_watch())
    end)

    it("are never wrong when workers are killed and stopped at random while the dict has hardly any room", function()
        start(4, { dict_size = "1m" })
        assert_correct(kill_and_stop_at_random(4 * soak))
    end)

    it("report what they missed as one change when they were stopped for longer than the log reaches back", function()
        start(3, { dict_size = "1m" })
        load.put(5)
        assert(rig:all_at(load.revision)) -- each has reported a change: full states count from now on
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
        assert_shared(report, true)
        -- others can have one too, on a machine that does not let them run for long
        assert.is_truthy(report["repeated full states of " .. pid])
    end)

    it("lose no change and watch etcd separately when the dict is too small", function()
        assert(cli:set(prefix .. "large", ("x"):rep(400000)))
        start(3, { dict_size = "256k" })
        load.put(100)
        local report = assert(rig:all_at(load.revision))
        assert_correct(report)
        assert.is_true(eventually(function() return count_watches() - watches_before == 3 end))
        assert.is_truthy(rig:log():find("shared watch log: abandoned: no memory", 1, true))
    end)

    it("write changes to the snapshot before its interval has passed when nginx is reloaded", function()
        local path = os.tmpname()
        os.remove(path)
        local mirror = { mode = "shared", shm_name = "watch_log", snapshot = path, snapshot_interval = 600 }
        start(2, { mirror = mirror })
        load.put(50)
        assert(rig:all_at(load.revision))
        local function read_header()
            local file = io.open(path)
            local text = file and file:read(200) or ""
            return file and file:close() and text
        end
        assert.is_nil(read_header())
        rig:kill("HUP", rig:master())
        assert.is_true(eventually(function()
            local header = read_header()
            return header ~= nil and header:find(" " .. load.revision .. " ", 1, true) ~= nil
        end))
        os.remove(path)
    end)

    it("serve the state of a snapshot while etcd is unreachable, and etcd's state when it is back #alone", function()
        local path = os.tmpname()
        local port = ports.free()
        local proxy = rigs.proxy(port, HOST)
        local host = "http://127.0.0.1:" .. port
        local mirror = { mode = "shared", shm_name = "watch_log", snapshot = path, snapshot_interval = 0.1 }
        start(2, { mirror = mirror, http_host = host })
        load.put(50)
        local report = assert(rig:all_at(load.revision))
        assert.is_true(report["longest start"] < 5)
        local snapshot_file = require "resty.etcd.storage.snapshot_file"
        assert.is_true(eventually(function()
            local file = assert(io.open(path))
            local text = file:read(200) or ""
            file:close()
            return text:find(load.revision, 1, true) ~= nil
        end))
        rig:stop()
        proxy.stop()

        rig = nil
        local before = start(2, { mirror = mirror, http_host = host })
        assert.is_nil(before["missing keys"])
        assert.is_true(before["longest start"] < 1, before["longest start"])
        report = assert(rig:all_at(load.revision))
        for _, pid in ipairs(rig:workers()) do
            assert.is_true(report["age " .. pid] > 0.1)
        end
        assert.is_nil(snapshot_file.read(path, "another identity"))
        load.put(70)
        ngx.sleep(0.3)
        assert.is_nil(rig:all_at(load.revision, 0.2))
        proxy = rigs.proxy(port, HOST)
        report = assert(rig:all_at(load.revision))
        assert.is_nil(report["missing keys"])
        assert.is_nil(report["regressions"])
        proxy.stop()
        os.remove(path)
    end)
end)
