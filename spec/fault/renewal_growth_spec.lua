-- Memory that remains after renewals and logins.
local closer_lists = require "spec.support.closers"
local clock = require "resty.etcd.base.clock"
local memory_growth = require "spec.support.memory_growth"
local registration_steps = require "resty.etcd.discovery.registration_steps"
local registrations = require "resty.etcd.discovery.registration"
local semaphore = require "ngx.semaphore"
local timer_loop = require "resty.etcd.base.timer_loop"

-- Bytes that can remain each day.
local PER_DAY = 64 * 1024
local DAY = 86400

describe("memory of calls in the background", function()
    local objects = memory_growth.new_objects()
    local dir, keep = objects.dir, objects.keep
    local cli, closers

    before_each(function()
        objects.open()
        cli = objects.new_client()
        closers = closer_lists.new()
        closers.add(memory_growth.steady())
    end)
    after_each(function()
        closers.run()
        objects.close()
    end)

    it("does not grow by more than 64 KB a day with the renewals of registrations", function()
        local regs, step = {}, registration_steps.step
        -- renews every 2 s, without the risk that a lease with a short TTL expires on a busy machine
        registration_steps.step = function(reg)
            local err = step(reg)
            reg.expires_at = clock.now() + reg.granted * 2 / 3 + 2
            return err
        end
        closers.add(function() registration_steps.step = step end)
        for i = 1, 400 do
            regs[i] = keep(registrations.new(cli, dir .. "reg/" .. i, "x", 60))
        end
        memory_growth.wait_for(20, function()
            for _, reg in ipairs(regs) do
                if not reg:state().registered then
                    return false
                end
            end
            return true
        end)
        local gate = closers.add(memory_growth.gate(registration_steps, "step", 400), "restore")
        memory_growth.assert_below(PER_DAY / (DAY / 10), "renewal", gate.make_steps, 400) -- with a TTL of 30 s
        for _, reg in ipairs(regs) do
            local state = reg:state()
            assert.equal(0, state.losses)
            assert.is_true(state.renewals >= 10)
        end
    end)

    it("does not grow by more than 64 KB a day with the logins of a client that watches", function()
        keep(cli:watcher(dir .. "idle", {}))
        local done = semaphore.new(0)
        local function make_logins()
            for _ = 1, 150 do
                assert(timer_loop.run_once("login", function()
                    cli:version() -- a call on a connection of the pool, as a login is
                    done:post(1)
                end))
                assert(done:wait(10))
            end
        end
        memory_growth.assert_below(PER_DAY / (DAY / 300), "login", make_logins, 150) -- etcd's simple tokens last for 5 minutes
    end)
end)
