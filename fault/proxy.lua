-- Controls the byte proxy (fault/proxy.mjs) in front of servers from a spec.
--
--   local rig = proxy.start(bed.cluster.http)
--   rig.hosts[1]                                http://127.0.0.1:PORT, in front of the first
--   rig:set { mode = "cut", every = 5 }         see fault/proxy.mjs for the modes
--   rig:counts()[1].connects
--   rig:stop()
local cjson = require "cjson.safe"
local process = require "fault.process"
local settings = require "fault.settings"

local proxy = {}
local methods = {}
local mt = { __index = methods }

-- Sets the mode of the links in `plan.links`, default all. Returns the counts of all links.
function methods:set(plan)
    assert(self.sock:send(cjson.encode(plan) .. "\n"))
    return assert(cjson.decode(assert(self.sock:receive())))
end

-- Returns for each link {connects, cuts} since the start, and {up, down} in bytes since its mode was set.
function methods:counts()
    return self:set {}
end

-- Closes the control connection, which ends the proxy.
function methods:stop()
    if self.sock then
        self.sock:close()
        self.sock = nil
        process.forget(self.output)
    end
end

-- Starts a proxy with one link per URL.
function proxy.start(urls)
    local addresses = {}
    for i, url in ipairs(urls) do
        addresses[i] = url:match("^http://(.+)$")
    end
    local output = process.start("node", "fault/proxy.mjs", settings.seed, unpack(addresses))
    local line
    local deadline = ngx.now() + 10
    repeat
        ngx.sleep(0.01)
        line = process.read(output):match("^({.*})\n")
    until line or ngx.now() > deadline
    local ports = assert(cjson.decode(line or ""), "no proxy: " .. process.read(output))
    local sock = assert(ngx.socket.tcp())
    sock:settimeouts(2000, 2000, 10000)
    assert(sock:connect("127.0.0.1", ports.control))
    local hosts = {}
    for i, port in ipairs(ports.ports) do
        hosts[i] = "http://127.0.0.1:" .. port
    end
    return setmetatable({ sock = sock, output = output, hosts = hosts }, mt)
end

return proxy
