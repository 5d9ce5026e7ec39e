-- A proxy in the same process, in front of one server: it sees which connections carry a watch, and cuts them where a
-- spec says so.
--
--   local line = tap.new(bed.single.http)
--   line.http_host                   for a client
--   line.connects, line.watches      connections so far, and watches begun on them
--   line.open                        watches that stand; they cannot be told from others in TLS
--   line:standing()                  connections that stand, of whatever kind
--   line.cut_after = function(n)     bytes of the reply to let through for the n-th watch, nil for all
--   line.reset = true                that cut is a reset
--   line:cut()                       cuts all connections that carry a watch; with true as argument by a reset. The
--                                    second argument spares those through which fewer bytes have come
--   line.pause = 0.005               for each piece of up to 64 KiB that comes through
--   line.frozen = true               watches begun before are kept open, but nothing comes through them
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
        while self.frozen and conn.watch do
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
    function self.standing()
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
