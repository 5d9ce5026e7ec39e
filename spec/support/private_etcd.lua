-- A private etcd of a spec, with chosen flags and replaceable data.
--
--   local server = own_etcd.start { "--snapshot-count=10" }
--   server.http
--   server:stop()                     kills it (SIGKILL)
--   server:start_again("copy")        on the same ports, with the data directory "copy", which is created if absent
--   server:keep("copy")               copies the data directory to "copy"; the server must be stopped
--   server:remove()
local bed = require "spec.support.bed"
local process = require "fault.process"
local ports = require "spec.support.ports"
local wire = require "spec.support.wire"

local own_etcd = {}
local methods = {}
local mt = { __index = methods }

local binary = bed.etcdctl:gsub("etcdctl$", "etcd")
local help = process.start(binary, "--help")

-- Reports whether this version of etcd has a flag.
function own_etcd.has(flag)
    while not process.read(help .. ".status"):match("%d") do
        ngx.sleep(0.01)
    end
    return process.read(help):find(flag, 1, true) ~= nil
end

local function wait_until(what, check)
    local deadline = ngx.now() + 20
    while not check() do
        assert(ngx.now() < deadline, "no " .. what)
        ngx.sleep(0.02)
    end
end

function methods:start_again(data, token)
    local words = {
        "sh", "-c", 'echo $$; exec "$@"', "sh", binary, "--name=" .. self.name, "--data-dir=" .. self.dir .. "/" .. data,
        "--listen-client-urls=" .. self.http, "--advertise-client-urls=" .. (self.advertised or self.http),
        "--listen-peer-urls=" .. self.peer, "--initial-advertise-peer-urls=" .. self.peer,
        ("--initial-cluster=%s=%s"):format(self.name, self.peer), "--initial-cluster-token=" .. (token or "own"),
        "--log-outputs=stderr",
    }
    if own_etcd.has("--unsafe-no-fsync") then
        words[#words + 1] = "--unsafe-no-fsync"
    end
    if own_etcd.has("--logger") then
        words[#words + 1] = "--logger=zap"
    end
    for _, flag in ipairs(self.flags) do
        words[#words + 1] = flag
    end
    self.output = process.start(unpack(words))
    wait_until("response of etcd", function()
        local output = process.read(self.output)
        self.pid = tonumber(output:match("^(%d+)\n"))
        assert(process.read(self.output .. ".status") == "", output) -- another server can respond on its port
        return self.pid and wire.exchange(self.http, "GET", "/health", "", 1) == 200
    end)
end

function methods:stop()
    local word = "--name=" .. self.name
    process.signal(self.pid, word, "KILL")
    wait_until("end of etcd", function() return process.has_ended(self.pid, word) end)
    process.forget(self.output)
end

function methods:keep(copy)
    assert(process.run("cp", "-a", self.dir .. "/" .. "data", self.dir .. "/" .. copy))
end

function methods:remove()
    self:stop()
    assert(process.run("rm", "-rf", self.dir))
end

-- `advertised`: URL that the member advertises to clients, instead of that it listens on.
function own_etcd.start(flags, advertised)
    local dir = os.tmpname()
    os.remove(dir)
    local self = setmetatable({
        name = "own-" .. dir:match("[^/]+$"), dir = dir, flags = flags or {}, advertised = advertised,
        http = "http://127.0.0.1:" .. ports.free(), peer = "http://127.0.0.1:" .. ports.free(),
    }, mt)
    self:start_again("data")
    return self
end

return own_etcd
