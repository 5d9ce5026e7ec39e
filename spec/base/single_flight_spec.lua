local clock = require "resty.etcd.base.clock"
local single_flight = require "resty.etcd.base.single_flight"

-- Starts `n` light threads that wait for a run; returns a function that collects how each wait ended.
local function waiters(n, run, deadline)
    local threads = {}
    for i = 1, n do
        threads[i] = ngx.thread.spawn(single_flight.wait_for, run, deadline)
    end
    return function()
        local outcomes = {}
        for i = 1, n do
            local _, outcome = ngx.thread.wait(threads[i])
            outcomes[outcome] = (outcomes[outcome] or 0) + 1
        end
        return outcomes
    end
end

describe("single flight", function()
    local flight

    before_each(function()
        flight = single_flight.new()
    end)

    it("passes the result of a run to all that wait for it", function()
        assert.is_nil(single_flight.running(flight))
        local run = single_flight.start(flight, 60)
        assert.equal(run, single_flight.running(flight))
        local outcomes = waiters(3, run)
        single_flight.finish(flight, run, "result")
        assert.same({ released = 3 }, outcomes())
        assert.equal("result", run.result)
        assert.is_nil(single_flight.running(flight))
    end)

    it("does not wait for a run that has finished", function()
        local run = single_flight.start(flight, 60)
        single_flight.finish(flight, run, "result")
        assert.same({ "released" }, { single_flight.wait_for(run, 0) })
    end)

    it("reports a run as lost after its time limit, so that a waiter can start another", function()
        local lost = single_flight.start(flight, 0.01)
        local outcomes = waiters(2, lost, clock.now() + 60)
        assert.same({ lost = 2 }, outcomes())
        assert.is_nil(single_flight.running(flight))
        local run = single_flight.start(flight, 60)
        assert.equal(run, single_flight.running(flight))
    end)

    it("keeps a run in progress when a replaced one finishes late", function()
        local late = single_flight.start(flight, 0)
        local run = single_flight.start(flight, 60)
        single_flight.finish(flight, late, "late")
        assert.equal(run, single_flight.running(flight))
        assert.is_nil(run.result)
        assert.equal("late", late.result)
    end)

    it("waits for a run whose time limit was extended meanwhile", function()
        local run = single_flight.start(flight, 0.02)
        local outcomes = waiters(1, run)
        single_flight.extend(run, 60)
        ngx.sleep(0.04)
        single_flight.finish(flight, run, "result")
        assert.same({ released = 1 }, outcomes())
    end)

    it("releases the waiters of a run while its work continues", function()
        local run = single_flight.start(flight, 60)
        local outcomes = waiters(2, run)
        single_flight.release(run, "early")
        assert.same({ released = 2 }, outcomes())
        assert.equal(run, single_flight.running(flight))
        single_flight.finish(flight, run, "final")
        assert.equal("early", run.result)
        assert.is_nil(single_flight.running(flight))
    end)

    it("reports a timeout when the deadline of the caller passes first", function()
        local run = single_flight.start(flight, 60)
        assert.same({ "timeout" }, { single_flight.wait_for(run, clock.now() + 0.005) })
        assert.same({ "timeout" }, { single_flight.wait_for(run, clock.now() - 1) })
        assert.equal(run, single_flight.running(flight))
    end)

    it("needs no cleanup when the thread that works on a run is killed", function()
        local run
        local worker = ngx.thread.spawn(function()
            run = single_flight.start(flight, 0.02)
            ngx.sleep(60)
            single_flight.finish(flight, run, "never")
        end)
        local outcomes = waiters(2, run)
        ngx.thread.kill(worker)
        assert.same({ lost = 2 }, outcomes())
        assert.is_nil(single_flight.running(flight))
    end)

    it("serves the other waiters when one of them is killed", function()
        local run = single_flight.start(flight, 60)
        local killed = ngx.thread.spawn(single_flight.wait_for, run)
        local outcomes = waiters(2, run)
        ngx.thread.kill(killed)
        single_flight.finish(flight, run, "result")
        assert.same({ released = 2 }, outcomes())
    end)

    it("returns the error text in phases that cannot wait", function()
        local run = single_flight.start(flight, 60)
        run.waiters = { wait = function() return nil, "API disabled in the context of set_by_lua*" end }
        assert.same({ "cannot_wait", "API disabled in the context of set_by_lua*" }, { single_flight.wait_for(run) })
    end)
end)
