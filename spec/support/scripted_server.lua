-- A scripted server in the same process: sends raw bytes at chosen times, and records requests.
--
--   local server = fake.new({ fake.reply "{}" }, { "HTTP/1.1 200 OK\r\n", 0.1, fake.CLOSE })
--
-- Each request runs the next script, and the last script also runs for all later requests. Steps: a string is sent; a
-- number is a pause in seconds; a function is called with the connection, and its result is sent; CLOSE and RESET close
-- the connection, which otherwise waits for the next request. A script can also be a function of the request that returns
-- the script.
local random = require "resty.etcd.base.random"
local tcp = require "spec.support.tcp"
local health_check = require "resty.etcd.health_check"

local _M = { CLOSE = {}, RESET = {} }

local function read_request(conn)
    while true do
        local head, from = conn.buffer:match("^(.-\r\n)\r\n()")
        local length = head and tonumber(head:lower():match("\r\ncontent%-length: *(%d+)") or 0)
        if head and #conn.buffer >= from + length - 1 then
            local request = { headers = {}, connection = conn.number, body = conn.buffer:sub(from, from + length - 1) }
            request.method, request.path = head:match("^(%S+) (%S+)")
            for name, value in head:gmatch("\r\n([^:\r]+): *([^\r]*)") do
                request.headers[name:lower()] = value
            end
            conn.buffer = conn.buffer:sub(from + length)
            return request
        end
        local bytes = tcp.receive(conn)
        if not bytes then
            return nil
        end
        conn.buffer = conn.buffer .. bytes
    end
end

local function play(conn, script)
    for _, step in ipairs(script) do
        if type(step) == "number" then
            local stop = ngx.now() + step
            while conn.fd and ngx.now() < stop do
                ngx.sleep(math.min(0.01, step))
            end
        elseif step == _M.CLOSE or step == _M.RESET then
            tcp.close(conn, step == _M.RESET)
        elseif conn.fd and not tcp.send(conn, type(step) == "function" and (step(conn) or "") or step) then
            tcp.close(conn)
        end
    end
end

local function serve_connection(self, conn)
    local request = read_request(conn)
    while request do
        self.requests[#self.requests + 1] = request
        local script = #self.scripts > 1 and table.remove(self.scripts, 1) or self.scripts[1]
        self.playing = self.playing + 1
        play(conn, type(script) == "function" and script(request) or script)
        self.playing = self.playing - 1
        request = conn.fd and read_request(conn)
    end
    tcp.close(conn)
    self.open = self.open - 1
end

local function accept_all(self, door)
    for conn in tcp.accept, door do
        self.connections, self.open = self.connections + 1, self.open + 1
        conn.number, conn.buffer = self.connections, ""
        self.all[conn.number] = conn
        ngx.thread.spawn(serve_connection, self, conn)
    end
end

-- Starts a server. Fields: http_host, port; requests (method, path, headers in lower case, body, connection); connections
-- (so far), open; playing (running scripts).
function _M.new(...)
    local self = tcp.listen(1024)
    ngx.shared.test:delete(self.http_host) -- failures reported for an earlier server on this port
    self.scripts = { ... }
    function self.serve(_, ...)
        self.scripts = { ... }
    end
    -- Accepts connections in light threads of the caller, and resets the counters.
    function self.start()
        self.requests, self.connections, self.open, self.playing, self.all = {}, 0, 0, 0, {}
        self.door = { fd = self.fd }
        ngx.thread.spawn(accept_all, self, self.door)
    end
    -- Closes all connections and ends all threads, but keeps the port.
    function self.rest()
        self.door.fd = nil
        for _, conn in pairs(self.all) do
            tcp.close(conn)
        end
    end
    function self.close()
        self.rest()
        tcp.close(self)
    end
    self.start()
    return self
end

-- Servers that are closed together: {servers, ...}.
function _M.group()
    local servers = {}
    local self = { servers = servers }
    function self.serve(...)
        return self.add(_M.new(...))
    end
    function self.add(server)
        servers[#servers + 1] = server
        return server
    end
    -- Returns the `http_host` of each server, in the order of creation.
    function self.hosts()
        local hosts = {}
        for i, server in ipairs(servers) do
            hosts[i] = server.http_host
        end
        return hosts
    end
    function self.close()
        for i = #servers, 1, -1 do
            servers[i]:close()
            servers[i] = nil
        end
    end
    return self
end

-- Waits until `check()` is true, for at most 2 s. Returns its last result.
function _M.eventually(check)
    ngx.update_time() -- earlier steps can have blocked nginx, such as the start of another program
    local stop = ngx.now() + 2
    while not check() and ngx.now() < stop do
        ngx.sleep(tcp.TICK)
    end
    return check()
end

-- Makes the health check count failures without ever banning. Returns a function that restores it.
function _M.never_ban()
    local conf = health_check.conf
    assert(health_check.init { shm_name = "test", max_fails = 1000000, fail_timeout = 60 })
    return function()
        health_check.conf = conf
    end
end

-- Removes the jitter from retry delays: each has its mean length. Returns a function that restores it.
function _M.even_pauses()
    local next_number = random.next
    random.next = function() return 0.5 end
    return function()
        random.next = next_number
    end
end

-- Returns the number of failures reported for an endpoint since `never_ban`.
function _M.reports(http_host)
    return ngx.shared.test:get(http_host) or 0
end

-- Returns a complete response with Content-Length.
function _M.reply(body, status, fields)
    return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s")
        :format(status or "200 OK", fields or "", #body, body)
end

_M.CHUNKED = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_M.LAST_CHUNK = "0\r\n\r\n"

function _M.chunk(bytes)
    return ("%x\r\n%s\r\n"):format(#bytes, bytes)
end

return _M
