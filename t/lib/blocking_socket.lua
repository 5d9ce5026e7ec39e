-- A blocking socket replacement for phases without cosockets, as programs install it in ngx.socket.tcp: sockets of the C
-- library with a few methods. It supports IPv4 addresses, but no names and no TLS: handshakes are recorded and rejected.
-- Without a port, `connect` accepts `unix:/path` and makes the socket a Unix socket, like luasocket.
local bit = require "bit"
local ffi = require "ffi"

ffi.cdef [[
    struct shim_address { uint16_t family; uint16_t port; uint32_t host; char zero[8]; };
    struct shim_unix_address { uint16_t family; char path[108]; };
    struct shim_time { long seconds; long microseconds; };
    int socket(int domain, int type, int protocol);
    int connect(int fd, const void *address, unsigned int length);
    int setsockopt(int fd, int level, int name, const void *value, unsigned int length);
    ssize_t send(int fd, const void *bytes, size_t length, int flags);
    ssize_t recv(int fd, void *bytes, size_t length, int flags);
    int close(int fd);
    uint32_t inet_addr(const char *text);
    char *strerror(int number);
]]
local C = ffi.C
local AF_UNIX, AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO, MSG_NOSIGNAL = 1, 2, 1, 1, 20, 21, 0x4000
local EAGAIN, EPIPE, ECONNRESET = 11, 32, 104
local READ_SIZE = 4096

local _M = {
    -- arguments of sslhandshake and tlshandshake
    handshakes = {},
    -- number of sockets created, and of those passed to setkeepalive
    made = 0,
    kept = 0,
}
local methods = {}
local mt = { __index = methods }

local function failure()
    local number = ffi.errno()
    if number == EAGAIN then
        return "timeout"
    elseif number == EPIPE or number == ECONNRESET then
        return "closed"
    end
    return ffi.string(C.strerror(number)):lower()
end

local function inet_address(host, port)
    local address = ffi.new("struct shim_address")
    address.family = AF_INET
    address.port = bit.bor(bit.lshift(bit.band(port, 0xff), 8), bit.rshift(port, 8))
    address.host = C.inet_addr(host)
    return address, ffi.sizeof(address)
end

local function unix_address(host)
    local path = assert(host:match("^unix:(.+)"))
    return ffi.new("struct shim_unix_address", AF_UNIX, path), 2 + #path + 1
end

function methods:connect(host, port)
    if not port then
        self.family = AF_UNIX
    elseif type(port) ~= "number" then
        error("bad argument #2 to 'connect' (string expected, got " .. type(port) .. ")")
    end
    self.family = self.family or AF_INET
    if port and self.family == AF_UNIX then
        return nil, "no such file or directory"
    end
    self.fd = C.socket(self.family, SOCK_STREAM, 0)
    if self.timeout_ms then
        self:settimeout(self.timeout_ms)
    end
    local address, length
    if port then
        address, length = inet_address(host, port)
    else
        address, length = unix_address(host)
    end
    if C.connect(self.fd, address, length) ~= 0 then
        local err = failure()
        self:close()
        return nil, err
    end
    return 1
end

function methods:settimeout(ms)
    self.timeout_ms = ms
    if self.fd then
        local time = ffi.new("struct shim_time", math.floor(ms / 1000), ms % 1000 * 1000)
        C.setsockopt(self.fd, SOL_SOCKET, SO_RCVTIMEO, time, ffi.sizeof(time))
        C.setsockopt(self.fd, SOL_SOCKET, SO_SNDTIMEO, time, ffi.sizeof(time))
    end
end

function methods:send(bytes)
    local at = 0
    while at < #bytes do
        local sent = tonumber(C.send(self.fd, ffi.cast("const char *", bytes) + at, #bytes - at, MSG_NOSIGNAL))
        if sent < 0 then
            return nil, failure()
        end
        at = at + sent
    end
    return at
end

local function fill(self)
    local bytes = ffi.new("char[?]", READ_SIZE)
    local got = tonumber(C.recv(self.fd, bytes, READ_SIZE, 0))
    if got <= 0 then
        return got == 0 and "closed" or failure()
    end
    self.buffer = self.buffer .. ffi.string(bytes, got)
end

local function take(self, length, skip)
    local bytes = self.buffer:sub(1, length)
    self.buffer = self.buffer:sub(length + skip + 1)
    return bytes
end

function methods:receive(pattern)
    pattern = pattern or "*l"
    while true do
        if type(pattern) == "number" then
            if #self.buffer >= pattern then
                return take(self, pattern, 0)
            end
        elseif pattern == "*l" then
            local stop = self.buffer:find("\n", 1, true)
            if stop then
                return (take(self, stop - 1, 1):gsub("\r", ""))
            end
        end
        local err = fill(self)
        if err then
            local rest = take(self, #self.buffer, 0)
            if pattern == "*a" and err == "closed" then
                return rest
            end
            return nil, err, rest
        end
    end
end

function methods:setkeepalive()
    _M.kept = _M.kept + 1
    return self:close()
end

function methods:getreusedtimes()
    return 0
end

function methods:sslhandshake(reused_session, server_name, verify)
    _M.handshakes[#_M.handshakes + 1] = { "sslhandshake", reused_session, server_name, verify }
    return nil, "no TLS here"
end

function methods:tlshandshake(options)
    _M.handshakes[#_M.handshakes + 1] = { "tlshandshake", options }
    return nil, "no TLS here"
end

function methods:close()
    if self.fd then
        C.close(self.fd)
        self.fd = nil
    end
    return 1
end

--- Installs the replacement in ngx.socket.tcp for the phases without cosockets.
function _M.install()
    local cosocket = ngx.socket.tcp
    ngx.socket.tcp = function(...) -- luacheck: ignore 122
        local phase = ngx.get_phase()
        if phase ~= "init" and phase ~= "init_worker" then
            return cosocket(...)
        end
        _M.made = _M.made + 1
        return setmetatable({ buffer = "" }, mt)
    end
end

return _M
