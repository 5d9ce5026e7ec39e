-- Records the lines that are logged while a function runs.
local log_lines = {}

local NAMES = { [ngx.ERR] = "error", [ngx.WARN] = "warn", [ngx.NOTICE] = "notice", [ngx.INFO] = "info" }

-- Calls `fn`. Returns the lines of the levels notice and above that it logged, such as "warn: text", and the results.
function log_lines.of(fn, ...)
    local lines, log = {}, ngx.log
    ngx.log = function(level, ...) -- luacheck: ignore 122
        if level <= ngx.NOTICE then
            local parts = { ... }
            for i = 1, select("#", ...) do
                parts[i] = tostring(parts[i])
            end
            lines[#lines + 1] = (NAMES[level] or level) .. ": " .. table.concat(parts)
        end
    end
    local results = { n = 0 }
    local function collect(...)
        results = { n = select("#", ...), ... }
    end
    local ok, err = pcall(function(...)
        collect(fn(...))
    end, ...)
    ngx.log = log -- luacheck: ignore 122
    if not ok then
        error(err, 0)
    end
    return lines, unpack(results, 1, results.n)
end

-- Forgets which lines the driver has logged once in this worker.
function log_lines.forget()
    local warn, fields = require("resty.etcd.base.warn_once").warn, { written = {}, line_count = 0 }
    for i = 1, debug.getinfo(warn, "u").nups do
        local value = fields[debug.getupvalue(warn, i)]
        if value then
            debug.setupvalue(warn, i, value)
        end
    end
end

return log_lines
