-- Calls under way all the time, from light threads, and what became of each.
--
--   local load = Load.start { cli = cli, key = key, readers = 4, writers = 2 }
--   ...
--   load:stop()
--   load.reads, load.writes    lists of {started, ended, res, err, details}; writes also have the `value` they put
local clock = require "resty.etcd.base.clock"

local Load = {}
local methods = {}
local mt = { __index = methods }

local function run(self, calls, make)
    while not self.stopping do
        local call = make(#calls)
        calls[#calls + 1] = call
        call.started = clock.now()
        call.res, call.err, call.details = call.send()
        call.ended = clock.now()
        ngx.sleep(self.pause)
    end
end

-- No call is begun any more; returns when all have ended.
function methods:stop()
    self.stopping = true
    for _, thread in ipairs(self.threads) do
        assert(ngx.thread.wait(thread))
    end
    self.threads = {}
end

-- Kills what still runs: for a teardown.
function methods:kill()
    self.stopping = true
    for _, thread in ipairs(self.threads) do
        ngx.thread.kill(thread)
    end
    self.threads = {}
end

-- Options: cli, key, readers, writers, pause (seconds between two calls of a thread), read and write (options of the
-- calls).
function Load.start(opts)
    local cli, key = opts.cli, opts.key
    local self = setmetatable({ reads = {}, writes = {}, threads = {}, pause = opts.pause or 0.005 }, mt)
    local function read()
        return { send = function() return cli:get(key, opts.read) end }
    end
    local function write(n)
        local value = "value " .. n
        return { value = value, send = function() return cli:set(key, value, opts.write) end }
    end
    for _ = 1, opts.readers or 0 do
        table.insert(self.threads, ngx.thread.spawn(run, self, self.reads, read))
    end
    for _ = 1, opts.writers or 0 do
        table.insert(self.threads, ngx.thread.spawn(run, self, self.writes, write))
    end
    return self
end

-- A read or write that did what it should.
function Load.succeeded(call)
    return call.res ~= nil and call.res.status == 200
end

-- How many of them have ended.
function Load.ended(calls)
    local count = 0
    for _, call in ipairs(calls) do
        count = count + (call.ended and 1 or 0)
    end
    return count
end

-- The reads and writes that did not.
function Load.failures(self)
    local failures = {}
    for _, calls in ipairs { self.reads, self.writes } do
        for _, call in ipairs(calls) do
            if call.ended and not Load.succeeded(call) then
                failures[#failures + 1] = call
            end
        end
    end
    return failures
end

-- The texts of the errors of those calls that were begun at `from` or later and have ended, each with how many had it.
function Load.errors(calls, from)
    local texts = {}
    for _, call in ipairs(calls) do
        if call.ended and call.started >= (from or 0) and not Load.succeeded(call) then
            local text = call.res and call.res.body.error or call.err
            texts[text] = (texts[text] or 0) + 1
        end
    end
    return texts
end

-- The longest that a call took.
function Load.longest(calls)
    local longest = 0
    for _, call in ipairs(calls) do
        longest = math.max(longest, call.ended - call.started)
    end
    return longest
end

-- When the first of them succeeded that was begun at `from` or later.
function Load.first_success(calls, from)
    local first
    for _, call in ipairs(calls) do
        if call.started >= from and Load.succeeded(call) and call.ended < (first or math.huge) then
            first = call.ended
        end
    end
    return first
end

return Load
