-- Lower bound for the cost of a get and a put over etcd's gateway: the same bytes on the wire as the driver, one send,
-- a search for the end of the response head, cjson, base64. No retries, no error handling, no checks.
local cjson = require "cjson.safe"

local tcp = ngx.socket.tcp
local find, sub, match = string.find, string.sub, string.match
local encode_base64, decode_base64 = ngx.encode_base64, ngx.decode_base64

local _M = {}

local function exchange(host, port, path, body)
    local sock = tcp()
    sock:settimeouts(5000, 5000, 5000)
    assert(sock:connect(host, port, { pool = "floor", pool_size = 64 }))
    assert(sock:send("POST " .. path .. " HTTP/1.1\r\nHost: " .. host .. ":" .. port
        .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body))
    local data = assert(sock:receiveany(65536))
    local head_end, body_start = find(data, "\r\n\r\n", 1, true)
    while not head_end do
        data = data .. assert(sock:receiveany(65536))
        head_end, body_start = find(data, "\r\n\r\n", 1, true)
    end
    local length = tonumber(match(data, "Content%-Length: (%d+)"))
    while #data - body_start < length do
        data = data .. assert(sock:receiveany(65536))
    end
    sock:setkeepalive(60000, 64)
    return cjson.decode(sub(data, body_start + 1))
end

function _M.get(host, port, key)
    local reply = exchange(host, port, "/v3/kv/range", '{"key":"' .. encode_base64(key) .. '"}')
    local kv = reply.kvs[1]
    kv.key = decode_base64(kv.key)
    kv.value = cjson.decode(decode_base64(kv.value))
    return reply
end

function _M.set(host, port, key, value)
    return exchange(host, port, "/v3/kv/put",
        '{"key":"' .. encode_base64(key) .. '","value":"' .. encode_base64(cjson.encode(value)) .. '"}')
end

return _M
