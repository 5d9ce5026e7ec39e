-- Service discovery: registrations and peers, of a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.clock"
local discovery = require "resty.etcd.discovery"

local function wait_for(seconds, check)
    local stop = clock.now() + seconds
    while not check() and clock.now() < stop do
        ngx.sleep(0.01)
    end
    assert(check(), "waited in vain")
end

describe("discovery", function()
    local cli, dir, found, registered

    before_each(function()
        dir = bed.key("discovery")
        cli = assert(bed.new { key_prefix = dir })
        found = assert(discovery.new(cli))
        registered = {}
    end)

    after_each(function()
        for _, reg in ipairs(registered) do
            reg:close()
        end
        found:close()
        assert(bed.new():rmdir(dir))
    end)

    local function register(service, instance, opts)
        local reg = assert(discovery.register(cli, service, instance, opts))
        registered[#registered + 1] = reg
        wait_for(5, function() return reg:state().registered end)
        return reg
    end

    local function hosts(service)
        local names = {}
        for i, peer in ipairs(found:peers(service) or {}) do
            names[i] = peer.host
        end
        return table.concat(names, " ")
    end

    it("finds what is registered, as an array that is replaced as a whole", function()
        local none, why = found:peers("web")
        assert.is_nil(none)
        assert.equal("not ready", why)
        assert(found:wait_ready(3))
        assert.equal(0, #found:peers("web"))
        register("web", { host = "10.0.0.2", port = 80, weight = 3, meta = { zone = "a" } })
        wait_for(3, function() return #found:peers("web") == 1 end)
        local peers = found:peers("web")
        assert.same({ {
            service = "web", id = "10.0.0.2:80", host = "10.0.0.2", port = 80, weight = 3, meta = { zone = "a" },
        } }, peers)
        assert.equal(peers, found:peers("web"))
        register("db", { id = "first", host = "10.0.0.3", port = 5432 })
        wait_for(3, function() return #found:peers("db") == 1 end)
        assert.equal(peers, found:peers("web")) -- another service's change is not this one's
        assert.equal(1, found:peers("db")[1].weight)
        register("web", { host = "10.0.0.1", port = 80 })
        wait_for(3, function() return hosts("web") == "10.0.0.1 10.0.0.2" end)
        assert.equal(1, #peers)
    end)

    it("loses an instance at once when it is closed", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 60 })
        wait_for(3, function() return #found:peers("web") == 1 end)
        assert.is_true(reg:close())
        wait_for(3, function() return #found:peers("web") == 0 end)
        local state = reg:state()
        assert.is_false(state.registered)
        assert.is_nil(state.lease)
        assert.equal(0, state.expires_in)
        assert.is_true(reg:close())
    end)

    it("that is closed while it registers leaves nothing behind", function()
        local reg = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }))
        wait_for(3, function() return reg.lease ~= nil end)
        reg:close()
        local early = assert(discovery.register(cli, "web", { host = "10.0.0.2", port = 80 }))
        early:close()
        wait_for(3, function() return cli:readdir("/services/").body.kvs == nil end)
        ngx.sleep(0.1)
        assert.is_nil(cli:readdir("/services/").body.kvs)
    end)

    it("renews a lease long before it runs out", function()
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        local lease, lowest = reg:state().lease, 2
        local stop = clock.now() + 3
        while clock.now() < stop do
            lowest = math.min(lowest, reg:state().expires_in)
            ngx.sleep(0.02)
        end
        local state = reg:state()
        assert.equal(lease, state.lease)
        assert.is_true(state.renewals >= 3)
        assert.is_true(lowest > 0.7, "seconds left: " .. lowest)
        assert.equal(0, state.losses)
    end)

    it("registers anew when the lease is lost", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        wait_for(3, function() return #found:peers("web") == 1 end)
        local lease = reg:state().lease
        assert(cli:revoke(lease))
        wait_for(3, function() return #found:peers("web") == 0 end)
        wait_for(3, function() return #found:peers("web") == 1 end)
        wait_for(3, function() return reg:state().lease ~= lease end)
        assert.equal(1, reg:state().losses)
        assert.is_nil(reg:state().err)
    end)

    it("says that nothing is registered once the lease must have run out, and tries on", function()
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        local endpoints = cli.endpoints
        cli.endpoints = { assert(require "resty.etcd.endpoint".new("http://127.0.0.1:1", "/v3")) }
        wait_for(5, function() return not reg:state().registered end)
        wait_for(3, function() return reg:state().losses == 1 end)
        assert.is_truthy(reg:state().err)
        cli.endpoints = endpoints
        wait_for(5, function() return reg:state().registered end)
        assert.is_nil(reg:state().err)
    end)

    it("leaves out what is no instance, and keeps the last good one", function()
        assert(found:wait_ready(3))
        cli:set("/services/web/1", { host = "10.0.0.1", port = 80 })
        cli:set("/services/web/2", { host = "10.0.0.2", port = 80000 })
        cli:set("/services/stray", { host = "10.0.0.3", port = 80 })
        local last = cli:set("/services/web/1", { host = "" })
        require "spec.support.scripted".at(found.mirror, tonumber(last.body.header.revision))
        assert.equal("10.0.0.1", hosts("web"))
        local invalid = found.mirror:invalid()
        assert.equal("validate: instance.host must be string", invalid["/services/web/1"].err)
        assert.equal("validate: instance.port must be a port", invalid["/services/web/2"].err)
        assert.equal("transform: the key is not PREFIX/SERVICE/ID", invalid["/services/stray"].err)
    end)

    it("says what is wrong with a registration", function()
        local function err_of(...)
            return select(2, discovery.register(cli, ...))
        end
        assert.equal("service must be a name without /", err_of("a/b", {}))
        assert.equal("service must be a name without /", err_of(nil, {}))
        assert.equal("instance must be table", err_of("web"))
        assert.equal("instance.host must be string", err_of("web", {}))
        assert.equal("instance.port must be a port", err_of("web", { host = "a", port = 0.5 }))
        assert.equal("instance.id must be string", err_of("web", { id = "" }))
        assert.equal("instance.weight must be unsigned number", err_of("web", { host = "a", port = 1, weight = -1 }))
        assert.equal("opts.ttl must be a whole number of seconds", err_of("web", { host = "a", port = 1 }, { ttl = 0 }))
        assert.is_truthy(err_of("web", { host = "a", port = 1, meta = print }))
    end)
end)
