-- Memory that remains after renewals and logins.
local bed = require "spec.support.bed"
local memory_growth = require "spec.support.memory_growth"
local registrations = require "resty.etcd.discovery.registration"
local timer_loop = require "resty.etcd.base.timer_loop"

local DAY = 86400

describe("memory of calls in the background", function()
    local dir = bed.key("growth")
    local cli, objects

    local function keep(object)
        objects[#objects + 1] = assert(object)
        return object
    end

    before_each(function()
        -- leases with a TTL of 1 s leave a busy etcd too little time: a failed renewal must not ban the only endpoint
        cli = assert(bed.new { timeout = 10, health = { max_fails = 1e6 } })
        objects = {}
    end)

    after_each(function()
        for _, object in ipairs(objects) do
            object:close()
        end
        assert(cli:rmdir(dir))
    end)

    it("does not grow by more than 64 KB a day with the renewals of registrations", function()
        local regs = {}
        for i = 1, 400 do
            regs[i] = keep(registrations.new(cli, dir .. "reg/" .. i, "x", 1))
        end
        local function renewals()
            local sum = 0
            for _, reg in ipairs(regs) do
                sum = sum + reg:state().renewals
            end
            return sum
        end
        local lua, malloc = memory_growth.per_step(renewals, 3000)
        print(("growth per renewal: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local renewals_per_day = DAY / 10 -- with a TTL of 30 s
        assert.is_true(lua * renewals_per_day < 64 * 1024)
        assert.is_true(malloc * renewals_per_day < 64 * 1024)
    end)

    it("does not grow by more than 64 KB a day with the logins of a client that watches", function()
        keep(cli:watcher(dir .. "idle", {}))
        local count, is_over = 0, false
        finally(function() is_over = true end)
        local thread = ngx.thread.spawn(function()
            while not is_over do
                local done = false
                assert(timer_loop.run_once("login", function()
                    cli:version() -- a call on a connection of the pool, as a login is
                    count, done = count + 1, true
                end))
                memory_growth.wait_for(10, function() return done end)
            end
        end)
        local lua, malloc = memory_growth.per_step(function() return count end, 150)
        is_over = true
        ngx.thread.wait(thread)
        print(("growth per login: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local logins_per_day = DAY / 300 -- etcd's simple tokens last for 5 minutes
        assert.is_true(lua * logins_per_day < 64 * 1024)
        assert.is_true(malloc * logins_per_day < 64 * 1024)
    end)
end)
