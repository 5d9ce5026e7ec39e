-- http2.lua request: prints the bytes of a connection with requests, in base64.
-- http2.lua FILE: prints what the driver finds in the bytes of a server, as JSON: the frames, and the header lists.
local cjson = require "cjson"
local frame_parser = require "resty.etcd.transport.grpc.frame_parser"
local frames = require "resty.etcd.transport.grpc.frames"
local hpack = require "resty.etcd.transport.grpc.hpack"

local REQUESTS = 5

if arg[1] == "request" then
    local metadata = hpack.encode_field("token", "secret", true) .. hpack.encode_field("x-long", ("v"):rep(20000), false)
    local parts = { frames.PREFACE, frames.settings { { 2, 0 }, { 4, 2 ^ 31 - 1 } }, frames.window_update(0, 1000000) }
    for i = 1, REQUESTS do
        local stream_id = 2 * i - 1
        parts[#parts + 1] = frames.headers(stream_id, hpack.encode_request("/path/" .. i, "example.com:2379", metadata), false)
        parts[#parts + 1] = frames.data(stream_id, "request ", false)
        parts[#parts + 1] = frames.data(stream_id, tostring(i), true)
    end
    parts[#parts + 1] = frames.ping("12345678", false)
    print(ngx.encode_base64(table.concat(parts)))
    return
end

local found = { headers = {}, data = {}, acks = 0, dynamic = 0 }
local decoder = hpack.new()
local handler = setmetatable({}, {
    __index = function()
        return function() end
    end,
})

function handler.on_headers(_, stream_id, block)
    local decoded, err = hpack.decode(decoder, block)
    assert(decoded and not decoded.is_malformed, err and err.text or "malformed")
    local of_stream = found.headers[tostring(stream_id)] or {}
    of_stream[#of_stream + 1] = {}
    for name, value in pairs(decoded.headers) do
        of_stream[#of_stream][name] = ngx.encode_base64(value)
    end
    found.headers[tostring(stream_id)] = of_stream
    found.dynamic = math.max(found.dynamic, decoder.dynamic.size)
end

function handler.on_data(_, stream_id, s, from, last)
    local key = tostring(stream_id)
    found.data[key] = (found.data[key] or "") .. s:sub(from, last)
end

function handler.on_settings_ack()
    found.acks = found.acks + 1
end

function handler.on_ping_ack(_, payload)
    found.ping = payload
end

local parser = frame_parser.new(handler)
local bytes = assert(io.open(arg[1], "rb")):read("*a")
for at = 1, #bytes, 100 do
    local err = frame_parser.feed(parser, bytes:sub(at, at + 99))
    assert(not err, err and err.text)
end
print(cjson.encode(found))
