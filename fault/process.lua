-- Other programs, started beside the running specs without holding them up.
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

-- nginx's sockets are not for its children: one that lives on would keep them open.
local function keep_sockets_here()
    for fd = 3, 4200 do
        C.fcntl(fd, F_SETFD, ffi.cast("int", CLOEXEC))
    end
end

local function quoted(word)
    return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- Starts a program in the background, its output going to a new file whose name is returned. When the program has
-- ended, FILE.status holds its exit status.
function process.start(...)
    local words = { ... }
    for i, word in ipairs(words) do
        words[i] = quoted(word)
    end
    local file = os.tmpname()
    keep_sockets_here()
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
    return text or "" -- of a process that has just ended, /proc opens, and fails to read
end

function process.forget(file)
    os.remove(file)
    os.remove(file .. ".status")
end

-- Runs a program to its end while other light threads go on.
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

-- Sends a signal if the process still is what its command line is known to hold; tells whether it is.
function process.signal(pid, word, signal)
    local command_line = "\0" .. process.read("/proc/" .. pid .. "/cmdline")
    if not command_line:find("\0" .. word .. "\0", 1, true) then
        return false
    end
    return C.kill(pid, signal and process.SIGNALS[signal] or 0) == 0
end

-- The states of all threads of a process, and whether one of them is on its way out.
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

-- Whether a process stands still, with all of its threads.
function process.is_stopped(pid)
    return threads(pid):find("^T+$") ~= nil
end

-- Whether a process that was killed is gone. It has no command line any more while its last threads still keep its
-- sockets open.
function process.has_ended(pid, word)
    if process.signal(pid, word) then
        return false
    end
    local states, is_exiting = threads(pid)
    return not (is_exiting and states:find("[^ZX]"))
end

return process
