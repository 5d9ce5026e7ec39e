-- Other programs, run concurrently with the specs without blocking nginx.
local bit = require "bit"
local ffi = require "ffi"

ffi.cdef [[
int fcntl(int, int, ...);
int kill(int, int);
]]
local C = ffi.C
local F_SETFD, CLOEXEC = 2, 1
local PF_EXITING = 4

local process = { SIGNALS = { KILL = 9, CONT = 18, STOP = 19 } }

-- Makes child processes close nginx's sockets: a child that outlives nginx would keep them open.
local function set_close_on_exec()
    for fd = 3, 4200 do
        C.fcntl(fd, F_SETFD, ffi.cast("int", CLOEXEC))
    end
end

local function quoted(word)
    return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- Starts a program in the background. Returns the name of a new file with its output. FILE.status contains the exit
-- status once the program has ended.
function process.start(...)
    local words = { ... }
    for i, word in ipairs(words) do
        words[i] = quoted(word)
    end
    local file = os.tmpname()
    set_close_on_exec()
    local line = ("{ %s; echo $? >%s.status; } >%s 2>&1 </dev/null &"):format(table.concat(words, " "), file, file)
    assert(os.execute(line) == 0)
    return file
end

function process.read(file)
    local handle = io.open(file)
    if not handle then
        return ""
    end
    local text = handle:read("*a")
    handle:close()
    return text or "" -- for a process that has just ended, opening its file in /proc succeeds and reading fails
end

function process.forget(file)
    os.remove(file)
    os.remove(file .. ".status")
end

-- Runs a program and waits for its end, without blocking other light threads. Returns success and its output.
function process.run(...)
    local file = process.start(...)
    local status
    repeat
        ngx.sleep(0.01)
        status = process.read(file .. ".status"):match("^(%d+)\n")
    until status
    local output = process.read(file)
    process.forget(file)
    return status == "0", output
end

-- Sends a signal (default none) if the command line of the process still contains `word`. Reports whether it does.
function process.signal(pid, word, signal)
    local command_line = "\0" .. process.read("/proc/" .. pid .. "/cmdline")
    if not command_line:find("\0" .. word .. "\0", 1, true) then
        return false
    end
    return C.kill(pid, signal and process.SIGNALS[signal] or 0) == 0
end

-- Returns the states of all threads of a process, and whether one of them is exiting.
local function threads(pid)
    local list = assert(io.popen("cat /proc/" .. pid .. "/task/*/stat 2>/dev/null"))
    local text = list:read("*a")
    list:close()
    local states, is_exiting = {}, false
    for state, flags in text:gmatch("%) (%a) %-?%d+ %-?%d+ %-?%d+ %-?%d+ %-?%d+ (%d+)") do
        states[#states + 1] = state
        is_exiting = is_exiting or bit.band(tonumber(flags), PF_EXITING) ~= 0
    end
    return table.concat(states), is_exiting
end

-- Reports whether all threads of a process are stopped.
function process.is_stopped(pid)
    return threads(pid):find("^T+$") ~= nil
end

-- Reports whether a killed process has ended. The command line vanishes before the last threads close the sockets.
function process.has_ended(pid, word)
    if process.signal(pid, word) then
        return false
    end
    local states, is_exiting = threads(pid)
    return not (is_exiting and states:find("[^ZX]"))
end

return process
