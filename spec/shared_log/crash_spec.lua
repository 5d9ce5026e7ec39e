-- Workers that are paused or killed at any operation on the shared dict while they write the log.
-- Env: SOAK, how many times as many rounds (default 1); SEED, to replay a run.
local cleanup = require "resty.etcd.shared_log.cleanup"
local support = require "spec.support.simulated_workers"
local time_slice = require "resty.etcd.base.time_slice"

local dict = ngx.shared.watch_log
local namespaces = 0
local soak = tonumber(os.getenv("SOAK")) or 1
local seed = tonumber(os.getenv("SEED")) or ngx.now() * 1000 % 2 ^ 31

describe("shared log writer", function()
    local etcd, workers, killed, namespace

    local function add_worker()
        workers[#workers + 1] = support.worker(dict, etcd, namespace)
        return workers[#workers]
    end

    local function next_namespace()
        namespaces = namespaces + 1
        namespace = "crash" .. namespaces .. "|"
    end

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        next_namespace()
        etcd = support.etcd()
        for i = 1, 40 do
            etcd:put("/k/" .. i, "first " .. i)
        end
        workers, killed = {}, {}
        for _ = 1, 3 do
            add_worker()
        end
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:resume()
            worker:close()
        end
        for _, worker in ipairs(killed) do
            worker:close_sources()
        end
        ngx.sleep(0.02)
    end)

    local function change_keys(n, size)
        for _ = 1, n do
            if math.random(7) == 1 then
                etcd:delete("/k/" .. math.random(60))
            else
                etcd:put("/k/" .. math.random(60), ("v"):rep(math.random(0, size or 300)) .. etcd.revision)
            end
        end
    end

    local function assert_synced(when)
        local difference = support.wait_synced(workers, etcd, 8)
        assert.is_nil(difference and when .. ": " .. difference)
    end

    -- Every change has reached every worker as an event: there was no full state after the first.
    local function assert_no_new_full_state(when)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full_states, when)
        end
        assert.equal(1, etcd.lists, when)
    end

    local function replace(writer)
        for i, worker in ipairs(workers) do
            if worker == writer then
                killed[#killed + 1] = table.remove(workers, i)
            end
        end
        add_worker()
    end

    local function wait_for_writer()
        support.eventually(function() return support.find_writer(workers) end)
        return support.find_writer(workers)
    end

    -- Makes the log so long that it is due for compaction.
    local function grow()
        for _ = 1, 7 do
            change_keys(100, 600)
            ngx.sleep(0.03)
        end
    end

    it("loses no event and needs no list when it is killed at any operation", function()
        print("seed " .. seed)
        math.randomseed(seed)
        assert_synced("start")
        for n = 1, 12 * soak do
            local writer = wait_for_writer()
            local at = math.random(60)
            local when = ("round %d, operation %d"):format(n, at)
            writer:pause(at)
            for _ = 1, 4 do
                change_keys(4)
                ngx.sleep(0.002)
            end
            writer:close_sources()
            replace(writer)
            assert_synced(when)
            assert_no_new_full_state(when)
        end
    end)

    it("loses no event and needs no list when it is killed at any operation of a compaction", function()
        math.randomseed(seed)
        assert_synced("start")
        local interrupted = 0
        for n = 1, 4 * soak do
            local writer = wait_for_writer()
            local done = 0
            -- the compaction begins with the allocation of an epoch
            writer.proxy.hook = function(_, name, key)
                if name == "incr" and key:find("epochs$") then
                    local at = math.random(140)
                    writer.proxy.hook = function()
                        done = done + 1
                        if done == at then
                            writer.proxy.paused = true
                        end
                    end
                end
            end
            local tries = 0
            repeat
                grow()
                tries = tries + 1
            until writer.proxy.paused or tries > 6
            interrupted = interrupted + (writer.proxy.paused and 1 or 0)
            writer.proxy.paused = true
            writer:close_sources()
            replace(writer)
            local when = ("round %d, operation %d"):format(n, done)
            assert_synced(when)
            assert_no_new_full_state(when)
            if n % 4 == 0 then
                -- let one compaction succeed, so that the log does not grow without limit
                assert.is_true(support.eventually(function()
                    local last = wait_for_writer().coordinator.writer
                    return last and last.log_bytes < 256 * 1024
                end), when)
            end
        end
        assert.is_true(interrupted > 0)
    end)

    it("appends nothing after a pause beyond its lease, at whichever operation it was paused", function()
        math.randomseed(seed)
        assert_synced("start")
        for n = 1, 5 * soak do
            local writer = wait_for_writer()
            local at = math.random(200)
            local when = ("round %d, operation %d"):format(n, at)
            writer:pause(at)
            if math.random(2) == 1 then
                grow()
            end
            local is_paused = support.eventually(function()
                change_keys(3)
                return writer.proxy.paused
            end)
            assert.is_true(is_paused)
            local since = ngx.now()
            local successor = wait_for_writer()
            assert.is_true(ngx.now() - since < 2, "no worker took over")
            assert.is_truthy(successor)
            assert.not_equal(writer, successor)
            for _ = 1, 5 do
                change_keys(5)
                ngx.sleep(0.01)
            end
            writer:resume()
            change_keys(5)
            assert_synced(when)
            assert_no_new_full_state(when)
            assert.is_true(support.eventually(function() return etcd.open_now == 1 end), when)
        end
    end)

    -- Pauses a worker before it links an epoch.
    local function pause_at_link(worker)
        worker.proxy.hook = function(_, name, key)
            if name == "safe_add" and key:find("|%d+n$") then
                worker.proxy.paused, worker.proxy.hook = true, nil
            end
        end
    end

    local function others_than(writer)
        local others = {}
        for _, worker in ipairs(workers) do
            if worker ~= writer then
                others[#others + 1] = worker
            end
        end
        return others
    end

    it("discards its compacted epoch when another worker took over before it could link it", function()
        assert_synced("start")
        local writer = wait_for_writer()
        pause_at_link(writer)
        assert.is_true(support.eventually(function()
            grow()
            return writer.proxy.paused
        end))
        assert.is_truthy(wait_for_writer(), "no worker took over")
        change_keys(20)
        ngx.sleep(0.1)
        writer:resume()
        change_keys(20)
        assert_synced("after it resumed")
        assert_no_new_full_state("after it resumed")
        assert.is_true(support.eventually(function() return etcd.open_now == 1 end))
        change_keys(20)
        add_worker()
        assert_synced("late worker")
    end)

    it("is a single one when several workers were paused in the middle of a takeover", function()
        assert_synced("start")
        local writer = wait_for_writer()
        local others = others_than(writer)
        pause_at_link(others[1])
        pause_at_link(others[2])
        writer:close()
        ngx.thread.wait(writer.thread)
        assert.is_true(support.eventually(function() return others[1].proxy.paused and others[2].proxy.paused end))
        workers = others
        local third = add_worker()
        change_keys(20)
        assert.is_true(support.eventually(function() return third.is_writer() end))
        change_keys(20)
        ngx.sleep(0.1)
        for _, worker in ipairs(others) do
            worker:resume()
        end
        change_keys(20)
        assert_synced("after they resumed")
        assert_no_new_full_state("after they resumed")
        assert.is_true(support.eventually(function() return etcd.open_now == 1 end))
    end)

    it("does not link a compacted epoch that lacks records published meanwhile", function()
        assert_synced("start")
        local writer = wait_for_writer()
        local others = others_than(writer)
        local compaction, position
        writer.proxy.hook = function(_, name, key)
            if name == "safe_set" and key:find("|%d+b%d+$") then
                -- append while the base is being written
                compaction, position = coroutine.running(), writer.coordinator.writer.position
                change_keys(5)
                support.eventually(function() return writer.coordinator.writer.position > position end)
            elseif compaction and coroutine.running() == compaction and name == "get" and key:find("|%d+h$") then
                assert(writer.coordinator.writer.position > position, "nothing was published meanwhile")
                writer.proxy.paused, writer.proxy.hook = true, nil
            end
        end
        pause_at_link(others[1])
        pause_at_link(others[2])
        assert.is_true(support.eventually(function()
            if not writer.coordinator.writer.is_compacting then
                grow() -- not during a compaction, which a log that grows holds up on a busy machine
            end
            return others[1].proxy.paused or others[2].proxy.paused
        end, 30))
        writer:resume()
        change_keys(5)
        ngx.sleep(0.3)
        for _, worker in ipairs(others) do
            worker:resume()
        end
        change_keys(5)
        assert_synced("after all resumed")
        assert_no_new_full_state("after all resumed")
    end)

    it("leaves a full state that no reader skips when it is paused right after it", function()
        assert_synced("start")
        local writer = wait_for_writer()
        local others = others_than(writer)
        local reader, successor = others[1], others[2]
        reader:pause()
        change_keys(5)
        etcd.is_silent = true
        ngx.sleep(0.02)
        change_keys(30)
        etcd:compact()
        etcd.is_silent = nil
        assert.is_true(support.eventually(function() return successor.full_states.compacted end))
        pause_at_link(successor)
        writer:pause()
        assert.is_true(support.eventually(function() return successor.proxy.paused end))
        -- the epoch of the full state is sealed and has no link yet
        reader:resume()
        ngx.sleep(0.1)
        successor:resume()
        change_keys(5)
        assert_synced("without the writer")
        assert.same({ list = 1, compacted = 1 }, reader.full_states)
        writer:resume()
        change_keys(5)
        assert_synced("with the writer")
    end)

    it("finds the end of the log when it has set the root back to a removed epoch", function()
        assert_synced("start")
        local writer = wait_for_writer()
        local is_linked
        writer.proxy.hook = function(_, name, key)
            if name == "safe_add" and key:find("|%d+n$") then
                is_linked = true
            elseif is_linked and name == "safe_set" and key:find("|root$") then
                writer.proxy.paused, writer.proxy.hook = true, nil
            end
        end
        assert.is_true(support.eventually(function()
            grow()
            return writer.proxy.paused
        end))
        local successor = wait_for_writer()
        local removed = successor.coordinator.writer.root
        assert.is_true(support.eventually(function()
            grow()
            return successor.coordinator.writer.root > removed
        end))
        cleanup.remove_before(successor.coordinator.log, successor.coordinator.writer.root, time_slice.start())
        dict:set(successor.coordinator.log.name .. "root", removed)
        writer:resume()
        assert.is_true(support.eventually(function()
            return writer.coordinator.tail == successor.coordinator.writer.epoch
        end))
        change_keys(5)
        assert_synced("after it resumed")
        assert.equal(1, etcd.lists)
        assert.is_nil(writer.feed.direct)
    end)

    it("does no harm when it is paused at any operation while it creates the log", function()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        ngx.sleep(0.02)
        for at = 1, 70, math.max(1, math.floor(9 / soak)) do
            next_namespace()
            workers = {}
            local first = support.worker(dict, etcd, namespace)
            first:pause(at)
            ngx.sleep(0.03)
            for _ = 1, 2 do
                add_worker()
            end
            assert_synced("operation " .. at)
            change_keys(5)
            first:resume()
            workers[3] = first
            assert_synced("operation " .. at)
            for _, worker in ipairs(workers) do
                worker:close()
            end
        end
    end)
end)
