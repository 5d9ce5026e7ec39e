-- Mirrors of both modes report the same of etcd and its faults, against real etcds and in real workers.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local members = require "spec.support.members"
local own_etcd = require "spec.support.private_etcd"
local process = require "fault.process"
local rigs = require "spec.support.multi_worker_nginx"

-- Waits until `check` returns a true value, and returns it.
local function eventually(what, check, seconds)
    local stop = clock.now() + (seconds or 15)
    local value = check()
    while not value do
        assert(clock.now() < stop, "never " .. what)
        ngx.sleep(0.02)
        value = check()
    end
    return value
end

for _, mode in ipairs { "worker", "shared" } do
    describe("mirror in mode " .. mode, function()
        local server, cli, writer, m

        local function mirror(client, dir)
            ngx.shared.watch_log:flush_all()
            m = assert(client:mirror(dir, {
                mode = mode, shm_name = mode == "shared" and "watch_log" or nil, idle_timeout = 1,
            }))
        end

        local function start_etcd()
            server = own_etcd.start()
            cli = assert(bed.new { http_host = server.http, timeout = 2, health = { fail_timeout = 0.2, max_fail_timeout = 0.5 } })
            -- not that of the mirror, which ejects an etcd that is stopped
            writer = assert(bed.new { http_host = server.http, timeout = 2, health = { max_fails = 1e6 } })
            assert(writer:set("/m/1", "first"))
            mirror(cli, "/m/")
            assert(m:wait_ready(10))
        end

        after_each(function()
            if m then
                m:close()
            end
            if server then
                server:remove()
            end
            m, server = nil, nil
        end)

        local function is_retrying()
            local state = m:state()
            return state.status == "retrying" and state.err and state
        end

        local function is_well()
            local state = m:state()
            return state.status == "ready" and state.err == nil and state.age < 2
        end

        it("reports an etcd that has stopped, for how long, and that it is back", function()
            start_etcd()
            local last = clock.now()
            server:stop()
            local state = eventually("retrying", is_retrying)
            assert.is_truthy(state.err:find "refused" or state.err:find "closed" or state.err:find "healthy", state.err)
            ngx.sleep(1.5)
            state = assert(is_retrying())
            assert.is_true(state.ready)
            assert.is_true(state.age >= 1.4 and state.age <= clock.now() - last + 1, "age " .. state.age)
            assert.equal("first", (m:get("/m/1")))
            server:start_again("data")
            assert(writer:set("/m/1", "second"))
            eventually("second", function() return m:get("/m/1") == "second" end)
            eventually("ready", is_well)
        end)

        it("reports an etcd that does not answer, and that it answers again", function()
            start_etcd()
            local paused_at = clock.now()
            process.signal(server.pid, "--name=" .. server.name, "STOP")
            local state = eventually("retrying", is_retrying)
            assert.is_truthy(state.err:find "timeout", state.err)
            assert.is_true(m:age() >= clock.now() - paused_at - 0.2)
            process.signal(server.pid, "--name=" .. server.name, "CONT")
            eventually("ready", is_well)
        end)

        it("reports the cause with the timeout of wait_ready", function()
            server = own_etcd.start()
            cli = assert(bed.new { http_host = server.http, timeout = 2, health = { max_fails = 1000 } })
            server:stop()
            mirror(cli, "/m/")
            local ok, err, details = m:wait_ready(1)
            assert.same({ nil, "the mirror is not ready: timeout: " .. server.http .. ": connection refused", "timeout" },
                { ok, err, details.name })
            assert.same({ "retrying", false, math.huge }, { m:state().status, m:state().ready, m:age() })
            server:start_again("data")
            assert.is_true(m:wait_ready(10))
            eventually("ready", is_well)
        end)

        it("reports a missing permission, and becomes ready when it is granted", function()
            local dir = bed.key("modes-" .. mode)
            local auth = { http_host = bed.auth.http, user = "reader", password = bed.auth.reader.password }
            mirror(assert(bed.new(auth)), dir)
            local ok, err = m:wait_ready(1)
            assert.same({ nil, "the mirror is not ready: timeout: etcdserver: permission denied" }, { ok, err })
            assert.same({ "retrying", "etcdserver: permission denied" }, { m:state().status, m:state().err })
            local flags = ("--user=%s:%s "):format(bed.auth.user, bed.auth.password)
            local role = "modes-" .. mode .. ngx.worker.pid()
            members.etcdctl(bed.auth.http, flags .. "role add " .. role)
            members.etcdctl(bed.auth.http, flags .. ("role grant-permission %s --prefix=true read %s"):format(role, dir))
            members.etcdctl(bed.auth.http, flags .. "user grant-role reader " .. role)
            ok, err = m:wait_ready(10)
            members.etcdctl(bed.auth.http, flags .. "user revoke-role reader " .. role)
            assert.is_true(ok, err)
            eventually("ready", is_well)
        end)

        it("has etcd's state after compactions and a restore that it could not follow", function()
            start_etcd()
            server:stop()
            server:keep("copy")
            server:start_again("data")
            assert(writer:set("/m/2", "second"))
            local revision = assert(writer:set("/m/1", "third")).body.header.revision
            assert.is_true(m:wait_revision(revision, 10))
            server:stop()
            eventually("retrying", is_retrying)
            server:start_again("data")
            assert(writer:set("/m/1", "fourth"))
            local deleted = assert(writer:delete("/m/2")).body.header.revision
            members.etcdctl(server.http, "compact " .. deleted)
            eventually("fourth", function() return m:get("/m/1") == "fourth" end)
            eventually("deleted", function() return m:count() == 1 and is_well() end)
            server:stop()
            server:start_again("copy")
            eventually("restored", function() return m:get("/m/1") == "first" and is_well() end)
            assert.equal(1, m:count())
            assert.is_true((m:stats().full.restored or 0) >= 1)
        end)

        it("reports the same when a worker is killed while etcd is unreachable", function()
            server = own_etcd.start()
            cli = assert(bed.new { http_host = server.http, serializer = "raw" })
            for i = 0, 49 do
                assert(cli:set("/m/k" .. i, tostring(i)))
            end
            local rig = rigs.start {
                workers = 3, http_host = server.http, prefix = "/m/",
                mirror = { mode = mode, shm_name = mode == "shared" and "watch_log" or nil },
                init_worker = [[
                    assert(ngx.timer.every(0.02, function()
                        local state = m:state()
                        report:set("status " .. pid, state.status .. " " .. tostring(state.err))
                        report:set("ready now " .. pid, state.ready)
                        report:set("age now " .. pid, state.age < 1e9 and state.age or -1)
                    end))
                ]],
            }
            local ok, err = pcall(function()
                rig:wait_ready(3)
                server:stop()
                local stopped_at = clock.now()
                local function check(pid, report)
                    local status = report["status " .. pid]
                    return report["ready now " .. pid] and status:find("^retrying %S") and not status:find "nil"
                        and report["age now " .. pid] > clock.now() - stopped_at - 0.3
                end
                local function all_report()
                    return rig:wait(function(report)
                        for _, pid in ipairs(rig:workers()) do
                            -- a new worker has a state only from the log
                            local is_new = report["ready now " .. pid] == false and mode == "worker"
                            if not is_new and not check(pid, report) then
                                return false
                            end
                        end
                        return true
                    end, 15)
                end
                assert(all_report())
                for _ = 1, 2 do
                    local report = rig:report()
                    local killed = report.writer or rig:workers()[1]
                    local others = {}
                    for _, pid in ipairs(rig:workers()) do
                        others[#others + 1] = pid ~= killed and report["ready now " .. pid] and pid or nil
                    end
                    rig:kill("KILL", killed)
                    local stop = clock.now() + 2.5
                    while clock.now() < stop do
                        report = rig:report()
                        for _, pid in ipairs(others) do
                            -- what a worker has reported is at most a few timer runs old
                            assert(report["age now " .. pid] == nil or report["age now " .. pid] > clock.now() - stopped_at - 1.5,
                                "age " .. tostring(report["age now " .. pid]))
                        end
                        ngx.sleep(0.05)
                    end
                    assert(all_report())
                end
                server:start_again("data")
                local back_at = clock.now()
                assert(rig:wait(function(report)
                    for _, pid in ipairs(rig:workers()) do
                        -- no key changes: the age grows again from the first response on
                        if report["status " .. pid] ~= "ready nil" or report["age now " .. pid] > clock.now() - back_at + 1 then
                            return false
                        end
                    end
                    return true
                end, 20))
            end)
            rig:stop()
            assert(ok, err)
        end)
    end)
end
