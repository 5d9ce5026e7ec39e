-- Duration and random seed of the fault tests.
--
--   SOAK        factor for all repetitions and durations; default 1
--   FAULT_SEED  replays the random choices of the run that printed it; default SEED, which tools/soak sets
local bed = require "spec.support.bed"
local ffi = require "ffi"

ffi.cdef [[
int dup(int);
int dup2(int, int);
int open(const char *, int, ...);
int close(int);
]]
local C = ffi.C
local NEW_FILE, STDERR = 0x641, 2 -- O_WRONLY | O_CREAT | O_TRUNC | O_APPEND

local settings = {}

settings.soak = math.max(tonumber(os.getenv "SOAK") or 1, 0.01)
settings.seed = tonumber(os.getenv "FAULT_SEED" or os.getenv "SEED") or (ngx.time() * 1000 + ngx.worker.pid()) % 2 ^ 31

-- Returns a number of rounds or seconds, multiplied by SOAK.
function settings.scaled(n)
    return math.max(1, math.floor(n * settings.soak + 0.5))
end

-- Returns a generator that depends only on the seed and `name`: `next(n)` returns 1 to n.
function settings.random(name)
    local state = (settings.seed + ngx.crc32_short(name)) % 2147483647
    if state == 0 then
        state = 1
    end
    return function(n)
        state = state * 16807 % 2147483647 -- exact in a double
        return state % n + 1
    end
end

-- Returns the file with nginx's log between `announce` and `finish`.
function settings.log_of(name)
    return os.getenv "RESTY_ERRLOG" or ("build/fault-%s-%s.log"):format(name:gsub(" ", "-"), bed.etcd)
end

-- For the setup of a spec: prints how to repeat the run. Unless nginx logs to a file already, redirects its log to one
-- until `finish`, because each of the thousands of broken connections adds a line.
function settings.announce(name)
    local log = settings.log_of(name)
    print(("\n%s: FAULT_SEED=%d SOAK=%g, log in %s"):format(name, settings.seed, settings.soak, log))
    if os.getenv "RESTY_ERRLOG" then
        return
    end
    local fd = C.open(log, NEW_FILE, ffi.cast("int", 420))
    assert(fd >= 0, "cannot open " .. log)
    settings.stderr = C.dup(STDERR)
    C.dup2(fd, STDERR)
    C.close(fd)
end

-- For the teardown: restores nginx's log.
function settings.finish()
    if settings.stderr then
        C.dup2(settings.stderr, STDERR)
        C.close(settings.stderr)
        settings.stderr = nil
    end
end

return settings
