-- The log through which the workers of a node share one watch, with several workers in this one process.
local pieces = require "resty.etcd.shared_log.records"
local node_worker = require "resty.etcd.shared_log.open"
local slices = require "resty.etcd.base.time_slice"
local support = require "spec.support.simulated_workers"
local sweep = require "resty.etcd.shared_log.cleanup"

local dict = ngx.shared.node
local names = 0

describe("a shared log", function()
    local history, workers, base

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        names = names + 1
        base = "log" .. names .. "|"
        history = support.history()
        for i = 1, 50 do
            history:put("/k/" .. i, "first " .. i)
        end
        workers = {}
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:go_on()
            worker:close()
        end
        ngx.sleep(0.05)
    end)

    local function start(n)
        for _ = 1, n or 1 do
            workers[#workers + 1] = support.worker(dict, history, base)
        end
        return workers[#workers]
    end

    local function settled(seconds)
        assert.is_nil(support.settle(workers, history, seconds))
    end

    local function churn(n)
        for i = 1, n do
            if i % 7 == 0 then
                history:delete("/k/" .. math.random(80))
            else
                history:put("/k/" .. math.random(80), ("v"):rep(math.random(0, 400)) .. history.revision)
            end
        end
    end

    -- Waits until those who are not stopped are near the end: one that is slow would be left behind, too.
    local function keep_up()
        support.eventually(function()
            for _, worker in ipairs(workers) do
                if not worker.door.shut and history.revision - worker.revision > 500 then
                    return false
                end
            end
            return true
        end)
    end

    it("gives every worker everything, out of one source", function()
        start(24)
        settled()
        for _ = 1, 20 do
            churn(5)
            ngx.sleep(0.003)
        end
        settled()
        assert.equal(1, history.most_open)
        assert.equal(1, history.lists)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full)
        end
    end)

    it("has everything for a worker that comes late, without a new list", function()
        start(2)
        settled()
        churn(100)
        settled()
        local late = start()
        settled()
        assert.same({ 0, 1, 1 }, { late.events, history.lists, history.opened })
    end)

    it("keeps bytes of any kind, empty values, none, and leases", function()
        local all = {}
        for i = 0, 255 do
            all[#all + 1] = string.char(i)
        end
        local bytes = table.concat(all)
        history:put("/k/" .. bytes, bytes)
        history:put("/k/empty", "")
        history:put("/k/none", nil)
        history:put("/k/lease", "l")
        history.kvs["/k/lease"].lease = "7587848943239472130"
        start(2)
        settled()
        history:put("/k/" .. bytes .. "2", bytes .. bytes)
        history:put("/k/none2", nil)
        settled()
        assert.is_nil(workers[2].state["/k/none"].value)
        assert.is_nil(workers[2].state["/k/none2"].value)
        assert.equal("", workers[2].state["/k/empty"].value)
        assert.equal("7587848943239472130", workers[2].state["/k/lease"].lease)
    end)

    it("takes values that are larger than a piece of it", function()
        history:put("/k/large", ("x"):rep(300000))
        start(2)
        settled()
        for n = pieces.PIECE - 100, pieces.PIECE + 100 do
            history:put("/k/" .. n, ("y"):rep(n))
        end
        settled()
        start()
        settled()
    end)

    it("gets a new base when it has grown long, which nobody notices", function()
        start(3)
        settled()
        local writer = support.writer_of(workers).coordinator.writer
        local rounds = 0
        repeat -- a busy machine makes fewer bases in the same time
            rounds = rounds + 1
            churn(50)
            ngx.sleep(0.003)
            keep_up()
        until rounds >= 60 and writer.root > 3 or rounds == 600
        settled()
        assert.is_true(writer.root > 3)
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full)
        end
        start()
        settled()
        assert.equal(1, history.lists)
        -- what was before it is removed
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

    it("tells all that etcd's history was compacted, or that etcd was restored from a backup", function()
        start(3)
        settled()
        local backup, revision = {}, history.revision
        for key, kv in pairs(history.kvs) do
            backup[key] = kv
        end
        churn(30)
        settled()
        history.away = 1
        churn(30)
        history:compact()
        history.away = nil
        settled()
        history:restore(backup, revision)
        history:put("/k/new", "world")
        settled()
        for _, worker in ipairs(workers) do
            assert.same({ list = 1, compacted = 1, restored = 1 }, worker.full)
        end
        start()
        settled()
    end)

    it("says how long ago etcd was heard of", function()
        start(2)
        settled()
        ngx.sleep(0.6)
        for _, worker in ipairs(workers) do
            -- it may come to more when this process has just stood still
            assert.is_true(support.eventually(function() return worker.feed:age() < 0.6 end))
            assert.is_true(worker.feed:age() >= 0.125)
        end
        history.away = 10
        for _, worker in ipairs(workers) do
            assert.is_true(support.eventually(function() return worker.feed:age() >= 10 end, 2))
        end
    end)

    it("goes on under another worker at once when its writer leaves", function()
        start(3)
        settled()
        for _ = 1, 2 do
            local writer = support.writer_of(workers)
            writer:close()
            ngx.thread.wait(writer.thread)
            for i, worker in ipairs(workers) do
                if worker == writer then
                    table.remove(workers, i)
                end
            end
            local left = ngx.now()
            churn(20)
            settled()
            assert.is_true(ngx.now() - left < 0.8) -- no need to wait for a lease to end
        end
        assert.equal(1, history.lists)
        assert.equal(3, history.opened)
        assert.equal(1, history.most_open)
    end)

    it("rests when nobody reads, and goes on without a list", function()
        start(2)
        settled()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        assert.is_true(support.eventually(function() return history.open_now == 0 end))
        churn(30)
        workers = {}
        start(2)
        settled()
        assert.equal(1, history.lists)
    end)

    it("sends all workers to etcd after an error of the source, and is tried anew later", function()
        start(3)
        settled()
        history.failure = { name = "permission_denied", message = "no" }
        assert.is_true(support.eventually(function()
            return workers[1].err and workers[2].err and workers[3].err
        end))
        assert.equal("permission_denied", workers[2].err.name)
        history.failure = nil
        for _, worker in ipairs(workers) do
            worker:close()
        end
        workers = {}
        start(3)
        settled()
        assert.is_true(support.eventually(function() return history.open_now == 1 end))
        churn(20)
        settled()
    end)

    -- Lets the log get a new base, and forget what was before it.
    local function move_on()
        local writer = support.writer_of(workers).coordinator.writer
        local root = writer.root
        assert.is_true(support.eventually(function()
            churn(50)
            ngx.sleep(0.003)
            keep_up()
            return writer.root > root
        end, 20))
        settled(20)
        sweep.before(writer.log, writer.root, slices.start())
    end

    local function reader()
        for _, worker in ipairs(workers) do
            if not worker.is_writer() then
                return worker
            end
        end
    end

    it("is joined anew by a reader that was left behind, and by nobody else", function()
        start(3)
        settled()
        local slow = reader()
        slow:stop()
        move_on()
        slow:go_on()
        settled()
        for _, worker in ipairs(workers) do
            assert.same({ list = worker == slow and 2 or 1 }, worker.full)
        end
        assert.equal(1, history.lists)
    end)

    it("tells a reader that was left behind if etcd was restored from a backup meanwhile", function()
        start(3)
        settled()
        local backup, revision = {}, history.revision
        for key, kv in pairs(history.kvs) do
            backup[key] = kv
        end
        churn(30)
        settled()
        local slow = reader()
        slow:stop()
        history:restore(backup, revision)
        history:put("/k/new", "world")
        settled()
        move_on()
        slow:go_on()
        settled()
        assert.same({ list = 1, restored = 1 }, slow.full)
        slow:stop()
        move_on()
        slow:go_on()
        settled()
        assert.same({ list = 2, restored = 1 }, slow.full)
    end)

    it("is looked at by the one timer of its worker, which ends with the last reader", function()
        local at, started, running = ngx.timer.at, 0, 0
        finally(function()
            ngx.timer.at = at -- luacheck: ignore
        end)
        -- luacheck: ignore
        ngx.timer.at = function(delay, fn, ...)
            if not debug.getinfo(fn, "S").source:find("shared_log/poll_timer.lua", 1, true) then
                return at(delay, fn, ...)
            end
            started = started + 1
            return at(delay, function(...)
                running = running + 1
                fn(...)
                running = running - 1
            end, ...)
        end
        local function open(name)
            return assert(node_worker.open(dict, base .. name, history.open))
        end
        local function take(feed, revision)
            local batch
            repeat
                batch = assert(feed:next(5))
            until batch.revision >= revision
        end
        local feeds = {}
        for i = 1, 10 do
            feeds[i] = open(i % 7)
            take(feeds[i], history.revision)
        end
        assert.same({ 1, 1 }, { started, running })
        for i = 1, 9 do
            feeds[i]:close()
        end
        churn(3)
        take(feeds[10], history.revision)
        feeds[10]:close()
        assert.is_true(support.eventually(function() return running == 0 end))
        assert.is_true(support.eventually(function() return history.open_now == 0 end))
        local again = open "again"
        take(again, history.revision)
        assert.same({ 2, 1 }, { started, running })
        again:close()
        assert.is_true(support.eventually(function() return running == 0 end))
    end)
end)
