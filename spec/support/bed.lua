-- The running test bed: what its bed.json says, and clients of it.
local cjson = require "cjson.safe"
local etcd = require "resty.etcd"

local path = assert(os.getenv("ETCD_BED"), "ETCD_BED is not set")
local file = assert(io.open(path))
local bed = assert(cjson.decode(file:read("*a")))
file:close()

bed.transport = os.getenv("ETCD_TRANSPORT") or "cosocket"

-- A client over the transport under test, of the plain single server unless told otherwise.
function bed.new(opts)
    local all = { transport = bed.transport, http_host = bed.single.http }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return etcd.new(all)
end

local run = string.format("/spec-%d-%d/", ngx.worker.pid(), ngx.now() * 1000)

-- A key prefix of this run alone, with "/" at its end.
function bed.key(name)
    return run .. name .. "/"
end

-- Runs a shell command; stops the spec if it fails.
function bed.run(command)
    local status = os.execute(command)
    assert(status == 0 or status == true, command) -- as Lua 5.1 or 5.2 has it
end

-- True if this etcd knows a flag.
function bed.has_flag(flag)
    local output = assert(io.popen(("'%s' --help 2>&1"):format(bed.etcdctl:gsub("ctl$", ""))))
    local text = output:read("*a")
    output:close()
    return text:find(flag, 1, true) ~= nil
end

-- One more server with these flags of etcd, until `bed.remove`: {http, port, spare}; see tools/bed.mjs.
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
