local semaphore = require "ngx.semaphore"
local wait = require "resty.etcd.base.wait"

describe("semaphore wait", function()
    it("reports a post", function()
        local sem = semaphore.new(1)
        assert.same({ "posted" }, { wait.wait(sem, 5) })
    end)

    it("reports a post that arrives while it waits", function()
        local sem = semaphore.new(0)
        local thread = ngx.thread.spawn(wait.wait, sem, 60)
        sem:post(1)
        assert.same({ true, "posted" }, { ngx.thread.wait(thread) })
    end)

    it("reports a timeout", function()
        assert.same({ "timeout" }, { wait.wait(semaphore.new(0), 0.001) })
    end)

    it("waits for 1 ms if the limit is shorter, so that a loop up to a deadline does not spin", function()
        local seconds
        local sem = {
            wait = function(_, limit)
                seconds = limit
                return nil, "timeout"
            end,
        }
        assert.equal("timeout", (wait.wait(sem, 0.0001)))
        assert.equal(0.001, seconds)
    end)

    it("waits and sleeps for a time that nginx can count, whatever it is given", function()
        local given, slept
        local sem = {
            wait = function(_, limit)
                given = limit
                return nil, "timeout"
            end,
        }
        local sleep = ngx.sleep
        finally(function()
            ngx.sleep = sleep -- luacheck: ignore 122
        end)
        ngx.sleep = function(seconds) slept = seconds end -- luacheck: ignore 122
        for _, row in ipairs {
            { 1e-9, 0.001 }, { 0.001, 0.001 }, { 5, 5 }, { 2147483, 2147483 }, { 2147484, 2147483 }, { 1e300, 2147483 },
            { 1 / 0, 2147483 }, { 0 / 0, 1 }, { -(0 / 0), 1 },
        } do
            wait.wait(sem, row[1])
            assert.equal(row[2], given)
            wait.sleep(row[1])
            assert.equal(row[2], slept)
        end
        for _, seconds in ipairs { 0, -1, -1 / 0 } do
            wait.sleep(seconds)
            assert.equal(0.001, slept)
        end
    end)

    it("tests the semaphore without yielding if the limit is 0 or has passed", function()
        local sem = semaphore.new(1)
        assert.equal("posted", (wait.wait(sem, 0)))
        assert.equal("timeout", (wait.wait(sem, 0)))
        assert.equal("timeout", (wait.wait(sem, -1)))
    end)

    it("returns the error text in phases that cannot wait", function()
        local disabled = { wait = function() return nil, "API disabled in the context of log_by_lua*" end }
        assert.same({ "cannot_wait", "API disabled in the context of log_by_lua*" }, { wait.wait(disabled, 1) })
        local throwing = { wait = function() error("no request found", 0) end }
        assert.same({ "cannot_wait", "no request found" }, { wait.wait(throwing, 1) })
    end)
end)

describe("semaphore wake_all", function()
    it("wakes every waiting thread and leaves no post behind", function()
        local sem, threads = semaphore.new(0), {}
        for i = 1, 3 do
            threads[i] = ngx.thread.spawn(wait.wait, sem, 60)
        end
        wait.wake_all(sem)
        for i = 1, 3 do
            assert.same({ true, "posted" }, { ngx.thread.wait(threads[i]) })
        end
        assert.equal(0, sem:count())
        wait.wake_all(sem)
        assert.equal(0, sem:count())
    end)
end)
