-- wait_revision of mirrors in both modes, against a real etcd.
local bed = require "spec.support.bed"
local call = require "resty.etcd.call.call"
local fake = require "spec.support.scripted_server"
local scripted = require "spec.support.scripted_feed"
local tap = require "spec.support.watch_proxy"

local function revision_of(res, err)
    assert(res, err)
    return tonumber(res.body.header.revision)
end

for _, mode in ipairs { "worker", "shared" } do
    describe("wait_revision in mode " .. mode, function()
        local cli, dir, line, m, request_count
        local unary = call.unary

        before_each(function()
            ngx.shared.watch_log:flush_all()
            cli = assert(bed.new())
            dir = bed.key("waited")
            cli:set(dir .. "kept", "old")
            line = tap.new(bed.single.http)
            local followed = assert(bed.new { http_host = line.http_host })
            request_count = 0
            call.unary = function(core, rpc, request, opts) -- luacheck: ignore 122
                if core == followed and request.min_mod_revision then
                    request_count = request_count + 1
                end
                return unary(core, rpc, request, opts)
            end
            m = assert(followed:mirror(dir, {
                mode = mode, shm_name = mode == "shared" and "watch_log" or nil,
                validate = function(value) return value ~= "bad" end,
            }))
            assert(m:wait_ready(5))
        end)

        after_each(function()
            call.unary = unary -- luacheck: ignore 122
            m:close()
            line.frozen = false
            line:close()
            assert(cli:rmdir(dir))
        end)

        it("returns as soon as a change below the prefix is visible, without asking etcd", function()
            for i = 1, 20 do
                local revision = revision_of(cli:set(dir .. "a", i))
                assert.is_true(m:wait_revision(i % 2 == 0 and revision or tostring(revision), 5))
                assert.equal(i, (m:get(dir .. "a")))
            end
            assert.is_true(m:wait_revision(1))
            assert.is_true(request_count <= 2, "requests: " .. request_count)
        end)

        it("returns true for a revision that changed other keys only", function()
            local version = m:version()
            local revision = revision_of(cli:set(bed.key("elsewhere"), 1))
            assert.is_true(m:wait_revision(revision, 5))
            assert.is_true(m:revision() >= revision)
            assert.equal(version, m:version())
            revision = revision_of(cli:set(dir .. "b", 1))
            assert.is_true(m:wait_revision(revision, 5))
            assert.equal(1, (m:get(dir .. "b")))
        end)

        it("counts the keys of invalid items", function()
            cli:set(dir .. "kept", "bad")
            assert.is_true(m:wait_revision(revision_of(cli:set(dir .. "new", "bad")), 5))
            assert.same({ "old" }, { (m:get(dir .. "kept")), (m:get(dir .. "new")) })
            assert.is_true(m:wait_revision(revision_of(cli:set(bed.key("elsewhere"), 1)), 5))
        end)

        it("waits for changes that the stream has not delivered yet", function()
            for _, change in ipairs {
                function() return cli:set(dir .. "a", 1) end,
                function() return cli:set(dir .. "kept", "new") end,
                function() return cli:delete(dir .. "a") end,
                function()
                    cli:delete(dir .. "kept")
                    return cli:set(dir .. "kept", "again")
                end,
            } do
                line.frozen = true
                change()
                local revision = revision_of(cli:set(bed.key("elsewhere"), 1))
                local before = request_count
                local thread = ngx.thread.spawn(function()
                    return m:wait_revision(revision, 10)
                end)
                fake.eventually(function() return request_count >= before + 2 end)
                assert.is_true(m:revision() < revision)
                line.frozen = false
                assert.same({ true, true }, { ngx.thread.wait(thread) })
                local res = assert(cli:readdir(dir))
                assert.equal(#(res.body.kvs or {}), m:count())
                for _, kv in ipairs(res.body.kvs or {}) do
                    assert.equal(kv.mod_revision, select(2, m:get(kv.key)).mod_revision)
                end
            end
        end)

        it("never shows changes up to a confirmed revision that cancel each other out", function()
            local seen = {}
            m:on_change(function(changes)
                for _, change in ipairs(changes.changes) do
                    seen[#seen + 1] = change.type .. " " .. change.key:sub(#dir + 1) .. " " .. changes.revision
                end
            end)
            ngx.sleep(0.6) -- until the mirror has a private timer
            line.frozen = true
            cli:set(dir .. "flash", 1)
            local revision = revision_of(cli:delete(dir .. "flash"))
            assert.is_true(m:wait_revision(revision, 5))
            assert.is_true(m:revision() >= revision)
            line.frozen = false
            local last = revision_of(cli:set(dir .. "after", 1))
            scripted.at(m, last)
            assert.same({ "PUT after " .. last }, seen)
            assert.is_nil((m:get(dir .. "flash")))
            assert.equal(2, m:count())
        end)

        it("shares requests among many callers", function()
            local revision = revision_of(cli:set(bed.key("elsewhere"), 1))
            local threads = {}
            for i = 1, 200 do
                threads[i] = ngx.thread.spawn(m.wait_revision, m, revision, 10)
            end
            for i = 1, 200 do
                assert.same({ true, true }, { ngx.thread.wait(threads[i]) })
            end
            assert.is_true(request_count <= 3, "requests: " .. request_count)
        end)

        it("asks again when the caller that asks is killed", function()
            local revision = revision_of(cli:set(bed.key("elsewhere"), 1))
            local asking
            local counting = call.unary
            call.unary = function(...) -- luacheck: ignore 122
                asking = asking or coroutine.running()
                if asking == coroutine.running() then
                    ngx.sleep(60)
                end
                return counting(...)
            end
            local killed = ngx.thread.spawn(m.wait_revision, m, revision, 10)
            fake.eventually(function() return asking end)
            ngx.thread.kill(killed)
            assert.is_true(m:wait_revision(revision, 5))
        end)

        it("returns an error for a revision that does not come, a closed mirror and invalid arguments", function()
            local future = tostring(m:revision() + 1000000)
            local ok, err, details = m:wait_revision(future, 0.3)
            assert.same({ nil, "revision " .. future .. " not reached: timeout" }, { ok, err })
            assert.same({ "timeout", true }, { details.name, details.retryable })
            for _, invalid in ipairs { 0, -1, 1.5, 0 / 0, math.huge, "", "x", "1.5", "9223372036854775808", {}, false } do
                ok, err, details = m:wait_revision(invalid, 0)
                assert.same({ nil, "revision must be a revision", "bad_request" }, { ok, err, details.name }, tostring(invalid))
            end
            ok, err, details = m:wait_revision("9223372036854774784", 0)
            assert.same({ nil, "timeout" }, { ok, details.name })
            assert.equal("revision 9223372036854774784 not reached: timeout", err)
            assert.equal("bad_request", select(3, m:wait_revision()).name)
            assert.equal("timeout must be number of seconds", select(2, m:wait_revision(future, "1")))
            local thread = ngx.thread.spawn(m.wait_revision, m, future)
            m:close()
            local _, none, why, of_close = ngx.thread.wait(thread)
            assert.same({ nil, "the mirror is closed", "closed" }, { none, why, of_close.name })
        end)
    end)
end

describe("wait_revision", function()
    it("waits for the first state, and returns the cause if there is none", function()
        local feed = scripted.new()
        local m = assert(feed:mirror("/a/"))
        feed.current_error = function() return require("resty.etcd.protocol.errors").local_error("closed", "no stream") end
        assert.equal("revision 5 not reached: timeout: no stream", select(2, m:wait_revision(5, 0.05)))
        local thread = ngx.thread.spawn(m.wait_revision, m, "5", 5)
        feed:full(5, { "/a/1", "1", 3 })
        assert.same({ true, true }, { ngx.thread.wait(thread) })
        m:close()
    end)

    it("does not take the state of a snapshot file for etcd's", function()
        local feed = scripted.new()
        local m = assert(feed:mirror("/a/"))
        feed:state("snapshot", 5, { "/a/1", "1", 3 })
        assert(m:wait_ready(2))
        assert.equal("timeout", select(3, m:wait_revision(6, 0.1)).name)
        m:close()
    end)
end)
