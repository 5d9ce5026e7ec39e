-- A scripted HTTP/2 server in the same process. It sends its SETTINGS, and answers SETTINGS and PING; the rest does a handler.
--
--   local server = http2_server.new(function(conn, frame) conn:respond(frame.stream_id, message) end)
--
-- The handler is called for each complete request (`frame.body` has its data, `frame.fields` its header fields), and for RST_STREAM,
-- PING, GOAWAY and WINDOW_UPDATE: {name, stream_id, flags, payload}. A request whose stream is not ended by the client has
-- `is_open`, and is passed on with its first message.
local frames = require "resty.etcd.transport.grpc.frames"
local grpc_message = require "resty.etcd.transport.grpc.grpc_message"
local hpack = require "resty.etcd.transport.grpc.hpack"
local tcp = require "spec.support.tcp"

local _M = {}
local NAMES = { [0] = "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION" }

_M.HEAD = hpack.encode_field(":status", "200", false) .. hpack.encode_field("content-type", "application/grpc", false)

-- Returns the header block of trailers.
function _M.trailers(code, message)
    local block = hpack.encode_field("grpc-status", tostring(code), false)
    return message and block .. hpack.encode_field("grpc-message", message, false) or block
end

local conn_methods = {}
local conn_mt = { __index = conn_methods }

function conn_methods:send(...)
    local bytes = table.concat { ... }
    if self.fd and not tcp.send(self, bytes) then
        tcp.close(self)
    end
end

-- Sends a complete response with one message.
function conn_methods:respond(stream_id, message, code, text)
    self:send(frames.headers(stream_id, _M.HEAD, false), message and frames.data(stream_id, grpc_message.encode(message), false) or "",
        frames.headers(stream_id, _M.trailers(code or 0, text), true))
end

function conn_methods:close(reset)
    tcp.close(self, reset)
end

local function fields_of(block)
    return hpack.decode(hpack.new(), block).headers
end

local function handle(self, conn, frame)
    local id = frame.stream_id
    if frame.name == "SETTINGS" then
        if frame.flags == 0 and not self.greeting then
            conn:send(frames.SETTINGS_ACK)
        end
        return
    elseif frame.name == "PING" and frame.flags == 0 and not self.ignores_pings then
        conn:send(frames.ping(frame.payload, true))
    elseif frame.name == "HEADERS" then
        conn.requests[id] = { name = "request", stream_id = id, block = frame.payload, fields = fields_of(frame.payload), body = "" }
        self.requests[#self.requests + 1] = conn.requests[id]
        return
    elseif frame.name == "DATA" then
        local request = conn.requests[id]
        request.body = request.body .. frame.payload
        conn:send(frames.window_update(0, math.max(1, #frame.payload)), frames.window_update(id, math.max(1, #frame.payload)))
        if frame.flags % 2 == 0 then
            local is_complete = #request.body >= 5 and #request.body >= 5 + frames.read_uint32(request.body, 2)
            if not is_complete or request.is_open then
                return
            end
            request.is_open = true
        end
        request.connection = conn.number
        return self.handler(conn, request)
    end
    self.frames[#self.frames + 1] = frame
    self.handler(conn, frame)
end

local function serve_connection(self, conn)
    if self.greeting then
        self.greeting(conn)
    else
        conn:send(frames.settings(self.settings))
    end
    local buffer, has_preface = "", false
    while conn.fd do
        local bytes = tcp.receive(conn)
        if not bytes then
            break
        end
        buffer = buffer .. bytes
        if not has_preface and #buffer >= #frames.PREFACE then
            assert(buffer:sub(1, #frames.PREFACE) == frames.PREFACE, "no preface")
            buffer, has_preface = buffer:sub(#frames.PREFACE + 1), true
        end
        while has_preface and conn.fd and #buffer >= 9 do
            local a, b, c, frame_type, flags = buffer:byte(1, 5)
            local length = a * 65536 + b * 256 + c
            if #buffer < 9 + length then
                break
            end
            local frame = { name = NAMES[frame_type], stream_id = frames.read_uint32(buffer, 6), flags = flags, payload = buffer:sub(10, 9 + length) }
            buffer = buffer:sub(10 + length)
            handle(self, conn, frame)
        end
    end
    tcp.close(conn)
    self.open = self.open - 1
end

-- Counts the frames of a kind that have arrived. Returns also the last one.
local function count(self, name)
    local n, last = 0, nil
    for _, frame in ipairs(self.frames) do
        if frame.name == name then
            n, last = n + 1, frame
        end
    end
    return n, last
end

-- Starts a server. Fields: http_host, port; connections (so far), open; requests, frames (others, in their order); settings
-- (of connections to come); greeting (sends something else instead); ignores_pings.
function _M.new(handler)
    local self = tcp.listen(1024)
    self.handler, self.settings, self.count = handler, {}, count
    self.requests, self.frames, self.connections, self.open, self.all = {}, {}, 0, 0, {}
    ngx.thread.spawn(function()
        for conn in tcp.accept, self do
            self.connections, self.open = self.connections + 1, self.open + 1
            setmetatable(conn, conn_mt)
            conn.number, conn.requests = self.connections, {}
            self.all[#self.all + 1] = conn
            ngx.thread.spawn(serve_connection, self, conn)
        end
    end)
    function self.close()
        for _, conn in ipairs(self.all) do
            tcp.close(conn)
        end
        tcp.close(self)
    end
    return self
end

return _M
