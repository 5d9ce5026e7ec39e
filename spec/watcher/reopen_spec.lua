-- When a watch opens its next stream, and what it logs about that.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local clock = require "resty.etcd.base.clock"
local closer_lists = require "spec.support.closers"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local replies = require "spec.support.etcd_replies"
local tcp = require "spec.support.tcp"

local header, line, put, created, events = replies.header, replies.line, replies.put, replies.created, replies.events

describe("reopening of a watch", function()
    local server, restore, log, watcher, cli
    local reads -- times of the reads of the current revision
    local failures -- reads that are still to fail
    local fail -- the script of those
    local scripts -- one for each watch request; the last one for all that follow

    local function answer(request)
        if request.path == "/v3/kv/range" then
            reads[#reads + 1] = clock.now()
            if failures > 0 then
                failures = failures - 1
                return fail
            end
            return { fake.reply(cjson.encode { header = header(50), kvs = { put(50, "k").kv }, count = "1" }) }
        end
        return #scripts > 1 and table.remove(scripts, 1) or scripts[1]
    end

    before_each(function()
        restore = fake.never_ban()
        server = fake.new(answer)
        reads, failures, fail = {}, 0, { fake.RESET }
        cli = assert(bed.new { http_host = server.http_host, timeout = 2 })
        log = captured_log.start()
    end)

    after_each(function()
        log.stop()
        watcher:close()
        server.close()
        restore()
    end)

    local function watch(opts, ...)
        scripts = { ... }
        watcher = assert(cli:watcher("k", opts))
    end

    local function canceled(revision)
        return fake.CHUNKED .. line { header = header(50), created = true } .. line {
            header = header(50), canceled = true, compact_revision = revision,
            cancel_reason = "etcdserver: mvcc: required revision has been compacted",
        }
    end

    local function wait_for_watches(n)
        local function is_reached()
            local count = 0
            for _, request in ipairs(server.requests) do
                count = count + (request.path == "/v3/watch" and 1 or 0)
            end
            return count >= n
        end
        for _ = 1, 10 do
            if fake.eventually(is_reached) then
                return
            end
        end
        error("no watch " .. n)
    end

    for name, script in pairs {
        ["a compaction"] = { canceled("45") },
        ["a rejected token"] = {
            fake.reply('{"code":16,"message":"etcdserver: invalid auth token"}', "401 Unauthorized"),
        },
    } do
        it("does not wait as long as an outage had lasted before " .. name .. " #alone", function()
            finally(fake.even_pauses())
            if name == "a rejected token" then
                cli = assert(bed.new { http_host = server.http_host, timeout = 2, user = "u", password = "p" })
                local range = answer
                server.serve(server, function(request)
                    if request.path == "/v3/auth/authenticate" then
                        return { fake.reply(cjson.encode { header = header(50), token = "t" .. #server.requests }) }
                    end
                    return range(request)
                end)
            end
            watch({ start_revision = 30, relist = true }, { created(30), fake.CLOSE }, script, script, { created(50) })
            wait_for_watches(1)
            failures = 8
            wait_for_watches(2)
            local answered = clock.now()
            wait_for_watches(4)
            local took = clock.now() - answered
            assert.is_true(reads[#reads] - reads[1] > 3) -- the pauses had grown
            assert.is_true(took < 1, took .. " s")
        end)
    end

    it("is logged as a failure once, and as a recovery at level notice", function()
        watch({ start_revision = 30 }, { created(30), fake.CLOSE }, { created(50) })
        failures = 4
        wait_for_watches(2)
        assert(fake.eventually(function() return log.count "established again" > 0 end))
        assert.equals(1, log.count "^%[warn%] watch of k: .*; opening another stream$")
        assert.equals(1, log.count("^%[notice%] watch of k: established again at " .. server.http_host:gsub("%p", "%%%0")
            .. " after [%d.]+ s$"))
    end)

    it("is not logged when a healthy stream ends", function()
        watch({ start_revision = 30 }, { created(30), events(50, put(50, "k")), fake.LAST_CHUNK }, { created(50) })
        wait_for_watches(2)
        assert(fake.eventually(function() return watcher:stats().opened == 2 end))
        assert.equals(0, log.count "^%[warn%]")
        assert.equals(0, log.count "^%[notice%]")
    end)

    it("behind a compaction is logged at level notice, as what it is", function()
        watch({ start_revision = 30, relist = true }, { canceled("45") }, { created(50) })
        assert(fake.eventually(function() return watcher:stats().lists == 2 end)) -- before revision 30, and the current one
        assert.equals(0, log.count "^%[warn%]")
        assert.equals(1, log.count("^%[notice%] watch of k: resumed from a revision that is compacted; reading all keys, "
            .. "and delivering what has changed$"))
    end)

    it("names the call and the keys when it retries at another endpoint, and limits these lines", function()
        local closers = closer_lists.new()
        finally(closers.run)
        closers.add(fake.even_pauses())
        local conf = health_check.conf
        assert(health_check.init { shm_name = "test", max_fails = 1000000, retry = true })
        closers.add(function() health_check.conf = conf end)
        local port = tcp.listen() -- refuses connections
        local both = { port.http_host, server.http_host }
        cli = assert(bed.new { http_host = both, timeout = 2 })
        failures = 1e9
        watch({ start_revision = 30 }, { created(30) })
        for _ = 1, 3 do
            fake.eventually(function() return #reads > 15 end)
        end
        tcp.close(port)
        assert.is_true(#reads > 15)
        assert.equals(0, log.count "Retrying")
        assert.equals(1, log.count "^%[warn%] watch of k: Range: .*: connection refused; retrying on another endpoint$")
    end)

    it("of other calls logs the line that programs search for", function()
        watch({ start_revision = 30 }, { created(30) })
        local conf = health_check.conf
        assert(health_check.init { shm_name = "test", max_fails = 1000000, retry = true })
        finally(function() health_check.conf = conf end)
        local port = tcp.listen()
        local other = assert(bed.new { http_host = { port.http_host, server.http_host }, timeout = 2, init_count = -1 })
        assert(other:get("k"))
        tcp.close(port)
        assert.equals(1, log.count("^%[warn%] " .. port.http_host:gsub("%p", "%%%0") .. ": connection refused%. Retrying$"))
    end)
end)
