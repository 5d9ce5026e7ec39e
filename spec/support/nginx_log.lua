-- The log of nginx during a test, in a file: errors of Lua in timers and light threads appear only there.
local settings = require "fault.settings"

local nginx_log = {}

-- Starts a log. Methods: `stop`, and `lua_errors`, which returns the lines with errors that were thrown.
function nginx_log.start(name)
    settings.announce(name)
    local file = assert(io.open(settings.log_of(name)))
    file:seek("end")
    local self = { stop = settings.finish }
    function self.lua_errors()
        local lines = {}
        for line in file:lines() do
            if line:find("runtime error", 1, true) or line:find("attempt to ", 1, true) or line:find("stack traceback", 1, true) then
                lines[#lines + 1] = line
            end
        end
        return table.concat(lines, "\n")
    end
    return self
end

return nginx_log
