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

return bed
