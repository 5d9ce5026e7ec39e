-- A shared log in a dict that is too small, that others fill, or into which others write.
local chain = require "resty.etcd.shared_log.log"
local support = require "spec.support.simulated_workers"

local node = ngx.shared.node
local small = ngx.shared.small
local names = 0

describe("a shared log", function()
    local history, workers, base

    before_each(function()
        for _, dict in ipairs { node, small } do
            dict:flush_all()
            dict:flush_expired()
        end
        names = names + 1
        base = "damage" .. names .. "|"
        history = support.history()
        for i = 1, 50 do
            history:put("/k/" .. i, "first " .. i)
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
            workers[#workers + 1] = support.worker(dict, history, base)
        end
    end

    local function settled()
        assert.is_nil(support.settle(workers, history, 8))
    end

    local function churn(n, size)
        for _ = 1, n do
            history:put("/k/" .. math.random(60), ("v"):rep(math.random(0, size or 100)) .. history.revision)
        end
    end

    -- Deletes or overwrites one key of the log, of those whose names match.
    local function damage(pattern, value)
        local log = workers[1].coordinator.log.name
        for _, key in ipairs(node:get_keys(0)) do
            if key:sub(1, #log) == log and key:sub(#log + 1):find(pattern) then
                node:set(key, value)
                return true
            end
        end
    end

    local function alone()
        local n = 0
        for _, worker in ipairs(workers) do
            n = n + (worker.feed.own and 1 or 0)
        end
        return n
    end

    it("that does not fit leaves every worker to itself, and nothing is missed", function()
        history:put("/k/large", ("x"):rep(400000))
        start(small, 3)
        settled()
        assert.equal(3, alone())
        churn(50)
        settled()
    end)

    it("that does not fit any more leaves every worker to itself, and is used again when it fits", function()
        start(small, 3)
        settled()
        assert.equal(0, alone())
        history:put("/k/large", ("x"):rep(300000))
        settled()
        assert.equal(3, alone())
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full) -- went on where it stood
        end
        history:delete("/k/large")
        assert.is_true(support.eventually(function()
            churn(1)
            ngx.sleep(0.01)
            return alone() == 0
        end, 10))
        churn(20)
        settled()
        assert.equal(1, history.open_now)
    end)

    it("gives room back from its oldest end, and readers that are only a little behind miss nothing", function()
        start(node, 3)
        settled()
        for i = 1, 10000 do
            if node:free_space() < 2500 * 1024 then
                break
            end
            node:safe_add("other " .. i, ("z"):rep(4000 - 100))
        end
        local writer = support.writer_of(workers).coordinator.writer
        local log = writer.log
        local function grow(bases)
            local goal = writer.root + bases
            assert.is_true(support.eventually(function()
                churn(20, 600)
                ngx.sleep(0.003)
                return writer.root >= goal
            end))
        end
        assert.is_true(support.eventually(function()
            grow(1)
            return chain.number_at(log, "swept") > 0
        end))
        local slow
        for _, worker in ipairs(workers) do
            slow = not worker.is_writer() and worker or slow
        end
        slow:stop()
        local swept = chain.number_at(log, "swept")
        grow(2)
        assert.is_true(chain.number_at(log, "swept") > swept)
        slow:go_on()
        settled()
        for _, worker in ipairs(workers) do
            assert.same({ list = 1 }, worker.full)
        end
        assert.equal(0, alone())
    end)

    it("in a dict that others fill is noticed to be incomplete, and never wrong", function()
        start(node, 3)
        settled()
        for round = 1, 3 do
            for i = 1, 3000 do
                node:set("other " .. round .. " " .. i, ("z"):rep(4000))
                if i % 100 == 0 then
                    churn(1)
                    ngx.sleep(0.001)
                end
            end
            churn(10)
            settled()
            start(node, 1)
            settled()
        end
    end)

    for pattern, what in pairs {
        ["^%d+b1$"] = "the base", ["^%d+s$"] = "what an epoch begins with", ["^root$"] = "the root",
        ["^epochs$"] = "the count of epochs", ["^broken$"] = "the mark of being broken", ["^[1-9]%d*h$"] = "a head",
    } do
        it("without " .. what .. " serves nothing wrong, and is made anew", function()
            start(node, 2)
            settled()
            assert.is_true(damage(pattern, nil))
            churn(10)
            settled()
            start(node, 1)
            settled()
            local writer = support.writer_of(workers)
            if writer then
                writer:close()
                ngx.thread.wait(writer.thread)
                for i, worker in ipairs(workers) do
                    if worker == writer then
                        table.remove(workers, i)
                    end
                end
            end
            churn(10)
            settled()
            assert.is_true(support.eventually(function() return alone() == 0 end))
            churn(10)
            settled()
        end)
    end

    it("with a record that is missing or garbled serves nothing wrong", function()
        for _, value in ipairs { "nil", "garbage", "00000000" } do
            start(node, 2)
            settled()
            workers[2]:stop()
            ngx.sleep(0.02)
            churn(20)
            assert.is_true(support.eventually(function() return workers[1].revision == history.revision end))
            assert.is_true(damage("^[1-9]%d*r10$", value ~= "nil" and value or nil))
            workers[2]:go_on()
            settled()
            churn(10)
            settled()
            for _, worker in ipairs(workers) do
                worker:close()
            end
            base = base .. "+"
            workers = {}
        end
    end)

    it("takes no notice of half a record that a dead writer left", function()
        start(node, 3)
        settled()
        churn(5)
        settled()
        local writer = support.writer_of(workers).coordinator.writer
        local at = writer.log.name .. writer.epoch .. "r" .. writer.position + 1
        assert(node:set(at, "1234abcd" .. writer.position + 1 .. " 0 77 0\nhalf of"))
        start(node, 1)
        churn(5)
        settled()
        assert.equal(1, history.lists)
    end)
end)
