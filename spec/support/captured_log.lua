-- Log lines of the driver, captured instead of written.
--
--   local log = captured_log.start()
--   log.lines            { "[warn] text", ... }
--   log.count "pattern"  number of lines that match
--   log.stop()
local captured_log = {}

local LEVELS = { [ngx.ERR] = "error", [ngx.WARN] = "warn", [ngx.NOTICE] = "notice", [ngx.INFO] = "info" }

function captured_log.start()
    local write = ngx.log
    local self = { lines = {} }
    ngx.log = function(level, ...) -- luacheck: ignore 122
        local parts = { ... }
        for i = 1, select("#", ...) do
            parts[i] = tostring(parts[i])
        end
        self.lines[#self.lines + 1] = ("[%s] %s"):format(LEVELS[level] or level, table.concat(parts))
    end
    function self.count(pattern)
        local n = 0
        for _, line in ipairs(self.lines) do
            n = n + (line:find(pattern) and 1 or 0)
        end
        return n
    end
    function self.stop()
        ngx.log = write -- luacheck: ignore 122
    end
    return self
end

return captured_log
