-- A thousand mirrors, watchers and registrations of one worker: the timers that the driver holds.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local registrations = require "resty.etcd.discovery.registration"

-- nginx's default for lua_max_running_timers is 256. What docs/api.md says the driver holds at most.
local MAX_TIMERS = 45
local COUNT = 1000
-- One slow response of a busy etcd must not ban the only endpoint.
local NO_BANS = { max_fails = 1e6 }

local function wait_for(seconds, condition)
    local stop = clock.now() + seconds
    while not condition() do
        assert(clock.now() < stop, "the condition did not hold in time")
        ngx.sleep(0.05)
    end
end

local function identity(value)
    return value
end

local FUNCTIONS = { decode = identity, validate = function() return true end, transform = identity, index = { all = identity } }

describe("1,000 objects of one worker", function()
    local dir = bed.key("many")
    local cli, before, most, user_timers, is_over

    -- Counts the running timers, and starts one of a user's each time.
    local function observe(premature)
        while not premature and not is_over do
            most = math.max(most, ngx.timer.running_count() - before)
            local wanted = user_timers + 1
            assert(ngx.timer.at(0, function() user_timers = wanted end))
            ngx.sleep(0.02)
        end
    end

    before_each(function()
        cli = assert(bed.new { timeout = 30, serializer = "raw", health = NO_BANS })
        for i = 1, COUNT do
            assert(cli:set(dir .. i .. "/k", "0"))
        end
        before, most, user_timers, is_over = ngx.timer.running_count(), 0, 0, false
        assert(ngx.timer.at(0, observe))
    end)

    after_each(function()
        is_over = true
        assert(cli:rmdir(dir))
    end)

    -- Checks the number of timers, also after all objects were closed.
    local function check_timers(objects)
        assert.is_true(most <= MAX_TIMERS, most .. " timers")
        local seen = user_timers
        wait_for(10, function() return user_timers > seen end)
        for _, object in ipairs(objects) do
            object:close()
        end
        is_over = true
        wait_for(30, function() return ngx.timer.running_count() <= before end)
    end

    local function check_mirrors(options, on_change)
        local mirrors, called = {}, 0
        for i = 1, COUNT do
            mirrors[i] = assert(cli:mirror(dir .. i .. "/", options))
            if on_change then
                mirrors[i]:on_change(function() called = called + 1 end)
            end
        end
        wait_for(60, function()
            for _, m in ipairs(mirrors) do
                if not m:ready() then
                    return false
                end
            end
            return true
        end)
        local res = assert(cli:set(dir .. "7/k", "1"))
        wait_for(10, function() return mirrors[7]:revision() >= tonumber(res.body.header.revision) end)
        assert.equal("1", mirrors[7]:get(dir .. "7/k"))
        if on_change then
            wait_for(10, function() return called == COUNT + 1 end)
        end
        check_timers(mirrors)
    end

    it("are mirrors that become ready", function()
        check_mirrors()
    end)

    it("are mirrors with functions of the user that become ready", function()
        check_mirrors(FUNCTIONS, true)
    end)

    it("are mirrors with mode shared that become ready", function()
        check_mirrors({ mode = "shared", shm_name = "watch_log", decode = identity }, true)
    end)

    it("are watchers with on_batch that receive their events", function()
        local watchers, received = {}, 0
        for i = 1, COUNT do
            watchers[i] = assert(cli:watcher(dir .. i .. "/", {
                prefix = true, list = true,
                on_batch = function(batch) received = received + (batch and #batch.events or 0) end,
            }))
        end
        wait_for(60, function() return received == COUNT end)
        check_timers(watchers)
    end)

    it("are registrations that are made", function()
        local regs = {}
        for i = 1, COUNT do
            regs[i] = assert(registrations.new(cli, dir .. "reg/" .. i, "x", 60))
        end
        wait_for(60, function()
            for _, reg in ipairs(regs) do
                if not reg:state().registered then
                    return false
                end
            end
            return true
        end)
        check_timers(regs)
    end)
end)

describe("mirror", function()
    it("names worker_connections in its state when nginx has no free connection", function()
        local cli = assert(bed.new { timeout = 30, health = NO_BANS })
        local host, port = cli.endpoints[1].host, tonumber(cli.endpoints[1].port)
        local m = assert(cli:mirror(bed.key("connections")))
        assert(m:wait_ready(30))
        local sockets = {}
        finally(function()
            for _, sock in ipairs(sockets) do
                sock:close()
            end
        end)
        repeat
            local sock = ngx.socket.tcp()
            local ok = sock:connect(host, port)
            sockets[#sockets + 1] = ok and sock or nil
        until not ok
        local without_idle = assert(bed.new { timeout = 30, keepalive_pool = 7, health = NO_BANS }) -- a pool of another size is another pool
        local other = assert(without_idle:mirror(bed.key("others")))
        wait_for(20, function() return other:state().err end)
        assert.matches("worker_connections", other:state().err)
        assert.is_true(m:ready())
        while #sockets > 0 do
            table.remove(sockets):close()
        end
        assert(other:wait_ready(20))
        m:close()
        other:close()
    end)
end)

describe("watcher", function()
    it("moves its stream to another timer, without losing an event, when too many timers have only a few streams", function()
        local cli = assert(bed.new { timeout = 5 })
        local key = bed.key("moves") .. "k"
        local watcher = assert(cli:watcher(key, {}))
        wait_for(10, function() return watcher:state() == "watching" end)
        local loop = watcher.feed.subscriber.shared_watch.loop
        local pool, first = loop.pool, loop.host
        local max_hosts = pool.max_hosts
        pool.max_hosts = 1 -- a second host is retired only after the first one has ended
        first.leftovers = 1000
        wait_for(10, function() return loop.home ~= first end)
        assert.equal(first, loop.host) -- the stream stays
        assert(cli:set(key, 1))
        loop.home.leftovers = 1000
        local second = loop.home
        wait_for(10, function() return loop.host == second end)
        assert(cli:set(key, 2))
        local values = {}
        while #values < 2 do
            for _, event in ipairs(assert(watcher:next(10)).events) do
                values[#values + 1] = event.kv.value
            end
        end
        pool.max_hosts = max_hosts
        assert.same({ 1, 2 }, values)
        watcher:close()
        assert(cli:delete(key))
    end)
end)
