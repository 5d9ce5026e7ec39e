-- Non-blocking server sockets by system calls (Linux). nginx cannot reset, stall or garble a connection on demand, and a
-- port in nginx.conf would be the same for all runs on a machine.
local ffi = require "ffi"

ffi.cdef [[
int socket(int, int, int);
int bind(int, const void *, unsigned);
int listen(int, int);
int getsockname(int, void *, unsigned *);
int accept4(int, void *, unsigned *, int);
int setsockopt(int, int, int, const void *, unsigned);
ssize_t recv(int, void *, size_t, int);
ssize_t send(int, const void *, size_t, int);
int close(int);
]]
local C = ffi.C
local EAGAIN, NONBLOCK_CLOEXEC, NOSIGNAL = 11, 0x80800, 0x4000
local buffer = ffi.new("char[?]", 65536)
local used = {} -- ports: a ban of one server must not hit a later one

local _M = { TICK = 0.001 }

-- Binds a socket to a free port of the loopback interface. Returns {fd, port, http_host}. Without `backlog`, connections
-- are refused. `window`: size of the receive buffer in bytes.
function _M.listen(backlog, window)
    local address, size = ffi.new("uint8_t[16]"), ffi.new("unsigned[1]", 16)
    local fd, port
    repeat
        fd = C.socket(2, 1 + NONBLOCK_CLOEXEC, 0)
        ffi.copy(address, "\2\0\0\0\127\0\0\1\0\0\0\0\0\0\0\0", 16)
        assert(C.bind(fd, address, 16) == 0 and C.getsockname(fd, address, size) == 0, "no free port")
        port = address[2] * 256 + address[3]
        local taken = used[port]
        used[port] = true
    until not taken or C.close(fd) ~= 0
    assert(not window or C.setsockopt(fd, 1, 8, ffi.new("int[1]", window), 4) == 0) -- SO_RCVBUF
    assert(not backlog or C.listen(fd, backlog) == 0)
    return { fd = fd, port = port, http_host = "http://127.0.0.1:" .. port }
end

-- Closes the socket of `owner`, with `reset` by an RST.
function _M.close(owner, reset)
    if owner.fd then
        if reset then
            C.setsockopt(owner.fd, 1, 13, ffi.new("int[2]", 1, 0), 8) -- SO_LINGER of 0 seconds
        end
        C.close(owner.fd)
        owner.fd = nil
    end
end

-- Repeats a system call while it returns EAGAIN. Returns nil after an error, at the end of the stream, or once closed.
local function wait_for(owner, call)
    local polls = 0
    while owner.fd do
        local n = call(owner.fd)
        if n > 0 then
            return tonumber(n)
        elseif n == 0 or ffi.errno() ~= EAGAIN then
            return nil
        end
        -- idle sockets are polled less often: hundreds of them would keep a core busy
        polls = polls + 1
        ngx.sleep(polls < 20 and _M.TICK or 5 * _M.TICK)
    end
end

-- Returns the next connection: {fd}.
function _M.accept(server)
    local fd = wait_for(server, function(fd) return C.accept4(fd, nil, nil, NONBLOCK_CLOEXEC) end)
    if fd then
        C.setsockopt(fd, 6, 1, ffi.new("int[1]", 1), 4) -- TCP_NODELAY: send each piece immediately
        return { fd = fd }
    end
end

-- Returns the bytes that have arrived, at least one.
function _M.receive(conn)
    local n = wait_for(conn, function(fd) return C.recv(fd, buffer, 65536, 0) end)
    return n and ffi.string(buffer, n)
end

-- Sends all bytes. Returns false if the connection is broken.
function _M.send(conn, bytes)
    local from, at = ffi.cast("const char *", bytes), 0
    while at < #bytes do
        local n = wait_for(conn, function(fd) return C.send(fd, from + at, #bytes - at, NOSIGNAL) end)
        if not n then
            return false
        end
        at = at + n
    end
    return true
end

return _M
