-- Workers that are stopped or killed between any two operations on the shared dict, while they write the log.
local slices = require "resty.etcd.base.time_slice"
local support = require "spec.support.simulated_workers"
local sweep = require "resty.etcd.shared_log.cleanup"

local dict = ngx.shared.node
local names = 0
local soak = tonumber(os.getenv("SOAK")) or 1
local seed = tonumber(os.getenv("SEED")) or ngx.now() * 1000 % 2 ^ 31

describe("the writer of a shared log", function()
    local history, workers, dead

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        names = names + 1
        history = support.history()
        for i = 1, 40 do
            history:put("/k/" .. i, "first " .. i)
        end
        workers, dead = {}, {}
        for _ = 1, 3 do
            workers[#workers + 1] = support.worker(dict, history, "crash" .. names .. "|")
        end
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:go_on()
            worker:close()
        end
        for _, worker in ipairs(dead) do
            worker:bury()
        end
        ngx.sleep(0.02)
    end)

    local function churn(n, size)
        for _ = 1, n do
            if math.random(7) == 1 then
                history:delete("/k/" .. math.random(60))
            else
                history:put("/k/" .. math.random(60), ("v"):rep(math.random(0, size or 300)) .. history.revision)
            end
        end
    end

    local function settled(what)
        local difference = support.settle(workers, history, 8)
        assert.is_nil(difference and what .. ": " .. difference)
    end

    -- Nothing may have been told twice or left out, and no list may have been needed.
    local function undisturbed(what)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full, what)
        end
        assert.equal(1, history.lists, what)
    end

    local function replace(writer)
        for i, worker in ipairs(workers) do
            if worker == writer then
                dead[#dead + 1] = table.remove(workers, i)
            end
        end
        workers[#workers + 1] = support.worker(dict, history, "crash" .. names .. "|")
    end

    local function writer_of()
        support.eventually(function() return support.writer_of(workers) end)
        return support.writer_of(workers)
    end

    -- Lets a long log come into being, at the end of which a new base is due.
    local function grow()
        for _ = 1, 7 do
            churn(100, 600)
            ngx.sleep(0.03)
        end
    end

    it("may be killed at any operation", function()
        print("seed " .. seed)
        math.randomseed(seed)
        settled("start")
        for n = 1, 12 * soak do
            local writer = writer_of()
            local at = math.random(60)
            local what = ("round %d, operation %d"):format(n, at)
            writer:kill(at)
            for _ = 1, 4 do
                churn(4)
                ngx.sleep(0.002)
            end
            writer:bury()
            replace(writer)
            settled(what)
            undisturbed(what)
        end
    end)

    it("may be killed at any operation while it puts a new base under the log", function()
        math.randomseed(seed)
        settled("start")
        local bases = 0
        for n = 1, 4 * soak do
            local writer = writer_of()
            local done = 0
            -- from the moment on in which it takes the number of an epoch for the base
            writer.door.hook = function(_, name, key)
                if name == "incr" and key:find("epochs$") then
                    local at = math.random(140)
                    writer.door.hook = function()
                        done = done + 1
                        if done == at then
                            writer.door.shut = true
                        end
                    end
                end
            end
            local tries = 0
            repeat
                grow()
                tries = tries + 1
            until writer.door.shut or tries > 6
            bases = bases + (writer.door.shut and 1 or 0)
            writer.door.shut = true
            writer:bury()
            replace(writer)
            local what = ("round %d, operation %d"):format(n, done)
            settled(what)
            undisturbed(what)
            if n % 4 == 0 then
                -- one of them may succeed, lest the log grows for ever
                assert.is_true(support.eventually(function()
                    local last = writer_of().coordinator.writer
                    return last and last.log_bytes < 256 * 1024
                end), what)
            end
        end
        assert.is_true(bases > 0)
    end)

    it("may be stopped at any operation for longer than its lease, and writes into nobody's log when it wakes", function()
        math.randomseed(seed)
        settled("start")
        for n = 1, 5 * soak do
            local writer = writer_of()
            local at = math.random(200)
            local what = ("round %d, operation %d"):format(n, at)
            writer:stop(at)
            if math.random(2) == 1 then
                grow()
            end
            local stopped = support.eventually(function()
                churn(3)
                return writer.door.shut
            end)
            assert.is_true(stopped)
            local since = ngx.now()
            local other = writer_of()
            assert.is_true(ngx.now() - since < 2, "nobody took over")
            assert.is_truthy(other)
            assert.not_equal(writer, other)
            for _ = 1, 5 do
                churn(5)
                ngx.sleep(0.01)
            end
            writer:go_on()
            churn(5)
            settled(what)
            undisturbed(what)
            assert.is_true(support.eventually(function() return history.open_now == 1 end), what)
        end
    end)

    -- Stops a worker before it puts an epoch into the chain.
    local function stop_at_link(worker)
        worker.door.hook = function(_, name, key)
            if name == "safe_add" and key:find("|%d+n$") then
                worker.door.shut, worker.door.hook = true, nil
            end
        end
    end

    local function others_of(writer)
        local others = {}
        for _, worker in ipairs(workers) do
            if worker ~= writer then
                others[#others + 1] = worker
            end
        end
        return others
    end

    it("may be stopped before it links a new base, and finds another one there", function()
        settled("start")
        local writer = writer_of()
        stop_at_link(writer)
        assert.is_true(support.eventually(function()
            grow()
            return writer.door.shut
        end))
        assert.is_truthy(writer_of(), "nobody took over")
        churn(20)
        ngx.sleep(0.1)
        writer:go_on()
        churn(20)
        settled("after it went on")
        undisturbed("after it went on")
        assert.is_true(support.eventually(function() return history.open_now == 1 end))
        churn(20)
        workers[#workers + 1] = support.worker(dict, history, "crash" .. names .. "|")
        settled("late")
    end)

    it("may be stopped before it takes over, and finds another one there", function()
        settled("start")
        local writer = writer_of()
        local others = others_of(writer)
        stop_at_link(others[1])
        stop_at_link(others[2])
        writer:close()
        ngx.thread.wait(writer.thread)
        assert.is_true(support.eventually(function() return others[1].door.shut and others[2].door.shut end))
        workers = others
        workers[3] = support.worker(dict, history, "crash" .. names .. "|")
        churn(20)
        assert.is_true(support.eventually(function() return workers[3].is_writer() end))
        churn(20)
        ngx.sleep(0.1)
        for _, worker in ipairs(others) do
            worker:go_on()
        end
        churn(20)
        settled("after they went on")
        undisturbed("after they went on")
        assert.is_true(support.eventually(function() return history.open_now == 1 end))
    end)

    it("does not link a new base that lacks what it published last", function()
        settled("start")
        local writer = writer_of()
        local others = others_of(writer)
        local making, seen
        writer.door.hook = function(_, name, key)
            if name == "safe_set" and key:find("|%d+b%d+$") then
                -- the log goes on while the base is written
                making, seen = coroutine.running(), writer.coordinator.writer.position
                churn(5)
                support.eventually(function() return writer.coordinator.writer.position > seen end)
            elseif making and coroutine.running() == making and name == "get" and key:find("|%d+h$") then
                assert(writer.coordinator.writer.position > seen, "nothing was published meanwhile")
                writer.door.shut, writer.door.hook = true, nil
            end
        end
        stop_at_link(others[1])
        stop_at_link(others[2])
        assert.is_true(support.eventually(function()
            if not writer.door.shut then
                grow()
            end
            return others[1].door.shut or others[2].door.shut
        end))
        writer:go_on()
        churn(5)
        ngx.sleep(0.3)
        for _, worker in ipairs(others) do
            worker:go_on()
        end
        churn(5)
        settled("after all went on")
        undisturbed("after all went on")
    end)

    it("may be stopped right after a new state, which no reader passes by", function()
        settled("start")
        local writer = writer_of()
        local others = others_of(writer)
        local reader, heir = others[1], others[2]
        reader:stop()
        churn(5)
        history.away = 1
        ngx.sleep(0.02)
        churn(30)
        history:compact()
        history.away = nil
        assert.is_true(support.eventually(function() return heir.full.compacted end))
        stop_at_link(heir)
        writer:stop()
        assert.is_true(support.eventually(function() return heir.door.shut end))
        -- the new state ends where nobody knows yet what is next
        reader:go_on()
        ngx.sleep(0.1)
        heir:go_on()
        churn(5)
        settled("without the writer")
        assert.same({ list = 1, compacted = 1 }, reader.full)
        writer:go_on()
        churn(5)
        settled("with the writer")
    end)

    it("may be stopped before it says where reading begins, and finds the log when that is gone", function()
        settled("start")
        local writer = writer_of()
        local linked
        writer.door.hook = function(_, name, key)
            if name == "safe_add" and key:find("|%d+n$") then
                linked = true
            elseif linked and name == "safe_set" and key:find("|root$") then
                writer.door.shut, writer.door.hook = true, nil
            end
        end
        assert.is_true(support.eventually(function()
            grow()
            return writer.door.shut
        end))
        local other = writer_of()
        local gone = other.coordinator.writer.root
        assert.is_true(support.eventually(function()
            grow()
            return other.coordinator.writer.root > gone
        end))
        sweep.before(other.coordinator.log, other.coordinator.writer.root, slices.start())
        dict:set(other.coordinator.log.name .. "root", gone)
        writer:go_on()
        assert.is_true(support.eventually(function() return writer.coordinator.tail == other.coordinator.writer.epoch end))
        churn(5)
        settled("after it went on")
        assert.equal(1, history.lists)
        assert.is_nil(writer.feed.own)
    end)

    it("may be stopped and killed while it starts the log", function()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        ngx.sleep(0.02)
        for at = 1, 70, math.max(1, math.floor(9 / soak)) do
            names = names + 1
            workers = {}
            local first = support.worker(dict, history, "crash" .. names .. "|")
            first:stop(at)
            ngx.sleep(0.03)
            for _ = 1, 2 do
                workers[#workers + 1] = support.worker(dict, history, "crash" .. names .. "|")
            end
            settled("operation " .. at)
            churn(5)
            first:go_on()
            workers[3] = first
            settled("operation " .. at)
            for _, worker in ipairs(workers) do
                worker:close()
            end
        end
    end)
end)
