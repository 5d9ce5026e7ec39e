-- Reloads nginx, and returns when this worker accepts no more connections.
local ffi = require "ffi"

ffi.cdef "int kill(int, int);"

return function()
    local file = assert(io.open(ngx.config.prefix() .. "logs/nginx.pid"))
    assert(ffi.C.kill(tonumber(file:read("*a")), 1) == 0)
    file:close()
    assert(require("timers").eventually(ngx.worker.exiting))
end
