-- A shared log in a dict that is too small, that other programs fill, or that other programs write to.
local logs = require "resty.etcd.shared_log.log"
local support = require "spec.support.simulated_workers"

local watch_log = ngx.shared.watch_log
local small = ngx.shared.small
local namespaces = 0

describe("shared log", function()
    local etcd, workers, namespace

    before_each(function()
        for _, dict in ipairs { watch_log, small } do
            dict:flush_all()
            dict:flush_expired()
        end
        namespaces = namespaces + 1
        namespace = "corruption" .. namespaces .. "|"
        etcd = support.etcd()
        for i = 1, 50 do
            etcd:put("/k/" .. i, "first " .. i)
        end
        workers = {}
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        ngx.sleep(0.02)
    end)

    local function start(dict, n)
        for _ = 1, n do
            workers[#workers + 1] = support.worker(dict, etcd, namespace)
        end
    end

    local function assert_synced()
        assert.is_nil(support.wait_synced(workers, etcd, 8))
    end

    local function put_keys(n, size)
        for _ = 1, n do
            etcd:put("/k/" .. math.random(60), ("v"):rep(math.random(0, size or 100)) .. etcd.revision)
        end
    end

    -- Overwrites one key of the log whose name matches, or deletes it if `value` is nil.
    local function corrupt(pattern, value)
        local log = workers[1].coordinator.log.name
        for _, key in ipairs(watch_log:get_keys(0)) do
            if key:sub(1, #log) == log and key:sub(#log + 1):find(pattern) then
                watch_log:set(key, value)
                return true
            end
        end
    end

    local function count_direct()
        local n = 0
        for _, worker in ipairs(workers) do
            n = n + (worker.feed.direct and 1 or 0)
        end
        return n
    end

    it("lets each worker read from etcd without loss when its first state does not fit", function()
        etcd:put("/k/large", ("x"):rep(400000))
        start(small, 3)
        assert_synced()
        assert.equal(3, count_direct())
        put_keys(50)
        assert_synced()
    end)

    it("lets each worker read from etcd without loss while a later change does not fit", function()
        start(small, 3)
        assert_synced()
        assert.equal(0, count_direct())
        etcd:put("/k/large", ("x"):rep(300000))
        assert_synced()
        assert.equal(3, count_direct())
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full_states) -- each has continued after its last event
        end
        etcd:delete("/k/large")
        assert.is_true(support.eventually(function()
            put_keys(1)
            ngx.sleep(0.01)
            return count_direct() == 0
        end, 10))
        put_keys(20)
        assert_synced()
        assert.equal(1, etcd.open_now)
    end)

    it("removes its oldest epochs first when room is short, so that readers slightly behind lose nothing", function()
        start(watch_log, 3)
        assert_synced()
        for i = 1, 10000 do
            if watch_log:free_space() < 2500 * 1024 then
                break
            end
            watch_log:safe_add("other " .. i, ("z"):rep(4000 - 100))
        end
        local writer = support.find_writer(workers).coordinator.writer
        local log = writer.log
        local function grow(bases)
            local goal = writer.root + bases
            assert.is_true(support.eventually(function()
                put_keys(20, 600)
                ngx.sleep(0.003)
                return writer.root >= goal
            end))
        end
        assert.is_true(support.eventually(function()
            grow(1)
            return logs.get_number(log, "swept") > 0
        end))
        local slow
        for _, worker in ipairs(workers) do
            slow = not worker.is_writer() and worker or slow
        end
        slow:pause()
        local removed_before = logs.get_number(log, "swept")
        grow(2)
        assert.is_true(logs.get_number(log, "swept") > removed_before)
        slow:resume()
        assert_synced()
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full_states)
        end
        assert.equal(0, count_direct())
    end)

    it("detects that keys are missing when another program fills the dict", function()
        start(watch_log, 3)
        assert_synced()
        for round = 1, 3 do
            for i = 1, 3000 do
                watch_log:set("other " .. round .. " " .. i, ("z"):rep(4000))
                if i % 100 == 0 then
                    put_keys(1)
                    ngx.sleep(0.001)
                end
            end
            put_keys(10)
            assert_synced()
            start(watch_log, 1)
            assert_synced()
        end
    end)

    for pattern, what in pairs {
        ["^%d+b1$"] = "a chunk of the base", ["^%d+s$"] = "an epoch's header", ["^root$"] = "the root",
        ["^epochs$"] = "the counter of epochs", ["^broken$"] = "the broken mark", ["^[1-9]%d*h$"] = "a head",
    } do
        it("delivers nothing wrong and is replaced when " .. what .. " is missing", function()
            start(watch_log, 2)
            assert_synced()
            assert.is_true(corrupt(pattern, nil))
            put_keys(10)
            assert_synced()
            start(watch_log, 1)
            assert_synced()
            local writer = support.find_writer(workers)
            if writer then
                writer:close()
                ngx.thread.wait(writer.thread)
                for i, worker in ipairs(workers) do
                    if worker == writer then
                        table.remove(workers, i)
                    end
                end
            end
            put_keys(10)
            assert_synced()
            assert.is_true(support.eventually(function() return count_direct() == 0 end))
            put_keys(10)
            assert_synced()
        end)
    end

    it("delivers nothing wrong when a record is missing or damaged", function()
        for _, value in ipairs { "nil", "garbage", "00000000" } do
            start(watch_log, 2)
            assert_synced()
            workers[2]:pause()
            ngx.sleep(0.02)
            put_keys(20)
            assert.is_true(support.eventually(function() return workers[1].revision == etcd.revision end))
            assert.is_true(corrupt("^[1-9]%d*r10$", value ~= "nil" and value or nil))
            workers[2]:resume()
            assert_synced()
            put_keys(10)
            assert_synced()
            for _, worker in ipairs(workers) do
                worker:close()
            end
            namespace = namespace .. "+"
            workers = {}
        end
    end)

    it("ignores half a record that a dead writer has left", function()
        start(watch_log, 3)
        assert_synced()
        put_keys(5)
        assert_synced()
        local writer = support.find_writer(workers).coordinator.writer
        local key = writer.log.name .. writer.epoch .. "r" .. writer.position + 1
        assert(watch_log:set(key, "1234abcd" .. writer.position + 1 .. " 0 77 0\nhalf of"))
        start(watch_log, 1)
        put_keys(5)
        assert_synced()
        assert.equal(1, etcd.lists)
    end)
end)
