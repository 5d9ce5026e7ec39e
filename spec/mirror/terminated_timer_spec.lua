-- Mirrors that share timers with a mirror whose function terminates its timer.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"

local COUNT = 24 -- more than there are timers for functions of users

local function wait_for(condition)
    local stop = clock.now() + 30
    while not condition() do
        assert(clock.now() < stop, "the condition did not hold in time")
        ngx.sleep(0.01)
    end
end

describe("mirrors that share timers", function()
    local dir = bed.key("terminated")
    local cli, mirrors, seen, ends

    before_each(function()
        cli = assert(bed.new { timeout = 5, serializer = "raw" })
        mirrors, seen, ends = {}, {}, nil
    end)

    after_each(function()
        for _, m in ipairs(mirrors) do
            m:close()
        end
        assert(cli:rmdir(dir))
    end)

    local function terminate_if(who)
        if ends == who then
            ends = nil
            ngx.exit(0)
        end
    end

    -- Creates the mirrors. Each notes the values that it is told of; the functions of the first one can terminate its timer.
    local function create(transform)
        for i = 1, COUNT do
            assert(cli:set(dir .. i .. "/k", "0"))
            seen[i] = {}
            local m = assert(cli:mirror(dir .. i .. "/", { transform = function(value)
                return transform and transform(i, value) or value
            end }))
            mirrors[i] = m
            m:on_change(function(notification)
                for _, change in ipairs(notification.changes) do
                    table.insert(seen[i], change.kv.value)
                end
                if i == 1 then
                    terminate_if("on_change")
                end
            end)
        end
        wait_for(function()
            for i = 1, COUNT do
                if seen[i][1] == nil then
                    return false
                end
            end
            return true
        end)
    end

    -- Writes values to all mirrors, and checks that each is told of all of them once, without reading the keys again.
    local function check_others(last)
        for value = 1, last do
            for i = 2, COUNT do
                assert(cli:set(dir .. i .. "/k", tostring(value)))
            end
            ngx.sleep(0.1)
        end
        wait_for(function()
            for i = 2, COUNT do
                if seen[i][#seen[i]] ~= tostring(last) then
                    return false
                end
            end
            return true
        end)
        local expected = {}
        for value = 0, last do
            expected[#expected + 1] = tostring(value)
        end
        for i = 2, COUNT do
            assert.same(expected, seen[i])
            assert.same({ list = 1 }, mirrors[i]:stats().full)
            assert.is_nil(mirrors[i]:state().err)
        end
    end

    for _, who in ipairs { "on_change", "transform" } do
        it("lose and repeat no change when another one's " .. who .. " terminates the timer", function()
            create(function(i)
                if i == 1 then
                    terminate_if("transform")
                end
            end)
            ends = who
            assert(cli:set(dir .. "1/k", "a"))
            check_others(50) -- 5 s and longer: the timer is found terminated meanwhile
            assert.is_nil(ends)
            wait_for(function() return mirrors[1]:get(dir .. "1/k") == "a" end)
            assert.equal(1, mirrors[1]:stats().failures)
            assert(cli:set(dir .. "1/k", "b"))
            wait_for(function() return seen[1][#seen[1]] == "b" end)
        end)
    end

    it("lose no change that was being applied when another one's callback terminates the timer", function()
        local waiting, let_go = 0, false
        create(function(_, value)
            if value == "slow" then -- a function that waits is interrupted with its timer, and is called again
                waiting = waiting + 1
                while not let_go do
                    ngx.sleep(0.01)
                end
            end
        end)
        for i = 2, COUNT do
            assert(cli:set(dir .. i .. "/k", "slow"))
        end
        wait_for(function() return waiting == COUNT - 1 end)
        ends = "on_change"
        assert(cli:set(dir .. "1/k", "a"))
        wait_for(function() return waiting > COUNT - 1 end)
        let_go = true
        for i = 2, COUNT do
            wait_for(function() return mirrors[i]:get(dir .. i .. "/k") == "slow" end)
            wait_for(function() return #seen[i] == 2 end)
            assert.same({ "0", "slow" }, seen[i])
        end
    end)

    it("lose no change and build their indexes when an index function terminates the timer", function()
        create()
        local calls, is_waiting, let_go = 0, false, false
        assert(mirrors[2]:index("slow", function(value) -- a function that waits is interrupted, and is called again
            is_waiting = true
            while not let_go do
                ngx.sleep(0.01)
            end
            return value
        end))
        wait_for(function() return is_waiting end)
        for i = 1, COUNT do
            if i ~= 2 then
                assert(mirrors[i]:index("good", function(value) return value end))
            end
        end
        assert(mirrors[1]:index("ends", function()
            calls = calls + 1
            ngx.exit(0)
        end))
        wait_for(function() return select(2, mirrors[1]:by("ends", "0")) == "no index ends" end)
        let_go = true
        wait_for(function() return #(mirrors[2]:by("slow", "0") or {}) == 1 end)
        check_others(3)
        for i = 1, COUNT do
            if i ~= 2 then
                wait_for(function() return #(mirrors[i]:by("good", i == 1 and "0" or "3") or {}) == 1 end)
            end
        end
        assert.equal(1, calls)
        assert(cli:set(dir .. "1/k", "a"))
        wait_for(function() return seen[1][#seen[1]] == "a" end)
        assert.equal(1, #mirrors[1]:by("good", "a"))
        assert.same({ list = 1 }, mirrors[1]:stats().full)
    end)

    it("are disturbed once by one whose callback terminates the timer at each change", function()
        create()
        local homes = {}
        for i = 2, COUNT do
            homes[i] = mirrors[i].loop.timer.home
        end
        for value = 1, 3 do
            ends = "on_change"
            assert(cli:set(dir .. "1/k", tostring(value)))
            wait_for(function() return mirrors[1]:stats().failures == value and ends == nil end)
            if value == 1 then
                for i = 2, COUNT do
                    wait_for(function() return mirrors[i].loop.timer.home end)
                    homes[i] = mirrors[i].loop.timer.home
                end
            end
        end
        for i = 2, COUNT do
            assert.equal(homes[i], mirrors[i].loop.timer.home)
        end
    end)
end)
