-- Service discovery: registrations and peers, against a real etcd.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local clock = require "resty.etcd.base.clock"
local closer_lists = require "spec.support.closers"
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
        local weights = {}
        found.mirror:on_change(function() table.insert(weights, found:peers("web")[1].weight) end)
        assert(cli:set(key, { host = "10.0.0.1", port = 80, weight = 7 }))
        wait_for(20, function() return #weights >= 2 end)
        assert.same({ 7, 1 }, weights)
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
        local closers = closer_lists.new()
        finally(closers.run)
        local server = closers.add(own_etcd.start { "--election-timeout=4000" }, "remove")
        local own = assert(etcd.new { http_host = server.http })
        local instance = { host = "10.0.0.1", port = 80 }
        local reg = closers.add(assert(discovery.register(own, "web", instance, { ttl = 1 })), "close")
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
            local closers = closer_lists.new()
            finally(closers.run)
            local proxy = closers.add(rigs.proxy(port, bed.single.http), "stop")
            local rig = closers.add(rigs.start {
                workers = 1, http_host = "http://127.0.0.1:" .. port, prefix = dir .. "/none/", quiet = true,
            }, "stop")
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
            local none, text, details = discovery.register(cli, ...)
            assert.is_nil(none)
            assert.equal("bad_request", details.name)
            assert.equal(text, details.message)
            return text
        end
        assert.equal("service must be a name without /", err_of("a/b", {}))
        assert.equal("service must be a name without /", err_of(nil, {}))
        assert.equal("instance must be table", err_of("web"))
        assert.equal("instance.host must be string", err_of("web", {}))
        assert.equal("instance.port must be a port", err_of("web", { host = "10.0.0.1", port = 0.5 }))
        assert.equal("instance.id must be string", err_of("web", { id = "" }))
        assert.equal("instance.weight must be number from 0 to 1000000", err_of("web", { host = "10.0.0.1", port = 1, weight = -1 }))
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
        local function err_of(none, text, details)
            assert.is_nil(none)
            assert.equal("bad_request", details.name)
            assert.equal(text, details.message)
            return text
        end
        assert.equal("cli must be table", err_of(discovery.new()))
        assert.equal("cli must be a client", err_of(discovery.new {}))
        assert.equal("opts must be table", err_of(discovery.new(cli, true)))
        assert.equal("opts.prefix must be string", err_of(discovery.new(cli, { prefix = 5 })))
        assert.equal("opts.decode must be function", err_of(discovery.new(cli, { decode = 5 })))
        assert.equal("unknown option ttl", err_of(discovery.new(cli, { ttl = 5 })))
        assert.equal("not_ready", (select(3, found:services())).name)
        assert(found:wait_ready(3))
        assert.equal("service must be a name without /", err_of(found:peers()))
        assert.equal("service must be a name without /", err_of(found:on_change("a/b", print)))
        assert.equal("callback must be function", err_of(found:on_change("web")))
        assert.equal("unknown option inital; did you mean initial?", err_of(found:on_change("web", print, { inital = true })))
        local reg = register("web", { host = "10.0.0.1", port = 80 })
        assert.equal("fields must be table", err_of(reg:update()))
        assert.equal("update: unknown field host; weight and meta can change", err_of(reg:update { host = "10.0.0.2" }))
        assert.equal("instance.weight must be number from 0 to 1000000", err_of(reg:update { weight = -1 }))
        assert.equal("encode: $.meta: function has no form in JSON", err_of(reg:update { meta = print }))
        assert.equal("timeout must be number of seconds", err_of(reg:wait("x")))
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
        for _, host in ipairs { "db.internal", "localhost", "10.0.0.256", "10.0.0", "10.0.0.1.2", "[::1", ":::1", "[1]", "[10.0.0.1]",
            "1::2::3", "12345::1", "fe80::1%eth0", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2:3:4:5:6:7:8", "10.0.0.1::", "[...]", "[]" } do
            assert.equal(expected, select(2, discovery.register(cli, "web", { host = host, port = 80 })), host)
        end
        register("web", { host = "[2001:db8::1]", port = 80 })
        register("web", { host = "db.internal", port = 80 }, { allow_hostnames = true })
        wait_for(3, function() return hosts("web") == "[2001:db8::1]" and #with_names:peers("web") == 2 end)
        wait_for(3, function() return found:state().invalid == 1 end)
        assert.equal("validate: " .. expected, found:invalid()["/services/web/db.internal:80"].err)
    end)

    it("leaves out instances with numbers or addresses that are not exact, and keeps the others", function()
        assert(found:wait_ready(3))
        local with_names = assert(discovery.new(cli, { allow_hostnames = true }))
        finally(function() with_names:close() end)
        assert(with_names:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local weight, port = "instance.weight must be number from 0 to 1000000", "instance.port must be a port"
        local host = "instance.host must be an address, unless opts.allow_hostnames is set"
        local name = "instance.host must be an address or a host name"
        local long = ("a"):rep(63) .. "."
        local cases = {
            { '"10.0.0.1","port":80,"weight":1e999', weight }, { '"10.0.0.1","port":80,"weight":1000001', weight },
            { '"10.0.0.1","port":80,"weight":1e308', weight }, { '"10.0.0.1","port":80,"weight":-1e-9', weight },
            { '"10.0.0.1","port":80,"weight":"1"', weight }, { '"10.0.0.1","port":80,"weight":NaN', weight },
            { '"10.0.0.1","port":0', port }, { '"10.0.0.1","port":65536', port }, { '"10.0.0.1","port":80.5', port },
            { '"10.0.0.1","port":"80"', port }, { '"10.0.0.1","port":1e999', port }, { '"10.0.0.1","port":-80', port },
            { '"010.0.0.1","port":80', host, name }, { '"10.0.0.256","port":80', host, name },
            { '"10.0.1","port":80', host, name }, { '"10.0.0.1.","port":80', host, name },
            { '"10.0.0.1 ","port":80', host, name }, { '"0x7f.1","port":80', host, name }, { '"::g","port":80', host, name },
            { '"[::1","port":80', host, name }, { '"[[::1]]","port":80', host, name }, { '"::1]","port":80', host, name },
            { '"fe80::1%eth0","port":80', host, name }, { '"1:2:3:4:5:6:7:8:9","port":80', host, name },
            { '"::ffff:1.2.3.04","port":80', host, name }, { '"a\\r\\nb","port":80', host, name },
            { '"a..b","port":80', host, name }, { '"-a","port":80', host, name }, { '"a b","port":80', host, name },
            { '"' .. ("a"):rep(64) .. '","port":80', host, name }, { '"' .. long:rep(4) .. '","port":80', host, name },
        }
        for i, case in ipairs(cases) do
            raw:set("/services/web/" .. i, ('{"host":%s}'):format(case[1]))
        end
        raw:set("/services/web/good", '{"host":"10.0.0.1","port":65535,"weight":1000000}')
        local last = raw:set("/services/web/name", '{"host":"db_1.example.","port":1,"weight":0}').body.header.revision
        assert(found.mirror:wait_revision(last, 3))
        assert(with_names.mirror:wait_revision(last, 3))
        assert.equal("10.0.0.1", hosts("web"))
        local errs, named = found:invalid(), with_names:invalid()
        for i, case in ipairs(cases) do
            local key = "/services/web/" .. i
            assert.equal("validate: " .. case[2], errs[key] and errs[key].err, case[1])
            local expected = case[3] or case[2] ~= host and case[2]
            assert.equal(expected and "validate: " .. expected or nil, named[key] and named[key].err, case[1])
        end
        assert.is_nil(named["/services/web/name"])
        assert.same(1000000, found:peers("web")[1].weight)
    end)

    it("logs an invalid instance once, and keeps its last good value", function()
        assert(found:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        raw:set("/services/web/1", '{"host":"10.0.0.1","port":80,"weight":5}')
        wait_for(3, function() return #found:peers("web") == 1 end)
        local logged = captured_log.start()
        finally(logged.stop)
        local last = raw:set("/services/web/1", '{"host":"10.0.0.1","port":80,"weight":1e300}').body.header.revision
        assert(found.mirror:wait_revision(last, 3))
        assert.equal(5, found:peers("web")[1].weight)
        assert.equal(1, logged.count("weight must be number from 0 to 1000000"))
    end)

    it("rejects unknown fields of an instance to register, and accepts them in etcd", function()
        local function err_of(instance)
            return (select(2, discovery.register(cli, "web", instance)))
        end
        assert.equal("instance: unknown field wieght; did you mean weight?", err_of { host = "10.0.0.1", port = 80, wieght = 5 })
        assert.equal("instance: unknown field address; known are id, host, port, weight, meta", err_of { address = "10.0.0.1", port = 80 })
        assert(found:wait_ready(3))
        cli:set("/services/web/1", { host = "10.0.0.1", port = 80, zone = "a", service = "db", id = 5 })
        wait_for(3, function() return hosts("web") == "10.0.0.1" end)
        assert.equal("1", found:peers("web")[1].id)
        assert.is_nil(found:peers("web")[1].zone)
    end)

    it("counts null fields as absent, and puts IPv6 addresses into brackets", function()
        local null = require("cjson.safe").null
        assert(found:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        raw:set("/services/web/1", '{"id":null,"host":"10.0.0.1","port":80,"weight":null,"meta":null}')
        raw:set("/services/web/2", '{"host":"::1","port":80,"weight":2}')
        raw:set("/services/web/3", '{"host":"[2001:db8::ffff:1.2.3.4]","port":80}')
        raw:set("/services/web/4", '{"host":null,"port":80}')
        raw:set("/services/web/5", '{"host":"10.0.0.5","port":80,"weight":Infinity}')
        local last = raw:set("/services/web/6", "null").body.header.revision
        assert(found.mirror:wait_revision(last, 3))
        assert.equal("10.0.0.1 [::1] [2001:db8::ffff:1.2.3.4]", hosts("web"))
        local peers = found:peers("web")
        assert.equal(1, peers[1].weight)
        assert.is_nil(peers[1].meta)
        assert.equal(2, peers[2].weight)
        local invalid = found:invalid()
        assert.equal("validate: instance.host must be string", invalid["/services/web/4"].err)
        assert.equal("validate: instance.weight must be number from 0 to 1000000", invalid["/services/web/5"].err)
        assert.equal("validate: instance must be table", invalid["/services/web/6"].err)
        register("db", { id = null, host = "2001:DB8::7", port = 5432, weight = null, meta = null })
        wait_for(3, function() return hosts("db") == "[2001:DB8::7]" end)
        assert.equal("[2001:DB8::7]:5432", found:peers("db")[1].id)
        assert.equal('{"host":"[2001:DB8::7]","port":5432}', raw:get("/services/db/[2001:DB8::7]:5432").body.kvs[1].value)
    end)

    it("keeps integers and empty arrays of meta", function()
        local exact = require "resty.etcd.serializers.json_exact"
        register("web", { host = "10.0.0.1", port = 80, meta = { id = 2 ^ 53, list = setmetatable({}, exact.array_mt) } })
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        assert.equal('{"host":"10.0.0.1","meta":{"id":9007199254740992,"list":[]},"port":80}',
            raw:get("/services/web/10.0.0.1:80").body.kvs[1].value)
    end)

    it("reads and writes the layouts of other programs with decode and encode", function()
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local plain = assert(discovery.new(cli, {
            prefix = "/plain/",
            decode = function(bytes, kv)
                local host, port = bytes:match("^(.*):(%d+)$")
                if not host then
                    return nil, "no address in " .. kv.key
                end
                local service = kv.key:match("^/plain/flat%-(%l+)%-")
                return { host = host, port = tonumber(port), service = service, id = service and bytes }
            end,
        }))
        finally(function() plain:close() end)
        assert(plain:wait_ready(3))
        local reg = register("web", { host = "::1", port = 80, weight = 3 }, {
            prefix = "/plain/",
            encode = function(instance) return instance.host .. ":" .. instance.port end,
        })
        assert.equal("[::1]:80", raw:get("/plain/web/[::1]:80").body.kvs[1].value)
        raw:set("/plain/flat-db-1", "10.0.0.7:5432")
        local last = raw:set("/plain/web/bad", "nothing").body.header.revision
        assert(plain.mirror:wait_revision(last, 3))
        assert.same({ "db", "web" }, plain:services())
        assert.same({ { service = "web", id = "[::1]:80", host = "[::1]", port = 80, weight = 1 } }, plain:peers("web"))
        assert.same({ { service = "db", id = "10.0.0.7:5432", host = "10.0.0.7", port = 5432, weight = 1 } }, plain:peers("db"))
        assert.equal("decode: no address in /plain/web/bad", plain:invalid()["/plain/web/bad"].err)
        assert(reg:update { weight = 5 })
        local encodes = {
            { function() return nil, "not today" end, "encode: not today" },
            { function() error("broken", 0) end, "encode: broken" },
            { function() return 5 end, "encode: no string" },
        }
        for _, case in ipairs(encodes) do
            local none, text, details = discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { encode = case[1] })
            assert.is_nil(none)
            assert.equal(case[2], text)
            assert.equal("bad_request", details.name)
        end
    end)

    it("lists the services that have instances", function()
        assert(found:wait_ready(3))
        assert.same({}, found:services())
        register("web", { host = "10.0.0.1", port = 80 })
        register("web", { host = "10.0.0.2", port = 80 })
        local db = register("db", { host = "10.0.0.3", port = 5432 })
        wait_for(3, function() return #found:services() == 2 end)
        local services = found:services()
        assert.same({ "db", "web" }, services)
        assert.equal(services, found:services())
        db:close()
        wait_for(3, function() return #found:services() == 1 end)
        assert.same({ "web" }, found:services())
    end)

    it("keeps nothing of services that another client creates and deletes", function()
        assert(found:wait_ready(3))
        for i = 1, 20 do
            local name = "web" .. i
            assert(cli:set("/services/" .. name .. "/1", { host = "10.0.0.1", port = 80 }))
            wait_for(20, function() return #found:peers(name) == 1 end)
            assert(cli:delete("/services/" .. name .. "/1"))
            wait_for(20, function() return #found:services() == 0 end)
        end
        collectgarbage()
        collectgarbage()
        local kept = 0
        for _ in pairs(found.cache) do
            kept = kept + 1
        end
        assert.equal(0, kept)
    end)

    it("calls the functions given to on_change for their service, also after one of them failed", function()
        assert(found:wait_ready(3))
        local received = { web = {}, second = {}, db = {} }
        local function into(name)
            return function(peers, service)
                table.insert(received[name], service .. ": " .. #peers)
            end
        end
        assert(found:on_change("web", function() error("a callback that fails") end))
        local stop = assert(found:on_change("web", into "web"))
        assert(found:on_change("web", into "second", { initial = true }))
        assert(found:on_change("db", into "db"))
        assert.same({ web = {}, second = { "web: 0" }, db = {} }, received)
        local reg = register("web", { host = "10.0.0.1", port = 80 })
        wait_for(3, function() return #received.second == 2 end)
        assert.same({ web = { "web: 1" }, second = { "web: 0", "web: 1" }, db = {} }, received)
        stop()
        reg:close()
        register("db", { host = "10.0.0.2", port = 5432 })
        wait_for(3, function() return #received.db == 1 and #received.second == 3 end)
        assert.same({ web = { "web: 1" }, second = { "web: 0", "web: 1", "web: 0" }, db = { "db: 1" } }, received)
    end)

    it("does not overlap the first call of on_change with later ones", function()
        assert(found:wait_ready(3))
        local running, overlaps, counts = 0, 0, {}
        assert(found:on_change("web", function(peers)
            running = running + 1
            overlaps = overlaps + (running > 1 and 1 or 0)
            if #peers == 0 then
                local last = cli:set("/services/web/1", { host = "10.0.0.1", port = 80 }).body.header.revision
                assert(found.mirror:wait_revision(last, 3))
            end
            counts[#counts + 1] = #peers
            running = running - 1
        end, { initial = true }))
        assert.same({ 0, 1 }, counts)
        cli:set("/services/web/2", { host = "10.0.0.2", port = 80 })
        wait_for(3, function() return #counts == 3 end)
        assert.same({ 0, 1, 2 }, counts)
        assert.equal(0, overlaps)
    end)

    it("writes an updated instance immediately, with the same lease and without a gap", function()
        assert(found:wait_ready(3))
        local gone
        found.mirror:on_change(function() gone = gone or #found:peers("web") == 0 end)
        local reg = register("web", { host = "10.0.0.1", port = 80, weight = 3, meta = { zone = "a" } }, { ttl = 60 })
        local lease = reg:state().lease
        wait_for(3, function() return #found:peers("web") == 1 end)
        assert.is_true(reg:update { weight = 0 })
        assert(reg:wait(3))
        wait_for(3, function() return found:peers("web")[1].weight == 0 end)
        assert.same({ zone = "a" }, found:peers("web")[1].meta)
        assert(reg:update { weight = 5, meta = require("cjson.safe").null })
        assert(reg:update { weight = 7 })
        assert(reg:wait(3))
        wait_for(3, function() return found:peers("web")[1].weight == 7 end)
        assert.is_nil(found:peers("web")[1].meta)
        assert(reg:update { meta = false })
        assert(reg:wait(3))
        wait_for(3, function() return found:peers("web")[1].meta == false end)
        local kv = cli:get("/services/web/10.0.0.1:80").body.kvs[1]
        assert.equal(lease, kv.lease)
        assert.equal("4", kv.version) -- two updates before one step are one write
        assert.is_falsy(gone)
        assert.equal(0, reg:state().losses)
        reg:close()
        local none, text, details = reg:update { weight = 1 }
        assert.is_nil(none)
        assert.equal("the registration is closed", text)
        assert.equal("closed", details.name)
    end)

    it("waits for a registration, and returns why it did not succeed in time", function()
        local away = assert(bed.new { key_prefix = dir })
        away.endpoints = { assert(require "resty.etcd.endpoint.endpoint".new("http://127.0.0.1:1", "/v3")) }
        local reg = assert(discovery.register(away, "web", { host = "10.0.0.1", port = 80 }))
        registered[1] = reg
        local none, text, details = reg:wait(0.5)
        assert.is_nil(none)
        assert.is_truthy(text:find("^the instance is not registered: timeout: "), text)
        assert.equal("timeout", details.name)
        assert.is_true(details.retryable)
        assert.is_true(reg:state().retry_in <= 2)
        away.endpoints = cli.endpoints
        assert.is_true(reg:wait(5))
        assert.is_true(reg:wait(0))
        assert.is_nil(reg:state().retry_in)
        reg:close()
        none, text, details = reg:wait(1)
        assert.is_nil(none)
        assert.equal("closed: the registration is closed", details.name .. ": " .. text)
    end)

    -- A client that counts its writes of keys.
    local function counting()
        local counts = { puts = 0 }
        local counted = assert(bed.new { key_prefix = dir, on_call = function(call)
            counts.puts = counts.puts + (call.rpc == "Put" and 1 or 0)
            counts.txns = (counts.txns or 0) + (call.rpc == "Txn" and 1 or 0)
        end })
        return counted, counts
    end

    for what, size in pairs { ["an instance"] = 1600000, ["an instance beyond gRPC's limit"] = 2200000 } do
        it("sends " .. what .. " that etcd rejects ever less often, until it is updated #alone", function()
            local counted, counts = counting()
            local reg = assert(discovery.register(counted, "web", { host = "10.0.0.1", port = 80, meta = ("x"):rep(size) }))
            registered[1] = reg
            local none, text, details = reg:wait(10)
            assert.is_nil(none)
            assert.is_false(details.retryable)
            assert.is_truthy(text:find("large"), text)
            ngx.sleep(6)
            assert.is_true(counts.puts <= 4, counts.puts .. " puts in 6 s")
            local state = reg:state()
            assert.is_true(state.rejected)
            assert.equal(details.message, state.err)
            assert.is_true(state.retry_in > 0)
            assert.is_false(state.registered)
            assert(reg:update { meta = "small" })
            assert(reg:wait(3))
            state = reg:state()
            assert.is_true(state.registered)
            assert.is_false(state.rejected)
            assert.is_nil(state.err)
        end)
    end

    it("retries ever less often while the user lacks a permission #alone", function()
        local counts = { puts = 0, grants = 0 }
        local reader = bed.auth.reader
        local denied = assert(bed.new {
            http_host = bed.auth.http, user = reader.user, password = reader.password,
            on_call = function(call)
                counts.puts = counts.puts + (call.rpc == "Put" and 1 or 0)
                counts.grants = counts.grants + (call.rpc == "LeaseGrant" and 1 or 0)
            end,
        })
        local reg = assert(discovery.register(denied, "web", { host = "10.0.0.1", port = 80 }, { ttl = 2 }))
        registered[1] = reg
        local none, text, details = reg:wait(10)
        assert.is_nil(none)
        assert.equal("permission_denied: etcdserver: permission denied", details.name .. ": " .. text)
        ngx.sleep(6)
        assert.is_true(counts.puts <= 4 and counts.grants <= 4, counts.puts .. " puts, " .. counts.grants .. " grants in 6 s")
        assert.is_false(reg:state().registered)
        assert.equal("etcdserver: permission denied", reg:state().err)
        assert.is_true(reg:state().retry_in > 0)
    end)

    it("keeps the previous instance and its lease while etcd rejects an update #alone", function()
        assert(found:wait_ready(3))
        local counted, counts = counting()
        local reg = assert(discovery.register(counted, "web", { host = "10.0.0.1", port = 80, meta = "small" }, { ttl = 3 }))
        registered[1] = reg
        assert(reg:wait(5))
        local lease = reg:state().lease
        local before = counts.txns or 0
        assert(reg:update { meta = ("x"):rep(1600000) })
        local none, text = reg:wait(5)
        assert.is_nil(none)
        assert.equal("etcdserver: request is too large", text)
        local renewals = reg:state().renewals
        wait_for(8, function() return reg:state().renewals >= renewals + 4 end)
        local state = reg:state()
        assert.is_true(state.registered)
        assert.is_true(state.rejected)
        assert.equal(text, state.err)
        assert.equal(lease, state.lease)
        assert.equal(0, state.losses)
        assert.is_true((counts.txns or 0) - before <= 7, (counts.txns or 0) - before .. " transactions")
        assert.equal("small", found:peers("web")[1].meta)
        assert(cli:delete("/services/web/10.0.0.1:80")) -- written again with what etcd accepts
        wait_for(5, function() return #found:peers("web") == 0 end)
        wait_for(5, function() return #found:peers("web") == 1 end)
        assert.equal("small", found:peers("web")[1].meta)
        assert(reg:update { meta = "other" })
        assert(reg:wait(3))
        assert.is_nil(reg:state().err)
    end)

    it("logs each error once, and one line at level notice when the registration is well again", function()
        local lines = {}
        local log = ngx.log
        finally(function() ngx.log = log end) -- luacheck: ignore 122
        ngx.log = function(level, ...) -- luacheck: ignore 122
            local line = table.concat({ ... })
            if line:find("^registration of ") then
                lines[#lines + 1] = (level == ngx.WARN and "warn " or level == ngx.NOTICE and "notice " or level .. " ") .. line
            end
        end
        local key = dir .. "/services/web/10.0.0.1:80"
        local away = assert(bed.new { key_prefix = dir })
        local endpoint = require "resty.etcd.endpoint.endpoint"
        local nowhere = { assert(endpoint.new("http://127.0.0.1:1", "/v3")), assert(endpoint.new("http://127.0.0.1:2", "/v3")) }
        away.endpoints = nowhere
        local reg = assert(discovery.register(away, "web", { host = "10.0.0.1", port = 80 }, { ttl = 2 }))
        registered[1] = reg
        wait_for(8, function() return reg.failures >= 6 end)
        away.endpoints = cli.endpoints
        assert(reg:wait(5))
        local texts = {}
        for i = 1, #lines - 1 do
            assert.is_nil(texts[lines[i]], lines[i])
            texts[lines[i]] = true
            assert.equal("warn registration of " .. key, lines[i]:sub(1, #key + 21))
        end
        assert.is_true(#lines >= 2)
        assert.equal("notice registration of " .. key .. ": registered again", lines[#lines])
        local count = #lines
        away.endpoints = nowhere
        wait_for(5, function() return #lines > count end)
        away.endpoints = cli.endpoints
        wait_for(5, function() return lines[#lines]:find("^notice") end)
        assert.is_nil(reg:state().err)
        local renewals = reg:state().renewals
        count = #lines
        wait_for(5, function() return reg:state().renewals >= renewals + 2 end)
        assert.equal(count, #lines)
    end)
end)
