-- Mirrors that were closed leave nothing behind, in both modes, against a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local open = require "resty.etcd.shared_log.open"
local tap = require "spec.support.watch_proxy"

-- Returns the number of coordinators that the module knows.
local function count_coordinators()
    local count = 0
    for i = 1, 20 do
        local name, value = debug.getupvalue(open.open, i)
        if name == "coordinators" then
            for _, of_dict in pairs(value) do
                for _ in pairs(of_dict) do
                    count = count + 1
                end
            end
        end
    end
    return count
end

for _, mode in ipairs { "worker", "shared" } do
    describe("closed mirrors in mode " .. mode, function()
        it("leave no timer, no stream, no object and no registration behind", function()
            ngx.shared.watch_log:flush_all()
            local dir = bed.key("closed")
            local cli = assert(bed.new())
            assert(cli:set(dir .. "1/key", 1))
            local line = tap.new(bed.single.http)
            finally(function()
                line:close()
                cli:rmdir(dir)
            end)
            local followed = assert(bed.new { http_host = line.http_host })
            local alive = setmetatable({}, { __mode = "k" })
            local function make_and_close(n)
                local mirrors = {}
                for i = 1, n do
                    local m = assert(followed:mirror(dir .. i .. "/", {
                        mode = mode, shm_name = mode == "shared" and "watch_log" or nil,
                        index = i % 2 == 0 and { all = function() return true end } or nil,
                        snapshot = i % 10 == 0 and os.tmpname() or nil,
                    }))
                    m:on_change(function() end, { initial = true })
                    alive[m], alive[m.store], alive[m.loop] = true, true, true
                    mirrors[i] = m
                end
                for i, m in ipairs(mirrors) do
                    if i % 3 > 0 then -- others are closed before they are ready
                        assert(m:wait_ready(10))
                    end
                    assert(m:close())
                end
            end
            local function is_clean(running, pending, coordinators)
                return ngx.timer.running_count() <= running and ngx.timer.pending_count() <= pending and line.open == 0
                    and count_coordinators() <= coordinators
            end
            make_and_close(3)
            collectgarbage()
            fake.eventually(function() return line.open == 0 end)
            ngx.sleep(1.5) -- until the timers of earlier specs have ended
            collectgarbage()
            local running, pending = ngx.timer.running_count(), ngx.timer.pending_count()
            local coordinators = count_coordinators()
            for _ = 1, 4 do
                make_and_close(30)
            end
            local stop = clock.now() + 15
            repeat
                ngx.sleep(0.1)
                collectgarbage()
                collectgarbage()
            until is_clean(running, pending, coordinators) and next(alive) == nil or clock.now() > stop
            assert.is_nil((next(alive)))
            assert.is_true(is_clean(running, pending, coordinators),
                ("timers %d of %d, pending %d of %d, streams %d, coordinators %d"):format(ngx.timer.running_count(), running,
                    ngx.timer.pending_count(), pending, line.open, count_coordinators()))
            assert.same({}, followed.shared_watches or {})
        end)
    end)
end
