-- A tour of the API: each call with its result.
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
    read() -- etcd confirms that the watch was created
    cli:set("/tour/greeting", { text = "hello again" })
    local reply = assert(read())
    show("watch: changed meanwhile", reply.result.events[1].kv.value)

    res = assert(cli:setnx("/tour/greeting", "mine"))
    show("setnx on an existing key: written?", res.body.succeeded == true)

    local lease = assert(cli:grant(2)).body.ID
    cli:set("/tour/session", "alive", { lease = lease })
    show("a key with a lease of 2 s", cli:get("/tour/session").body.kvs[1].value)
    reply = assert(read()) -- the put of this key
    while reply.result.events[#reply.result.events].type ~= "DELETE" do
        reply = assert(read())
    end
    show("its lease expired, the watch saw", "DELETE " .. reply.result.events[#reply.result.events].kv.key)

    res = assert(cli:rmdir("/tour/"))
    show("rmdir /tour/: deleted", res.body.deleted)
end
