-- The log through which the workers of an nginx share one watch, with several simulated workers in this process.
local clock = require "resty.etcd.base.clock"
local cleanup = require "resty.etcd.shared_log.cleanup"
local coordinators = require "resty.etcd.shared_log.coordinator"
local open = require "resty.etcd.shared_log.open"
local records = require "resty.etcd.shared_log.records"
local support = require "spec.support.simulated_workers"
local time_slice = require "resty.etcd.base.time_slice"

local dict = ngx.shared.watch_log
local namespaces = 0

describe("shared log", function()
    local etcd, workers, namespace

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        namespaces = namespaces + 1
        namespace = "log" .. namespaces .. "|"
        etcd = support.etcd()
        for i = 1, 50 do
            etcd:put("/k/" .. i, "first " .. i)
        end
        workers = {}
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:resume()
            worker:close()
        end
        ngx.sleep(0.05)
    end)

    local function start(n)
        for _ = 1, n or 1 do
            workers[#workers + 1] = support.worker(dict, etcd, namespace)
        end
        return workers[#workers]
    end

    local function assert_synced(seconds)
        assert.is_nil(support.wait_synced(workers, etcd, seconds))
    end

    local function change_keys(n)
        for i = 1, n do
            if i % 7 == 0 then
                etcd:delete("/k/" .. math.random(80))
            else
                etcd:put("/k/" .. math.random(80), ("v"):rep(math.random(0, 400)) .. etcd.revision)
            end
        end
    end

    -- Waits until all workers that are not paused are near the end: a slow one would be left behind as well.
    local function keep_up()
        support.eventually(function()
            for _, worker in ipairs(workers) do
                if not worker.proxy.paused and etcd.revision - worker.revision > 500 then
                    return false
                end
            end
            return true
        end)
    end

    local function copy_kvs()
        local kvs = {}
        for key, kv in pairs(etcd.kvs) do
            kvs[key] = kv
        end
        return kvs
    end

    it("delivers every event to every worker from one source", function()
        start(24)
        assert_synced()
        for _ = 1, 20 do
            change_keys(5)
            ngx.sleep(0.003)
        end
        assert_synced()
        assert.equal(1, etcd.most_open)
        assert.equal(1, etcd.lists)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full_states)
        end
    end)

    it("delivers the full state without a list when a worker joins late", function()
        start(2)
        assert_synced()
        change_keys(100)
        assert_synced()
        local late = start()
        assert_synced()
        assert.same({ 0, 1, 1 }, { late.events, etcd.lists, etcd.opened })
    end)

    it("keeps binary keys and values, empty and absent values, and leases", function()
        local all = {}
        for i = 0, 255 do
            all[#all + 1] = string.char(i)
        end
        local bytes = table.concat(all)
        etcd:put("/k/" .. bytes, bytes)
        etcd:put("/k/empty", "")
        etcd:put("/k/none", nil)
        etcd:put("/k/lease", "l")
        etcd.kvs["/k/lease"].lease = "7587848943239472130"
        start(2)
        assert_synced()
        etcd:put("/k/" .. bytes .. "2", bytes .. bytes)
        etcd:put("/k/none2", nil)
        assert_synced()
        assert.is_nil(workers[2].state["/k/none"].value)
        assert.is_nil(workers[2].state["/k/none2"].value)
        assert.equal("", workers[2].state["/k/empty"].value)
        assert.equal("7587848943239472130", workers[2].state["/k/lease"].lease)
    end)

    it("stores values that are larger than a chunk", function()
        etcd:put("/k/large", ("x"):rep(300000))
        start(2)
        assert_synced()
        for n = records.CHUNK_SIZE - 100, records.CHUNK_SIZE + 100 do
            etcd:put("/k/" .. n, ("y"):rep(n))
        end
        assert_synced()
        start()
        assert_synced()
    end)

    it("is compacted without a new full state for its readers when it has grown long", function()
        start(3)
        assert_synced()
        local writer = support.find_writer(workers).coordinator.writer
        local rounds = 0
        repeat -- a busy machine compacts less often in the same time
            rounds = rounds + 1
            change_keys(50)
            ngx.sleep(0.003)
            keep_up()
        until rounds >= 60 and writer.root > 3 or rounds == 600
        assert_synced()
        assert.is_true(writer.root > 3)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full_states)
        end
        start()
        assert_synced()
        assert.equal(1, etcd.lists)
        -- the epochs before the base are removed
        local function left_over()
            for _, key in ipairs(dict:get_keys(0)) do
                local epoch, kind = key:match("|(%d+)([a-z])%d*$")
                if epoch and tonumber(epoch) < writer.root and epoch ~= "0" and kind ~= "n" then
                    return key
                end
            end
        end
        support.eventually(function() return not left_over() end, 10)
        assert.is_nil(left_over())
    end)

    it("delivers a full state to all workers when etcd's history was compacted or restored from a backup", function()
        start(3)
        assert_synced()
        local backup, revision = copy_kvs(), etcd.revision
        change_keys(30)
        assert_synced()
        etcd.is_silent = true
        change_keys(30)
        etcd:compact()
        etcd.is_silent = nil
        assert_synced()
        etcd:restore(backup, revision)
        etcd:put("/k/new", "world")
        assert_synced()
        for _, worker in ipairs(workers) do
            assert.same({ list = 1, compacted = 1, restored = 1 }, worker.full_states)
        end
        start()
        assert_synced()
    end)

    -- Stops the writer as if it were killed.
    local function kill_writer()
        local writer = support.find_writer(workers)
        writer:pause()
        writer:close_sources()
        return writer
    end

    -- Returns the workers that are not stopped.
    local function running()
        local list = {}
        for _, worker in ipairs(workers) do
            if not worker.proxy.paused then
                list[#list + 1] = worker
            end
        end
        return list
    end

    local function abandon_log()
        local worker = running()[1]
        coordinators.abandon_log(worker.coordinator, worker.coordinator.log)
    end

    local function has_successor()
        return support.find_writer(workers) ~= nil
    end

    it("reports in every worker the age of etcd's last response, also after a takeover and without a log #alone", function()
        start(4)
        assert_synced()
        for _, worker in ipairs(workers) do
            -- more for a moment if this process has just stood still
            assert.is_true(support.eventually(function() return worker.feed:age() < 0.6 end))
        end
        etcd.is_silent = true
        ngx.sleep(0.1)
        local silent_at = clock.now()
        local function assert_old()
            for _, worker in ipairs(running()) do
                -- the contact is recorded every 0.1 s
                assert.is_true(worker.feed:age() >= clock.now() - silent_at, "age " .. worker.feed:age())
            end
        end
        for _ = 1, 2 do
            kill_writer()
            repeat
                assert_old()
                ngx.sleep(0.01)
            until has_successor()
            ngx.sleep(0.3)
            assert_old()
        end
        abandon_log()
        for _, worker in ipairs(running()) do
            assert.is_true(support.eventually(function() return worker.feed.direct end))
        end
        assert_old()
        etcd.is_silent = nil
        for _, worker in ipairs(running()) do
            assert.is_true(support.eventually(function() return worker.feed:age() < 0.6 end))
        end
    end)

    it("reports in every worker why etcd cannot be followed, also after a takeover and without a log", function()
        start(4)
        assert_synced()
        local LAST = "etcdserver:\nno leader"
        local function all_report(message)
            message = message and message:gsub("\n", "?") -- as in all errors
            for _, worker in ipairs(running()) do
                local err = worker.feed:current_error()
                if (err and err.message:sub(1, 300)) ~= message then
                    return false
                end
            end
            return true
        end
        assert.is_true(all_report(nil))
        for _, message in ipairs { "connection refused", ("no leader "):rep(100), LAST } do
            etcd.current_error = { name = "unavailable", message = message, code = 14, http_status = 503 }
            assert.is_true(support.eventually(function() return all_report((message:sub(1, 300):gsub("\n", "?"))) end))
        end
        LAST = LAST:gsub("\n", "?") -- error texts have no control characters
        for _, worker in ipairs(workers) do
            local err = worker.feed:current_error()
            assert.same({ "unavailable", 14, 503 }, { err.name, err.code, err.http_status })
        end
        etcd.is_silent = true
        kill_writer()
        etcd.current_error = nil -- the successor has no response yet: it knows nothing better
        repeat
            assert.is_true(all_report(LAST))
            ngx.sleep(0.01)
        until has_successor()
        ngx.sleep(0.3)
        assert.is_true(all_report(LAST))
        abandon_log()
        for _, worker in ipairs(running()) do
            assert.is_true(support.eventually(function() return worker.feed.direct end))
        end
        assert.is_true(all_report(LAST))
        etcd.is_silent = nil
        assert.is_true(support.eventually(function() return all_report(nil) end))
    end)

    it("logs at level notice which worker starts it, and which takes it over", function()
        local log, lines = ngx.log, {}
        ngx.log = function(level, ...) -- luacheck: ignore 122
            lines[#lines + 1] = level .. " " .. table.concat { ... }
        end
        start(2)
        assert_synced()
        kill_writer()
        support.eventually(has_successor)
        ngx.log = log -- luacheck: ignore 122
        assert.same({
            ngx.NOTICE .. " shared watch log of /k/: started; this worker follows etcd for all workers",
            ngx.NOTICE .. " shared watch log of /k/: taken over; this worker follows etcd for all workers",
        }, lines)
    end)

    it("reports that no worker writes it", function()
        start(2)
        assert_synced()
        for _, worker in ipairs(workers) do
            worker.coordinator.start_writer = function() return nil, "too many pending timers" end
        end
        kill_writer()
        local left = running()[1]
        assert.is_true(support.eventually(function()
            return (left.feed:current_error() or {}).message == "shared watch log: no worker writes it"
        end, 8))
    end)

    it("gets another writer immediately and without a list when its writer resigns #alone", function()
        start(3)
        assert_synced()
        for _ = 1, 2 do
            local writer = support.find_writer(workers)
            writer:close()
            ngx.thread.wait(writer.thread)
            for i, worker in ipairs(workers) do
                if worker == writer then
                    table.remove(workers, i)
                end
            end
            local resigned_at = ngx.now()
            change_keys(20)
            assert_synced()
            assert.is_true(ngx.now() - resigned_at < 0.8) -- less than the lease of a writer
        end
        assert.equal(1, etcd.lists)
        assert.equal(3, etcd.opened)
        assert.equal(1, etcd.most_open)
    end)

    it("closes its source when it has no readers, and continues without a list when it has some again", function()
        start(2)
        assert_synced()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        assert.is_true(support.eventually(function() return etcd.open_now == 0 end))
        change_keys(30)
        workers = {}
        start(2)
        assert_synced()
        assert.equal(1, etcd.lists)
    end)

    it("is abandoned when its source fails, which each worker's own source reports, and replaced later", function()
        start(3)
        assert_synced()
        etcd.failure = { name = "permission_denied", message = "no" }
        assert.is_true(support.eventually(function()
            return workers[1].err and workers[2].err and workers[3].err
        end))
        assert.equal("permission_denied", workers[2].err.name)
        etcd.failure = nil
        for _, worker in ipairs(workers) do
            worker:close()
        end
        workers = {}
        start(3)
        assert_synced()
        assert.is_true(support.eventually(function() return etcd.open_now == 1 end))
        change_keys(20)
        assert_synced()
    end)

    -- Waits for a compaction, and removes the epochs before the new base.
    local function compact_and_clean_up()
        local writer = support.find_writer(workers).coordinator.writer
        local root = writer.root
        assert.is_true(support.eventually(function()
            change_keys(50)
            ngx.sleep(0.003)
            keep_up()
            return writer.root > root
        end, 20))
        assert_synced(20)
        cleanup.remove_before(writer.log, writer.root, time_slice.start())
    end

    local function find_reader()
        for _, worker in ipairs(workers) do
            if not worker.is_writer() then
                return worker
            end
        end
    end

    it("delivers a full state to a reader that was left behind, and to no other", function()
        start(3)
        assert_synced()
        local slow = find_reader()
        slow:pause()
        compact_and_clean_up()
        slow:resume()
        assert_synced()
        for _, worker in ipairs(workers) do
            assert.same({ list = worker == slow and 2 or 1 }, worker.full_states)
        end
        assert.equal(1, etcd.lists)
    end)

    it("reports a restore to a reader that was left behind before it", function()
        start(3)
        assert_synced()
        local backup, revision = copy_kvs(), etcd.revision
        change_keys(30)
        assert_synced()
        local slow = find_reader()
        slow:pause()
        etcd:restore(backup, revision)
        etcd:put("/k/new", "world")
        assert_synced()
        compact_and_clean_up()
        slow:resume()
        assert_synced()
        assert.same({ list = 1, restored = 1 }, slow.full_states)
        slow:pause()
        compact_and_clean_up()
        slow:resume()
        assert_synced()
        assert.same({ list = 2, restored = 1 }, slow.full_states)
    end)

    it("is polled and written in the four timers that all loops share, and by nothing when the last reader is closed", function()
        local at, timers = ngx.timer.at, 0
        finally(function()
            ngx.timer.at = at -- luacheck: ignore
        end)
        -- luacheck: ignore
        ngx.timer.at = function(...)
            timers = timers + 1
            return at(...)
        end
        local proxy = support.dict_proxy(dict)
        local function open_feed(name)
            return assert(open.open(proxy, namespace .. name, "/k/", etcd.open))
        end
        local function read_to(feed, revision)
            local batch
            repeat
                batch = assert(feed:next(5))
            until batch.revision >= revision
        end
        local function wait_until_unused()
            assert.is_true(support.eventually(function() return etcd.open_now == 0 end))
            local before
            assert.is_true(support.eventually(function()
                before = proxy.count
                ngx.sleep(0.1) -- twenty intervals
                return proxy.count == before
            end))
        end
        local feeds = {}
        -- Opens ten feeds of seven logs, each with a poll and a writer.
        local function open_feeds()
            timers = 0
            for i = 1, 10 do
                feeds[i] = open_feed(i % 7)
                read_to(feeds[i], etcd.revision)
            end
            assert.is_true(support.eventually(function() return etcd.open_now == 7 end))
            -- those that start the supervisor, and the shared ones; none if other loops of this process have them
            assert.is_true(timers <= 3 + 4, timers .. " timers")
        end
        open_feeds()
        for i = 1, 9 do
            feeds[i]:close()
        end
        change_keys(3)
        read_to(feeds[10], etcd.revision)
        feeds[10]:close()
        wait_until_unused()
        open_feeds() -- the former timers can have ended
        for i = 1, 10 do
            feeds[i]:close()
        end
        wait_until_unused()
    end)
end)
