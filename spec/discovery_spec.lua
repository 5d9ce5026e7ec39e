-- Service discovery: registrations and peers, against a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local discovery = require "resty.etcd.discovery"
local etcd = require "resty.etcd"
local own_etcd = require "spec.support.private_etcd"
local ports = require "spec.support.ports"
local rigs = require "spec.support.multi_worker_nginx"

local function wait_for(seconds, check)
    local stop = clock.now() + seconds
    while not check() and clock.now() < stop do
        ngx.sleep(0.01)
    end
    if not check() then
        error(("condition not met after %g s"):format(seconds), 2)
    end
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

    it("returns registered instances in an array that is replaced when the service changes", function()
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
        assert.equal(peers, found:peers("web")) -- another service has changed
        assert.equal(1, found:peers("db")[1].weight)
        register("web", { host = "10.0.0.1", port = 80 })
        wait_for(3, function() return hosts("web") == "10.0.0.1 10.0.0.2" end)
        assert.equal(1, #peers)
    end)

    it("removes an instance when its registration is closed", function()
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

    it("leaves no key and no lease if a registration is closed before it is made", function()
        local reg = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }))
        wait_for(3, function() return reg.lease ~= nil end)
        reg:close()
        local early = assert(discovery.register(cli, "web", { host = "10.0.0.2", port = 80 }))
        early:close()
        wait_for(3, function() return cli:readdir("/services/").body.kvs == nil end)
        ngx.sleep(0.1)
        assert.is_nil(cli:readdir("/services/").body.kvs)
    end)

    it("renews a lease long before it expires #alone", function()
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

    it("registers again when the lease is lost", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        wait_for(3, function() return #found:peers("web") == 1 end)
        local lease = reg:state().lease
        assert(cli:revoke(lease))
        wait_for(3, function() return #found:peers("web") == 0 end)
        wait_for(3, function() return #found:peers("web") == 1 end)
        wait_for(3, function() return reg:state().registered and reg:state().lease ~= lease end)
        assert.equal(1, reg:state().losses)
        assert.is_nil(reg:state().err)
    end)

    it("takes over its key from its previous lease", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 6 })
        local key, lease = "/services/web/10.0.0.1:80", reg:state().lease
        wait_for(3, function() return #found:peers("web") == 1 end)
        local gone
        found.mirror:on_change(function() gone = gone or #found:peers("web") == 0 end)
        reg.expires_at = 0 -- as after an outage, during which etcd extends leases
        wait_for(4, function() return reg:state().registered and reg:state().lease ~= lease end)
        assert.equal(reg:state().lease, cli:get(key).body.kvs[1].lease)
        assert(cli:revoke(lease))
        local later = assert(cli:set("/services/later", 1))
        require "spec.support.scripted_feed".at(found.mirror, tonumber(later.body.header.revision))
        assert.is_falsy(gone)
        assert.equal(1, reg:state().losses)
    end)

    it("writes the key again after it was deleted, and counts a loss", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        wait_for(3, function() return #found:peers("web") == 1 end)
        local lease = reg:state().lease
        assert(cli:delete("/services/web/10.0.0.1:80"))
        wait_for(3, function() return #found:peers("web") == 0 end)
        wait_for(3, function() return #found:peers("web") == 1 end)
        wait_for(3, function() return reg:state().losses == 1 end)
        assert.equal(lease, reg:state().lease)
        assert.equal(lease, cli:get("/services/web/10.0.0.1:80").body.kvs[1].lease)
        wait_for(3, function() return reg:state().registered end)
    end)

    it("overwrites its key if it has no lease, and keeps a value written with its lease", function()
        assert(found:wait_ready(3))
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        local key, lease = "/services/web/10.0.0.1:80", reg:state().lease
        assert(cli:set(key, { host = "10.0.0.1", port = 80, weight = 0 }, { ignore_lease = true }))
        local renewals = reg:state().renewals
        wait_for(5, function() return reg:state().renewals >= renewals + 2 end)
        assert.equal(0, found:peers("web")[1].weight)
        assert.equal(0, reg:state().losses)
        assert(cli:set(key, { host = "10.0.0.1", port = 80, weight = 7 }))
        wait_for(3, function() return found:peers("web")[1].weight == 7 end)
        wait_for(3, function() return found:peers("web")[1].weight == 1 end)
        assert.equal(lease, cli:get(key).body.kvs[1].lease)
    end)

    it("leaves the key to a later registration of the same id, and takes it back when that ends", function()
        assert(found:wait_ready(3))
        local gone
        found.mirror:on_change(function() gone = gone or #found:peers("web") == 0 end)
        local first = register("web", { id = "one", host = "10.0.0.1", port = 80 }, { ttl = 2 })
        wait_for(3, function() return #found:peers("web") == 1 end)
        local second = register("web", { id = "one", host = "10.0.0.2", port = 80 }, { ttl = 2 })
        wait_for(3, function() return first:state().owner_lease == second:state().lease end)
        local state = first:state()
        assert.is_false(state.registered)
        assert.equal("the key is owned by another registration, with lease " .. state.owner_lease, state.err)
        assert.equal(0, state.losses)
        local renewals = state.renewals
        wait_for(5, function() return first:state().renewals >= renewals + 2 end)
        assert.equal("10.0.0.2", hosts("web")) -- the first registration does not overwrite it
        assert.is_falsy(gone)
        second:close()
        wait_for(3, function() return hosts("web") == "10.0.0.1" end)
        wait_for(3, function() return first:state().registered end)
        assert.is_nil(first:state().owner_lease)
        assert.is_nil(first:state().err)
    end)

    it("keeps an instance in etcd without a gap during reloads", function()
        assert(found:wait_ready(3))
        local most, least, ready = 0, math.huge, false
        found.mirror:on_change(function()
            local n = #found:peers("web")
            most, least = math.max(most, n), ready and math.min(least, n) or least
        end)
        local rig = rigs.start {
            workers = 2, http_host = bed.single.http, prefix = dir .. "/none/", quiet = true, init_worker = ([[
                local opts = { prefix = %q, ttl = 60 }
                reg = assert(require("resty.etcd.discovery").register(cli, "web", { host = "10.0.0.1", port = 80 }, opts))
            ]]):format(dir .. "/services/"),
        }
        finally(function() rig.stop() end)
        local key = "/services/web/10.0.0.1:80"
        local function lease()
            local kv = (cli:get(key).body.kvs or {})[1]
            return kv and kv.lease
        end
        wait_for(10, function() return #(found:peers("web") or {}) == 1 end)
        rig:wait_ready(2)
        ready = true
        for _ = 1, 3 do
            local before, old = lease(), rig:workers()
            for _, pid in ipairs(old) do
                rig:kill("STOP", pid) -- nginx stops old workers after 0.1 s, in which new ones need not have registered on a busy machine
            end
            rig:kill("HUP", rig:master())
            wait_for(10, function() return lease() ~= before end)
            for _, pid in ipairs(old) do
                rig:kill("CONT", pid)
            end
            wait_for(10, function()
                for _, pid in ipairs(rig:workers()) do
                    if pid == old[1] or pid == old[2] then
                        return false
                    end
                end
                return true
            end)
        end
        assert.equal(1, most)
        assert.equal(1, least) -- the instance was never absent
        rig:kill("QUIT", rig:master())
        wait_for(5, function() return #found:peers("web") == 0 end)
    end)

    it("renews at the pace of the granted TTL if it is longer than the requested one", function()
        local server = own_etcd.start { "--election-timeout=4000" }
        finally(function() server:remove() end)
        local own = assert(etcd.new { http_host = server.http })
        local reg = assert(discovery.register(own, "web", { host = "10.0.0.1", port = 80 }, { ttl = 1 }))
        finally(function() reg:close() server:remove() end)
        wait_for(5, function() return reg:state().registered end)
        assert.equal(6, reg:state().ttl)
        local lowest, stop = 6, clock.now() + 5
        while clock.now() < stop do
            lowest = math.min(lowest, reg:state().expires_in)
            ngx.sleep(0.02)
        end
        assert.is_true(lowest > 2.5, "seconds left: " .. lowest)
        assert.is_true(reg:state().renewals >= 2)
    end)

    for name, is_there in pairs { ["while it is registered"] = true, ["while it registers"] = false } do
        it("does not delay the exit of the worker by more than 3 s if etcd does not respond " .. name, function()
            local port = ports.free()
            local proxy = rigs.proxy(port, bed.single.http)
            finally(function() proxy.stop() end)
            local rig = rigs.start {
                workers = 1, http_host = "http://127.0.0.1:" .. port, prefix = dir .. "/none/", quiet = true,
            }
            finally(function() proxy.stop() rig.stop() end)
            rig:wait_ready(1)
            if not is_there then
                proxy.pause()
            end
            assert.equal("true", rig:lua([[
                local opts = { prefix = "]] .. dir .. [[/services/", ttl = 60 }
                local cli = assert(require("resty.etcd").new { http_host = "http://127.0.0.1:]] .. port .. [[" })
                reg = assert(require("resty.etcd.discovery").register(cli, "web", { host = "10.0.0.1", port = 80 }, opts))
                local looks = 0
                repeat
                    ngx.sleep(0.1)
                    looks = looks + 1
                until looks == 40 or looks >= 5 and reg:state().registered == ]] .. tostring(is_there) .. [[

                return reg:state().registered == ]] .. tostring(is_there)))
            proxy.pause()
            local started = clock.now()
            local pid = rig:workers()[1]
            rig:kill("QUIT", pid)
            wait_for(10, function() return rig:workers()[1] ~= pid end)
            local took = clock.now() - started
            assert.is_true(took < 3, "seconds: " .. took)
            assert.is_nil(rig:log():find("not revoked"))
            assert.is_nil(rig:log():find("registration of"))
        end)
    end

    it("reports registered = false when the lease must have expired, and retries", function()
        local reg = register("web", { host = "10.0.0.1", port = 80 }, { ttl = 2 })
        local endpoints = cli.endpoints
        cli.endpoints = { assert(require "resty.etcd.endpoint.endpoint".new("http://127.0.0.1:1", "/v3")) }
        wait_for(5, function() return not reg:state().registered end)
        wait_for(3, function() return reg:state().losses == 1 end)
        assert.is_truthy(reg:state().err)
        cli.endpoints = endpoints
        wait_for(5, function() return reg:state().registered end)
        assert.is_nil(reg:state().err)
    end)

    it("rejects invalid instances, and keeps the last good value", function()
        assert(found:wait_ready(3))
        cli:set("/services/web/1", { host = "10.0.0.1", port = 80 })
        cli:set("/services/web/2", { host = "10.0.0.2", port = 80000 })
        cli:set("/services/stray", { host = "10.0.0.3", port = 80 })
        local last = cli:set("/services/web/1", { host = "" })
        require "spec.support.scripted_feed".at(found.mirror, tonumber(last.body.header.revision))
        assert.equal("10.0.0.1", hosts("web"))
        local invalid = found.mirror:invalid()
        assert.equal("validate: instance.host must be string", invalid["/services/web/1"].err)
        assert.equal("validate: instance.port must be a port", invalid["/services/web/2"].err)
        assert.equal("transform: the key is not PREFIX/SERVICE/ID", invalid["/services/stray"].err)
    end)

    it("returns an error for an invalid registration", function()
        local function err_of(...)
            return select(2, discovery.register(cli, ...))
        end
        assert.equal("service must be a name without /", err_of("a/b", {}))
        assert.equal("service must be a name without /", err_of(nil, {}))
        assert.equal("instance must be table", err_of("web"))
        assert.equal("instance.host must be string", err_of("web", {}))
        assert.equal("instance.port must be a port", err_of("web", { host = "10.0.0.1", port = 0.5 }))
        assert.equal("instance.id must be string", err_of("web", { id = "" }))
        assert.equal("instance.weight must be unsigned number", err_of("web", { host = "10.0.0.1", port = 1, weight = -1 }))
        assert.equal("opts.ttl must be a whole number of seconds", err_of("web", { host = "10.0.0.1", port = 1 }, { ttl = 0 }))
        assert.equal("opts.ttl must be a whole number of seconds", err_of("web", { host = "10.0.0.1", port = 1 }, { ttl = 1 / 0 }))
        assert.equal("opts.ttl must be number", err_of("web", { host = "10.0.0.1", port = 1 }, { ttl = "5" }))
        assert.equal("opts must be table", err_of("web", { host = "10.0.0.1", port = 1 }, 5))
        assert.equal("unknown option tll; did you mean ttl?", err_of("web", { host = "10.0.0.1", port = 1 }, { tll = 5 }))
        assert.equal("opts.prefix must be string", err_of("web", { host = "10.0.0.1", port = 1 }, { prefix = 5 }))
        assert.is_truthy(err_of("web", { host = "10.0.0.1", port = 1, meta = print }))
        assert.equal("cli must be table", select(2, discovery.register(nil, "web", { host = "10.0.0.1", port = 1 })))
    end)

    it("returns an error for invalid arguments", function()
        assert.equal("cli must be table", select(2, discovery.new()))
        assert.equal("opts must be table", select(2, discovery.new(cli, true)))
        assert.equal("opts.prefix must be string", select(2, discovery.new(cli, { prefix = 5 })))
        assert.equal("unknown option ttl", select(2, discovery.new(cli, { ttl = 5 })))
        assert(found:wait_ready(3))
        assert.equal("service must be a name without /", select(2, found:peers()))
        assert.is_true(found:ready())
        assert.equal("ready", found:state().status)
        assert.is_true(found:age() < 60)
    end)

    it("backs off while etcd is unreachable and another registration owns the key", function()
        local calls = 0
        local counted = assert(bed.new { key_prefix = dir, on_call = function() calls = calls + 1 end })
        local reg = assert(discovery.register(counted, "web", { id = "one", host = "10.0.0.1", port = 80 }, { ttl = 2 }))
        registered[#registered + 1] = reg
        wait_for(5, function() return reg:state().registered end)
        register("web", { id = "one", host = "10.0.0.2", port = 80 })
        wait_for(3, function() return reg:state().owner_lease end)
        local taken, endpoints = reg:state().err, counted.endpoints
        counted.endpoints = { assert(require "resty.etcd.endpoint.endpoint".new("http://127.0.0.1:1", "/v3")) }
        calls = 0
        wait_for(3, function() return reg:state().err ~= taken end)
        ngx.sleep(0.5)
        assert.is_true(calls > 0 and calls < 20, "calls: " .. calls)
        counted.endpoints = endpoints
        wait_for(5, function() return reg:state().err == taken end)
    end)

    it("rejects host names unless allow_hostnames is set", function()
        local with_names = assert(discovery.new(cli, { allow_hostnames = true }))
        finally(function() with_names:close() end)
        assert(found:wait_ready(3))
        assert(with_names:wait_ready(3))
        local expected = "instance.host must be an address, unless opts.allow_hostnames is set"
        for _, host in ipairs { "db.internal", "localhost", "::1", "10.0.0.256", "10.0.0", "10.0.0.1.2", "[::1" } do
            assert.equal(expected, select(2, discovery.register(cli, "web", { host = host, port = 80 })), host)
        end
        register("web", { host = "[2001:db8::1]", port = 80 })
        register("web", { host = "db.internal", port = 80 }, { allow_hostnames = true })
        wait_for(3, function() return hosts("web") == "[2001:db8::1]" and #with_names:peers("web") == 2 end)
        wait_for(3, function() return found:state().invalid == 1 end)
        assert.equal("validate: " .. expected, found:invalid()["/services/web/db.internal:80"].err)
    end)
end)
