-- The first calls of a new user, each with what it gives.
local cjson = require "cjson.safe"
local etcd = require "resty.etcd"

local function show(title, value)
    ngx.say(("  %-44s %s"):format(title, type(value) == "table" and cjson.encode(value) or tostring(value)))
end

return function(opts)
    local cli = assert(etcd.new(opts))
    local res, err

    res, err = cli:set("/tour/greeting", { text = "hello" })
    show("set /tour/greeting", err or "revision " .. res.body.header.revision)

    res, err = cli:get("/tour/greeting")
    show("get /tour/greeting", err or res.body.kvs[1].value)

    local read = assert(cli:watchdir("/tour/", { timeout = 5 }))
    read() -- etcd says that the watch stands
    cli:set("/tour/greeting", { text = "hello again" })
    local reply = assert(read())
    show("watch: changed while we looked on", reply.result.events[1].kv.value)

    res = assert(cli:setnx("/tour/greeting", "mine"))
    show("setnx on a key that is there: written?", res.body.succeeded == true)

    local lease = assert(cli:grant(2)).body.ID
    cli:set("/tour/session", "alive", { lease = lease })
    show("a key with a lease of 2 seconds", cli:get("/tour/session").body.kvs[1].value)
    reply = assert(read()) -- it is written
    while reply.result.events[#reply.result.events].type ~= "DELETE" do
        reply = assert(read())
    end
    show("its lease expired, the watch saw", "DELETE " .. reply.result.events[#reply.result.events].kv.key)

    res = assert(cli:rmdir("/tour/"))
    show("rmdir /tour/: deleted", res.body.deleted)
end
