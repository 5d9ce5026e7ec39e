-- Another program writes to the keys of a shared log: values of any type and content.
local cleanup = require "resty.etcd.shared_log.cleanup"
local clock = require "resty.etcd.base.clock"
local logs = require "resty.etcd.shared_log.log"
local registry = require "resty.etcd.shared_log.registry"
local log_lines = require "spec.support.log_lines"
local support = require "spec.support.simulated_workers"

local dict = ngx.shared.watch_log

local POISON = {
    ["a boolean"] = true, ["a text"] = "x", ["an empty text"] = "", ["a text with a line end"] = "1\r\n2", ["a fraction"] = 0.5,
    ["a negative number"] = -1, ["infinity"] = math.huge, ["not a number"] = 0 / 0, ["a huge number"] = 2 ^ 53,
    ["a time in the future"] = 1e12, ["absurd numbers"] = "1 99999999999999999999 1e999 nan", ["a long text"] = ("x"):rep(20000),
}

describe("poisoned shared dict", function()
    local etcd, workers, namespace
    local count = 0

    before_each(function()
        dict:flush_all()
        dict:flush_expired()
        count = count + 1
        namespace = "poison" .. count .. "|"
        etcd = support.etcd()
        etcd:put("/k/1", "first")
        workers = {}
    end)

    after_each(function()
        for _, worker in ipairs(workers) do
            worker:close()
        end
        ngx.sleep(0.02)
    end)

    local function start(n)
        for _ = 1, n do
            workers[#workers + 1] = support.worker(dict, etcd, namespace)
        end
    end

    local function assert_synced(what)
        local problem = support.wait_synced(workers, etcd, 8)
        assert.is_nil(problem and ("%s: %s"):format(what, problem))
    end

    local function count_direct()
        local n = 0
        for _, worker in ipairs(workers) do
            n = n + (worker.feed.direct and 1 or 0)
        end
        return n
    end

    for _, part in ipairs { "now", "retry", "used" } do
        it("lets mirrors start with a log when the key " .. part .. " of their log was written before", function()
            for what, value in pairs(POISON) do
                dict:set(namespace .. part, value)
                start(2)
                assert_synced()
                etcd:put("/k/2", what)
                assert_synced()
                assert.is_true(support.eventually(function() return count_direct() == 0 end), what)
                for _, worker in ipairs(workers) do
                    worker:close()
                end
                ngx.sleep(0.02)
                workers, namespace = {}, namespace .. "+|"
            end
        end)
    end

    -- All keys of a log that is in use, with what another program can put there.
    it("raises no error, loses no event, and is replaced when any of its keys is overwritten", function()
        for _, part in ipairs { "root", "epochs", "broken", "swept", "candidate", "error", "%dh", "%dl", "%dc", "%ds", "%dn" } do
            for _, value in ipairs { "x", true, -1, 1e12, 2 ^ 53, 0 / 0, "1 99999999999999999999 1e999 nan", "1 1 0 " } do
                local what = ("%s %s"):format(part, value)
                local lines = log_lines.of(function()
                    start(2)
                    assert_synced(what)
                    local writer = support.find_writer(workers).coordinator.writer
                    local key = writer.log.name .. part:format(writer.epoch)
                    dict:set(key, value)
                    etcd:put("/k/2", part)
                    assert_synced(what)
                    start(1)
                    etcd:put("/k/3", part)
                    assert_synced(what)
                    assert.is_true(support.eventually(function() return count_direct() == 0 end, 5), what)
                    etcd:put("/k/4", part)
                    assert_synced(what)
                end)
                for _, line in ipairs(lines) do
                    assert.is_nil(line:find("^error:"), line)
                end
                for _, worker in ipairs(workers) do
                    worker:close()
                end
                ngx.sleep(0.02)
                workers, namespace = {}, namespace .. "+|"
            end
        end
    end)

    it("has links that lead forward only, so that no loop follows them for ever", function()
        local log = assert(logs.create(dict, namespace))
        for _, value in ipairs { "5 1 0 ", "4 1 0 ", "99999999999999999999 1 0 ", "6 1 0", 6, true, "6 1 0 \n" } do
            dict:set(log.name .. "5n", value)
            assert.is_nil(logs.link_of(log, 5), tostring(value))
        end
        dict:set(log.name .. "5n", "6 1 0 compacted")
        assert.same({ to = 6, at = 1, skip = 0, reason = "compacted" }, logs.link_of(log, 5))
    end)

    it("is removed with few operations, whatever the number of its epochs is said to be", function()
        for _, epochs in ipairs { 2 ^ 53, 2 ^ 53 - 1, 2 ^ 53 - 2, 1e12, 1e300, math.huge, -1, true, "x" } do
            local log = assert(logs.create(dict, namespace))
            dict:set(log.name .. "epochs", epochs)
            local operations = 0
            local counted = setmetatable({}, { __index = function(_, name)
                return function(_, ...)
                    operations = operations + 1
                    assert(operations < 200000, "endless")
                    return dict[name](dict, ...)
                end
            end })
            cleanup.remove_log { dict = counted, namespace = log.namespace, name = log.name }
            assert.is_nil(dict:get(log.name .. "root"), tostring(epochs))
            dict:delete(namespace .. "now")
        end
    end)

    it("is searched for unused logs with few operations, whatever the number of logs is said to be", function()
        local operations = 0
        local counted = setmetatable({}, { __index = function(_, name)
            return function(_, ...)
                operations = operations + 1
                return dict[name](dict, ...)
            end
        end })
        for _, value in pairs(POISON) do
            dict:set("etcd logs 1|slots", value)
            dict:set("etcd logs 1|1", value)
            dict:set("etcd logs 1|searched", clock.now() - 15)
            operations = 0
            registry.note_used(counted, namespace)
            registry.remove_unused(counted)
            assert.is_true(operations > 0 and operations < 5000)
            dict:delete(namespace .. "used")
        end
        -- a search is not put off for ever by a time that cannot be
        dict:set("etcd logs 1|searched", 1e12)
        registry.remove_unused(dict)
        assert.is_true(dict:get("etcd logs 1|searched") <= clock.now())
    end)
end)
