-- A nameserver (UDP) in the same process. It responds with `records`, which specs can change at any time:
--
--   local server = dns.new { ["etcd.test"] = { A = { "127.0.0.1" }, AAAA = { "::1" } } }
--
-- For other names the response is NXDOMAIN. With `AAAA = false`, questions of that type get no response. `mode`: "silent"
-- sends no responses, "garbled" truncates the last record, a number is the code of all responses (2: server failure).
local tcp = require "spec.support.tcp"
local ffi = require "ffi"

ffi.cdef [[
ssize_t recvfrom(int, void *, size_t, int, void *, unsigned *);
ssize_t sendto(int, const void *, size_t, int, const void *, unsigned);
int inet_pton(int, const char *, void *);
]]
local C = ffi.C
local DGRAM_NONBLOCK_CLOEXEC, NOSIGNAL = 0x80802, 0x4000
local TYPES = { [1] = "A", [28] = "AAAA" }

local _M = {}

local function u16(n)
    return string.char(math.floor(n / 256) % 256, n % 256)
end

local function packed(kind, address)
    local bytes = ffi.new("uint8_t[16]")
    assert(C.inet_pton(kind == "A" and 2 or 10, address, bytes) == 1, address)
    return ffi.string(bytes, kind == "A" and 4 or 16)
end

-- Returns the response to a question, or nil to send none.
local function response_to(self, query)
    local labels, at = {}, 13
    while query:byte(at) ~= 0 do
        local size = query:byte(at)
        labels[#labels + 1] = query:sub(at + 1, at + size)
        at = at + size + 1
    end
    local name, qtype = table.concat(labels, "."), query:byte(at + 1) * 256 + query:byte(at + 2)
    local kind, record, code = TYPES[qtype], self.records[name], 0
    self.queries[#self.queries + 1] = name .. " " .. kind
    if self.mode == "silent" or record and record[kind] == false then
        return nil
    end
    if type(self.mode) == "number" or not record then
        record, code = {}, self.mode or 3
    end
    local addresses = record[kind] or {}
    local parts = {
        query:sub(1, 2), "\129", string.char(128 + code), u16(1), u16(#addresses), u16(0), u16(0), query:sub(13, at + 4),
    }
    for _, address in ipairs(addresses) do
        local data = packed(kind, address)
        parts[#parts + 1] = u16(0xc00c) .. u16(qtype) .. u16(1) .. u16(0) .. u16(60) .. u16(#data) .. data
    end
    local reply = table.concat(parts)
    return self.mode == "garbled" and reply:sub(1, -3) or reply
end

local function serve(self)
    local buffer, address, size = ffi.new("char[512]"), ffi.new("uint8_t[32]"), ffi.new("unsigned[1]")
    while self.fd do
        size[0] = 32
        local n = tonumber(C.recvfrom(self.fd, buffer, 512, 0, address, size))
        if n > 0 then
            local reply = response_to(self, ffi.string(buffer, n))
            if reply then
                C.sendto(self.fd, reply, #reply, NOSIGNAL, address, size[0])
            end
        else
            ngx.sleep(tcp.TICK)
        end
    end
end

-- Starts a server. Fields: port; records and mode, as above; queries, an array of "<name> <type>".
function _M.new(records)
    local address, size = ffi.new("uint8_t[16]"), ffi.new("unsigned[1]", 16)
    local fd = C.socket(2, DGRAM_NONBLOCK_CLOEXEC, 0)
    ffi.copy(address, "\2\0\0\0\127\0\0\1\0\0\0\0\0\0\0\0", 16)
    assert(C.bind(fd, address, 16) == 0 and C.getsockname(fd, address, size) == 0, "no free port")
    local self = { fd = fd, port = address[2] * 256 + address[3], records = records, queries = {} }
    function self.close()
        tcp.close(self)
    end
    ngx.thread.spawn(serve, self)
    return self
end

return _M
