-- Output handler of busted for tools/test: a JSON object per event, each on its own line behind a record separator
-- (RFC 7464), so that what a spec prints cannot be mistaken for one.
--
--   {"running": NAME}                                 a test starts: if the process hangs or dies, it did so there
--   {"failed": NAME, "at": "FILE:LINE", "text": TEXT} a test, or the file itself, has failed
--   {"passed": N, "failures": N, "pending": N}        all tests have run
local json = require("cjson.safe").new()

local function write(event)
    io.write("\n\30", json.encode(event), "\n")
    io.flush()
end

local function text_of(message)
    return type(message) == "string" and message or require("pl.pretty").write(message)
end

return function()
    local busted = require "busted"
    local handler = require "busted.outputHandlers.base"()

    busted.subscribe({ "test", "start" }, function(element)
        write { running = handler.getFullName(element) }
        return nil, true
    end)

    busted.subscribe({ "suite", "end" }, function()
        for _, list in ipairs { handler.failures, handler.errors } do
            for _, failure in ipairs(list) do
                local trace = failure.element.trace
                local at = trace and trace.short_src and trace.short_src .. ":" .. trace.currentline
                write { failed = failure.name, at = at, text = text_of(failure.message) }
            end
        end
        write {
            passed = handler.successesCount, failures = handler.failuresCount + handler.errorsCount,
            pending = handler.pendingsCount,
        }
        return nil, true
    end)

    return handler
end
