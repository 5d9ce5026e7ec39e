-- A proxy in the same process, in front of one server. It knows which connections carry a watch, and cuts them on demand.
--
--   local line = tap.new(bed.single.http)
--   line.http_host                   endpoint for a client
--   line.connects, line.watches      connections and watches so far
--   line.open                        open connections with a watch; not counted in TLS
--   line:open_connections()          open connections of any kind
--   line.cut_after = function(n)     returns the bytes to pass to the n-th watch before the cut, nil for all
--   line.reset = true                makes that cut an RST
--   line:cut(reset, bytes)           cuts all connections with a watch that have received at least `bytes`, by RST if
--                                    `reset`
--   line.pause = 0.005               seconds before each piece of up to 64 KiB is passed
--   line.frozen = true               keeps all watches open without passing bytes
--   line.frozen_up_to = n            keeps the first n watches open without passing bytes
local tcp = require "spec.support.tcp"

local tap = {}

local function pass_down(self, conn, sock)
    while conn.fd do
        local bytes = sock:receiveany(65536)
        if not bytes then
            break
        end
        if conn.left then
            bytes = bytes:sub(1, conn.left)
            conn.left = conn.left - #bytes
        end
        conn.passed = conn.passed + #bytes
        if self.pause then
            ngx.sleep(self.pause)
        end
        while conn.watch and (self.frozen or conn.watch <= (self.frozen_up_to or 0)) and conn.fd do
            ngx.sleep(tcp.TICK)
        end
        if not tcp.send(conn, bytes) or conn.left == 0 then
            break
        end
    end
    tcp.close(conn, self.reset and conn.left == 0)
end

local function serve(self, conn)
    local sock = ngx.socket.tcp()
    sock:settimeouts(2000, 5000, 3600000)
    if not sock:connect(self.target.host, self.target.port) then
        tcp.close(conn)
        return
    end
    local down = ngx.thread.spawn(pass_down, self, conn, sock)
    for bytes in tcp.receive, conn do
        if bytes:find("POST /v3/watch", 1, true) then
            self.watches = self.watches + 1
            self.open = self.open + 1
            conn.watch, conn.passed = self.watches, 0
            conn.left = self.cut_after and self.cut_after(self.watches)
        end
        if not sock:send(bytes) then
            break
        end
    end
    ngx.thread.kill(down)
    sock:close()
    tcp.close(conn)
    self.all[conn] = nil
    if conn.watch then
        self.open = self.open - 1
    end
end

local function accept_all(self)
    for conn in tcp.accept, self do
        self.connects = self.connects + 1
        self.all[conn], conn.passed = true, 0
        ngx.thread.spawn(serve, self, conn)
    end
end

function tap.new(http_host)
    local self = tcp.listen(64)
    local scheme, host, port = http_host:match("^(https?)://([^:]+):(%d+)$")
    self.http_host = self.http_host:gsub("^http", scheme)
    self.target = { host = host, port = tonumber(port) }
    self.connects, self.watches, self.open, self.all = 0, 0, 0, {}
    function self.cut(_, reset, bytes)
        for conn in pairs(self.all) do
            if conn.watch and conn.passed >= (bytes or 0) then
                tcp.close(conn, reset)
            end
        end
    end
    function self.open_connections()
        local count = 0
        for _ in pairs(self.all) do
            count = count + 1
        end
        return count
    end
    function self.close()
        tcp.close(self)
        for conn in pairs(self.all) do
            tcp.close(conn)
        end
    end
    ngx.thread.spawn(accept_all, self)
    return self
end

return tap
