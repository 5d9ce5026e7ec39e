local timer_loop = require "resty.etcd.base.timer_loop"

-- Waits until a condition holds, for as long as a busy machine needs.
local function wait_for(condition)
    for _ = 1, 3000 do
        if condition() then
            return
        end
        ngx.sleep(0.01)
    end
    error("the condition did not hold within 30 s", 2)
end

local loops = {}

-- Creates a loop that is stopped at the end of the test.
local function new_loop(run, options)
    local loop
    loop = timer_loop.new("test loop", function() return run(loop) end, options or {})
    loops[#loops + 1] = loop
    return loop
end

local function run_until(loop, condition)
    assert(timer_loop.start(loop, 0))
    wait_for(condition)
end

describe("timer_loop", function()
    after_each(function()
        for _, loop in ipairs(loops) do
            timer_loop.stop(loop)
        end
        loops = {}
    end)

    it("makes turns, each after the delay that the one before returned", function()
        local delays = {}
        local since
        local loop = new_loop(function()
            local time = ngx.now()
            delays[#delays + 1] = since and time - since
            since = time
            return 0.05
        end)
        run_until(loop, function() return #delays >= 3 end)
        for _, delay in ipairs(delays) do
            assert.is_true(delay >= 0.045) -- nginx's own clock is 1 ms coarse
        end
    end)

    it("ends when a turn returns nil", function()
        local turns = 0
        local loop = new_loop(function()
            turns = turns + 1
        end)
        run_until(loop, function() return not loop.is_started end)
        assert.equal(1, turns)
    end)

    it("makes no turn after it was stopped, and does so again when started again", function()
        local turns = 0
        local loop = new_loop(function()
            turns = turns + 1
            return 0
        end)
        run_until(loop, function() return turns > 2 end)
        timer_loop.stop(loop)
        local seen = turns
        local other_turns = 0
        local other = new_loop(function()
            other_turns = other_turns + 1
            return 0
        end)
        run_until(other, function() return other_turns > 10 end)
        assert.equal(seen, turns)
        run_until(loop, function() return turns > seen end)
    end)

    it("does not run two turns concurrently when it is started during a turn that outlived a stop", function()
        local running, most, turns, let_go = 0, 0, 0, false
        local loop = new_loop(function()
            running = running + 1
            most = math.max(most, running)
            turns = turns + 1
            while not let_go do
                ngx.sleep(0.001)
            end
            running = running - 1
            return 0
        end)
        run_until(loop, function() return turns == 1 end)
        timer_loop.stop(loop)
        assert(timer_loop.start(loop, 0))
        ngx.sleep(0.05)
        let_go = true
        wait_for(function() return turns > 3 end)
        assert.equal(1, most)
    end)

    it("makes the next turn immediately when it is woken, during a turn too", function()
        local turns, in_turn, let_go = 0, false, false
        local loop = new_loop(function()
            turns = turns + 1
            in_turn = true
            while not let_go do
                ngx.sleep(0.001)
            end
            in_turn = false
            return 3600
        end)
        run_until(loop, function() return in_turn end)
        timer_loop.wake(loop)
        let_go = true
        wait_for(function() return turns == 2 and not in_turn end)
        timer_loop.wake(loop)
        wait_for(function() return turns == 3 end)
    end)

    it("continues after an error value that cannot be converted to a string", function()
        local turns = 0
        local loop = new_loop(function()
            turns = turns + 1
            if turns == 1 then
                error(setmetatable({}, { __tostring = function() error("on purpose") end }))
            end
            return 0
        end)
        run_until(loop, function() return turns > 2 end)
    end)

    it("logs the error of a turn and continues", function()
        local turns = 0
        local loop = new_loop(function()
            turns = turns + 1
            if turns == 1 then
                error("on purpose")
            end
            return 0
        end)
        run_until(loop, function() return turns > 2 end)
    end)

    it("runs many loops in one timer", function()
        local before = ngx.timer.running_count()
        local waiting = 0
        local let_go = false
        for _ = 1, 50 do
            local loop = new_loop(function()
                waiting = waiting + 1
                while not let_go do
                    ngx.sleep(0.01)
                end
                return nil
            end)
            assert(timer_loop.start(loop, 0))
        end
        wait_for(function() return waiting == 50 end)
        assert.is_true(ngx.timer.running_count() <= before + 2) -- a host and the supervisor
        let_go = true
    end)

    it("continues in a new timer after much work, while turns that cannot be interrupted stay in theirs", function()
        local long_turns, let_go = 0, false
        local long = new_loop(function()
            long_turns = long_turns + 1
            while not let_go do
                ngx.sleep(0.001)
            end
            return 3600
        end)
        run_until(long, function() return long_turns == 1 end)
        local old_host = long.host
        local hosts, work = {}, 0
        local loop = new_loop(function(self)
            hosts[#hosts + 1] = self.host
            while not timer_loop.must_hand_over(self) do
                timer_loop.note_leftovers(self, 100)
                work = work + 1
                ngx.sleep(0.001)
            end
            return 0
        end)
        run_until(loop, function() return #hosts >= 3 end)
        assert.are_not.equal(hosts[1], hosts[2])
        assert.are_not.equal(hosts[2], hosts[3])
        assert.equal(old_host, long.host)
        assert.equal(1, long_turns)
        assert.is_true(work >= 20)
        let_go = true
        wait_for(function() return long.host == nil end)
        timer_loop.wake(long)
        wait_for(function() return long_turns == 2 end)
    end)

    describe("when all timers of the worker are in use", function()
        local release

        -- Starts timers until nginx lets no other one run (lua_max_running_timers is 1024 here).
        local function use_up_timers()
            local gate = false
            release = function() gate = true end
            finally(release)
            wait_for(function()
                for _ = ngx.timer.running_count() + 1, 1024 do
                    ngx.timer.at(0, function()
                        while not gate do
                            ngx.sleep(0.01)
                        end
                    end)
                end
                ngx.sleep(0.01)
                return ngx.timer.running_count() >= 1024
            end)
        end

        it("starts as soon as one is free", function()
            local turns = 0
            local loop = new_loop(function()
                turns = turns + 1
                return 0
            end, { pool = "user_functions" })
            use_up_timers()
            assert(timer_loop.start(loop, 0))
            ngx.sleep(1.5) -- nginx drops the timer meanwhile
            assert.equal(0, turns)
            release()
            wait_for(function() return turns > 0 end)
        end)

        it("keeps its timer until another one runs", function()
            local turns, hosts = 0, {}
            local loop = new_loop(function(self)
                turns = turns + 1
                if hosts[#hosts] ~= self.host then
                    hosts[#hosts + 1] = self.host
                end
                timer_loop.note_leftovers(self, 500)
                return 0.005
            end, { pool = "user_functions" })
            run_until(loop, function() return turns > 0 end)
            use_up_timers()
            local known, before = #hosts, turns
            wait_for(function() return turns > before + 100 end)
            assert.is_true(#hosts <= known + 1)
            release()
            wait_for(function() return #hosts > known + 1 end)
        end)
    end)

    it("makes the next turn of a private loop after a turn that terminated its timer, and disturbs no other", function()
        local turns, terminated, other_turns, other_terminated = 0, 0, 0, 0
        local other = new_loop(function()
            other_turns = other_turns + 1
            ngx.sleep(0.01)
            return 0
        end, { on_terminated = function() other_terminated = other_terminated + 1 end })
        run_until(other, function() return other_turns > 0 end)
        local loop = new_loop(function()
            turns = turns + 1
            if turns == 1 then
                ngx.exit(ngx.ERROR)
            end
            return 0.001
        end, { pool = "user_functions", on_terminated = function() terminated = terminated + 1 end })
        run_until(loop, function() return turns > 1 end)
        assert.equal(1, terminated)
        assert.equal(0, other_terminated)
        local seen = other_turns
        wait_for(function() return other_turns > seen end)
    end)

    describe("with more loops that call functions of users than timers for them", function()
        local COUNT = 20

        -- Creates loops that count their turns and terminations. One of them terminates its timer once when told to.
        local function create(state)
            for i = 1, COUNT do
                state[i] = { turns = 0, terminated = 0 }
                state[i].loop = new_loop(function()
                    state[i].turns = state[i].turns + 1
                    if state.ends == i then
                        state.ends = nil
                        state[i].is_culprit = true
                        ngx.exit(ngx.ERROR)
                    end
                    ngx.sleep(0.005)
                    return 0.001
                end, { pool = "user_functions", on_terminated = function()
                    state[i].terminated = state[i].terminated + 1
                    local is_culprit = state[i].is_culprit or false
                    state[i].is_culprit = nil
                    return is_culprit
                end })
                assert(timer_loop.start(state[i].loop, 0))
            end
            wait_for(function()
                for i = 1, COUNT do
                    if state[i].turns == 0 then
                        return false
                    end
                end
                return true
            end)
        end

        it("lets few of them have a timer each, and spreads the others over these", function()
            local before, state = ngx.timer.running_count(), {}
            create(state)
            assert.is_true(ngx.timer.running_count() <= before + 9) -- with the supervisor
            local most = {}
            for i = 1, COUNT do
                local home = state[i].loop.home
                most[home] = (most[home] or 0) + 1
                assert.is_true(most[home] <= 3)
            end
            local hosts = 0
            for _ in pairs(most) do
                hosts = hosts + 1
            end
            assert.equal(8, hosts)
        end)

        it("continues those that shared the terminated timer, and keeps the culprit apart from them", function()
            local state = {}
            create(state)
            state.ends = 1
            wait_for(function() return state[1].terminated == 1 end)
            local terminated = 0
            for i = 2, COUNT do
                local seen = state[i].turns
                wait_for(function() return state[i].turns > seen end)
                terminated = terminated + state[i].terminated
            end
            assert.is_true(terminated <= 2)
            for round = 2, 3 do
                local seen = state[1].turns
                wait_for(function() return state[1].turns > seen end)
                state.ends = 1
                wait_for(function() return state[1].terminated == round end)
            end
            local after = 0
            for i = 2, COUNT do
                after = after + state[i].terminated
            end
            assert.equal(terminated, after)
        end)
    end)

    describe("run_once", function()
        it("runs a function once in the timer of other loops", function()
            local called = 0
            local loop = new_loop(function() return 1 end)
            run_until(loop, function() return loop.host == nil and loop.due ~= nil end)
            local at, timers = ngx.timer.at, 0
            finally(function() ngx.timer.at = at end) -- luacheck: ignore 122
            ngx.timer.at = function(...) -- luacheck: ignore 122
                timers = timers + 1
                return at(...)
            end
            assert(timer_loop.run_once("test", function() called = called + 1 end))
            wait_for(function() return called == 1 end)
            assert.equal(0, timers)
            ngx.sleep(0.05)
            assert.equal(1, called)
        end)

        it("returns nil when nginx refuses a timer, and does not run the function later", function()
            local at = ngx.timer.at
            finally(function() ngx.timer.at = at end) -- luacheck: ignore 122
            local loop = new_loop(function() return 1 end)
            wait_for(function() return loop.pool.hosts[1] == nil end)
            ngx.timer.at = function() return nil, "too many pending timers" end -- luacheck: ignore 122
            local called = 0
            assert.is_nil(timer_loop.run_once("test", function() called = called + 1 end))
            ngx.timer.at = at -- luacheck: ignore 122
            loop.pool.next_request_at = 0
            run_until(loop, function() return loop.host == nil and loop.due ~= nil end)
            assert.equal(0, called)
        end)

        it("does not repeat a function whose timer was terminated", function()
            local called = 0
            local loop = new_loop(function() return 0.1 end)
            assert(timer_loop.start(loop, 0))
            assert(timer_loop.run_once("test", function()
                called = called + 1
                ngx.exit(ngx.ERROR)
            end))
            wait_for(function() return called == 1 end)
            local old = loop.home
            wait_for(function() return loop.home ~= nil and loop.home ~= old end)
            ngx.sleep(0.05)
            assert.equal(1, called)
        end)

        it("ends the function when its loop is killed", function()
            local state = "new"
            local loop = assert(timer_loop.run_once("test", function()
                state = "running"
                ngx.sleep(0.2)
                state = "over"
            end))
            wait_for(function() return state == "running" end)
            timer_loop.kill(loop)
            ngx.sleep(0.4)
            assert.equal("running", state)
        end)
    end)

    describe("when the worker is exiting", function()
        local exiting = ngx.worker.exiting
        local is_exiting = false

        before_each(function()
            is_exiting = false
            ngx.worker.exiting = function() return is_exiting end -- luacheck: ignore 122
        end)
        after_each(function()
            ngx.worker.exiting = exiting -- luacheck: ignore 122
        end)

        it("makes one last turn of a loop that waits, and ends its timer", function()
            local turns = 0
            local loop = new_loop(function()
                turns = turns + 1
                return 3600
            end, { pool = "user_functions" })
            run_until(loop, function() return turns == 1 and loop.due ~= nil end)
            is_exiting = true
            wait_for(function() return loop.pool.hosts[1] == nil end)
            assert.equal(2, turns)
            assert.is_false(loop.is_started)
        end)

        it("kills a turn after its grace, and then makes the last one", function()
            local begun, last = 0, false
            local loop = new_loop(function()
                begun = begun + 1
                if ngx.worker.exiting() then
                    last = true
                    return nil
                end
                ngx.sleep(3600)
            end, { pool = "user_functions", exit_grace = 0 })
            run_until(loop, function() return begun == 1 end)
            is_exiting = true
            wait_for(function() return loop.pool.hosts[1] == nil end)
            assert.equal(2, begun)
            assert.is_true(last)
        end)

        it("does not kill the last turn, however short the grace is", function()
            local is_done = false
            local loop = new_loop(function()
                if ngx.worker.exiting() then
                    ngx.sleep(1.2) -- longer than two polls of the host
                    is_done = true
                    return nil
                end
                ngx.sleep(3600)
            end, { pool = "user_functions", exit_grace = 0 })
            run_until(loop, function() return loop.host ~= nil end)
            is_exiting = true
            wait_for(function() return loop.pool.hosts[1] == nil end)
            assert.is_true(is_done)
        end)

        it("lets a turn without grace return when it likes", function()
            local ended, let_go = 0, false
            local loop = new_loop(function()
                while not let_go do
                    ngx.sleep(0.01)
                end
                ended = ended + 1
                return nil
            end, { pool = "user_functions" })
            run_until(loop, function() return loop.host ~= nil end)
            is_exiting = true
            ngx.sleep(0.7)
            assert.is_true(loop.is_started)
            let_go = true
            wait_for(function() return loop.pool.hosts[1] == nil end)
            assert.equal(1, ended)
        end)
    end)
end)
