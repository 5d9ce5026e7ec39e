-- The running test bed: the contents of its bed.json, and clients of its servers.
local cjson = require "cjson.safe"
local etcd = require "resty.etcd"

local path = assert(os.getenv("ETCD_BED"), "ETCD_BED is not set")
local file = assert(io.open(path))
local bed = assert(cjson.decode(file:read("*a")))
file:close()

bed.transport = os.getenv("ETCD_TRANSPORT") or "cosocket"

-- Returns a client with the transport under test; default endpoint: the plain single server.
function bed.new(opts)
    local all = { transport = bed.transport, http_host = bed.single.http }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return etcd.new(all)
end

local run = string.format("/spec-%d-%d/", ngx.worker.pid(), ngx.now() * 1000)

-- Returns a key prefix that only this run uses, with "/" at its end.
function bed.key(name)
    return run .. name .. "/"
end

-- Runs a shell command, and fails the spec if the command fails.
function bed.run(command)
    local status = os.execute(command)
    assert(status == 0 or status == true, command) -- a number in Lua 5.1, a boolean in 5.2
end

-- Reports whether this version of etcd has a flag.
function bed.has_flag(flag)
    local output = assert(io.popen(("'%s' --help 2>&1"):format(bed.etcdctl:gsub("ctl$", ""))))
    local text = output:read("*a")
    output:close()
    return text:find(flag, 1, true) ~= nil
end

-- Starts another server with these flags of etcd, until `bed.remove`. Returns its record of
-- tools/bed.mjs.
function bed.add(name, ...)
    local flags = table.concat({ ... }, "' '")
    local output = assert(io.popen(("node tools/bed.mjs add --dir '%s' %s -- '%s'"):format(bed.dir, name, flags)))
    local server = cjson.decode(output:read("*a"))
    output:close()
    return assert(server, "bed.mjs did not start " .. name)
end

function bed.remove(name)
    bed.run(("node tools/bed.mjs signal --dir '%s' %s KILL"):format(bed.dir, name))
end

return bed
