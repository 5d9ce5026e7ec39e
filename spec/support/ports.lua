-- Free ports for the servers of a spec. The range is reserved for this test bed and below the kernel's range for outgoing
-- connections, so that the port of a stopped server stays free until its restart.
local bed = require "spec.support.bed"

local ports = {}

local first, count = bed.ports.first, bed.ports.last - bed.ports.first + 1
local latest = (ngx.worker.pid() * 37 + math.floor(ngx.now() * 1000)) % count

function ports.free()
    for _ = 1, count do
        latest = (latest + 1) % count
        local sock = ngx.socket.tcp()
        if not sock:connect("127.0.0.1", first + latest) then
            return first + latest
        end
        sock:close()
    end
    error("no free port")
end

return ports
