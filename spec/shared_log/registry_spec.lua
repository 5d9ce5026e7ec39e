-- Logs that no worker uses any more are removed from the dict, with simulated workers.
local clock = require "resty.etcd.base.clock"
local support = require "spec.support.simulated_workers"

local dict = ngx.shared.watch_log
local runs = 0

describe("shared log that is not used", function()
    local etcd, workers, former, current

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        runs = runs + 1
        former, current = "former" .. runs .. "|", "current" .. runs .. "|"
        etcd = support.etcd()
        for i = 1, 50 do
            etcd:put("/k/" .. i, ("x"):rep(1000))
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

    local function start(namespace)
        local worker = support.worker(dict, etcd, namespace)
        workers[#workers + 1] = worker
        assert.is_nil(support.wait_synced({ worker }, etcd))
        return worker
    end

    local function count_keys(namespace)
        local count = 0
        for _, key in ipairs(dict:get_keys(0)) do
            count = count + (key:find(namespace, 1, true) == 1 and 1 or 0)
        end
        return count
    end

    local last_search

    -- Lets the next search begin.
    local function search(seconds)
        last_search = clock.now() - (seconds or 11)
        dict:set("etcd logs 1|searched", last_search)
    end

    -- Sets back the time at which a log was last used, and lets the next search begin.
    local function age(namespace, seconds)
        assert(dict:set(namespace .. "used", clock.now() - seconds))
        search()
    end

    local function has_searched()
        return support.eventually(function() return dict:get "etcd logs 1|searched" > last_search end)
    end

    it("is removed completely after a minute, and no other", function()
        local old = start(former)
        old:close()
        ngx.thread.wait(old.thread)
        local kept = start(current)
        age(former, 50)
        assert.is_true(has_searched())
        assert.is_true(count_keys(former) > 10)
        local before = count_keys(current)
        age(former, 61)
        assert.is_true(support.eventually(function() return count_keys(former) == 0 end))
        assert.equal(before, count_keys(current))
        etcd:put("/k/1", "after")
        assert.is_nil(support.wait_synced({ kept }, etcd))
        assert.same({ list = 1 }, kept.full_states)
        assert.same({}, kept.violations)
    end)

    it("leaves no keys behind after a hundred changes of the identity", function()
        local keys
        for i = 1, 100 do
            local namespace = ("former%d-%d|"):format(runs, i)
            local worker = start(namespace)
            worker:close()
            ngx.thread.wait(worker.thread)
            age(namespace, 61)
            if i == 3 then
                keys = #dict:get_keys(0)
            end
        end
        start(current)
        search()
        assert.is_true(support.eventually(function() return #dict:get_keys(0) <= keys end))
        assert.is_true(dict:get("etcd logs 1|slots") <= 4, "slots: " .. dict:get("etcd logs 1|slots"))
    end)

    it("is kept while a worker of an older generation reads it", function()
        local old = start(former)
        start(current)
        dict:set(former .. "used", clock.now() - 6)
        assert.is_true(support.eventually(function() return clock.now() - dict:get(former .. "used") < 5 end))
        age(former, 4)
        assert.is_true(has_searched())
        assert.is_true(count_keys(former) > 10)
        assert.same({ list = 1 }, old.full_states)
    end)

    it("is created again by a worker that was stopped for longer, which loses nothing", function()
        local old = start(former)
        start(current)
        old:pause()
        age(former, 61)
        assert.is_true(support.eventually(function() return count_keys(former) == 0 end))
        etcd:put("/k/1", "after")
        old:resume()
        assert.is_nil(support.wait_synced(workers, etcd, 10))
        assert.same({}, old.violations)
        assert.is_true(support.eventually(function() return dict:get(former .. "used") end))
    end)

    it("is kept when all workers were stopped for longer, until they had time to note that they use it", function()
        local first = start(former)
        start(current)
        for _, worker in ipairs(workers) do
            worker:pause()
        end
        local before = dict:get(former .. "now")
        assert.is_truthy(before)
        for _, namespace in ipairs { former, current } do
            dict:set(namespace .. "used", clock.now() - 90)
        end
        search(90)
        workers[2]:resume()
        assert.is_true(has_searched())
        assert.equal(before, dict:get(former .. "now"))
        first:resume()
        assert.is_true(support.eventually(function() return clock.now() - dict:get(former .. "used") < 60 end))
        search()
        assert.is_true(has_searched())
        etcd:put("/k/1", "after")
        assert.is_nil(support.wait_synced(workers, etcd, 10))
        assert.equal(before, dict:get(former .. "now"))
        assert.same({}, first.violations)
    end)

    it("is registered as soon as a full dict has room", function()
        local filler = ("x"):rep(60)
        local n = 0
        while dict:safe_add("filler" .. n, filler) do
            n = n + 1
        end
        local worker = support.worker(dict, etcd, former)
        workers[#workers + 1] = worker
        assert.is_nil(support.wait_synced({ worker }, etcd))
        for i = 0, n - 1 do
            dict:delete("filler" .. i)
        end
        assert.is_true(support.eventually(function() return dict:get(former .. "used") end))
        assert.equal(former, dict:get("etcd logs 1|1"))
    end)
end)
