-- Signals and restarts of the members of the bed's cluster, and etcdctl.
local bed = require "spec.support.bed"
local ffi = require "ffi"

ffi.cdef "int kill(int, int);"
local SIGNALS = { STOP = 19, CONT = 18, KILL = 9 }

local _M = {}
local pids = { m1 = bed.pids.m1, m2 = bed.pids.m2, m3 = bed.pids.m3 }

local function sh(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local out = pipe:read("*a")
    pipe:close()
    return out
end

function _M.signal(name, signal)
    ffi.C.kill(pids[name], SIGNALS[signal])
end

-- Restarts a killed member in the background.
function _M.restart(name)
    os.execute(("node tools/bed.mjs restart --dir '%s' %s >/dev/null 2>&1 &"):format(bed.dir, name))
end

-- Waits until every member serves reads, and updates the process IDs.
function _M.wait_healthy()
    for i, name in ipairs { "m1", "m2", "m3" } do
        local cli = assert(bed.new { http_host = bed.cluster.http[i], transport = "cosocket", health = { fail_open = true } })
        local stop = ngx.now() + 20
        repeat
            local res = cli:get("health", { timeout = 1 })
            if not res then
                ngx.sleep(0.1)
                ngx.update_time()
            end
        until res or ngx.now() > stop
        local file = assert(io.open(("%s/members/%s.json"):format(bed.dir, name)))
        pids[name] = tonumber(file:read("*a"):match('"pid": *(%d+)'))
        file:close()
    end
end

function _M.etcdctl(http_host, command)
    return sh(("ETCDCTL_API=3 '%s' --endpoints=%s %s"):format(bed.etcdctl, http_host, command))
end

return _M
