-- Continuous calls from light threads, and the results of each call.
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

-- Starts no more calls, and waits until the running ones have ended.
function methods:stop()
    self.stopping = true
    for _, thread in ipairs(self.threads) do
        assert(ngx.thread.wait(thread))
    end
    self.threads = {}
end

-- Kills the light threads; for teardowns.
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

-- Reports whether a call succeeded.
function Load.succeeded(call)
    return call.res ~= nil and call.res.status == 200
end

-- Returns the number of calls that have ended.
function Load.ended(calls)
    local count = 0
    for _, call in ipairs(calls) do
        count = count + (call.ended and 1 or 0)
    end
    return count
end

-- Returns the calls that have ended without success.
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

-- Returns the number of failed calls by error text, among the calls started at `from` or later.
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

-- Returns the longest duration of a call.
function Load.longest(calls)
    local longest = 0
    for _, call in ipairs(calls) do
        longest = math.max(longest, call.ended - call.started)
    end
    return longest
end

-- Returns the end of the first successful call that was started at `from` or later.
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
