-- What a client adopts of a list of members: never an address that is less protected than the endpoints of the program.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local fake = require "spec.support.scripted_server"
local member_probe = require "resty.etcd.api.member_probe"
local private_etcd = require "spec.support.private_etcd"

local NO_SOCKET = "no member of the list has a unix socket of the client as client URL"
local NO_SECURE_URL = "no member of the list has a client URL with https"
local NOT_USED = "less protected than the client's endpoints, or unix sockets"

local function hosts_of(cli)
    local hosts = {}
    for i, endpoint in ipairs(cli.endpoints) do
        hosts[i] = endpoint.http_host
    end
    table.sort(hosts)
    return hosts
end

-- etcd 3.4 wants a port in the URL of a unix socket, and makes it a part of the path.
local describe_with_socket = bed.version:find "^3%.4%." and pending or describe

describe_with_socket("sync of a client of a unix socket", function()
    local server, socket

    setup(function()
        local path = os.tmpname()
        os.remove(path)
        socket = "unix:" .. path
        server = private_etcd.start()
        server:stop()
        server.flags = { ("--listen-client-urls=%s,unix://%s"):format(server.http, path) }
        server:start_again("data")
    end)

    teardown(function()
        server:remove()
        os.remove(socket:sub(6))
    end)

    it("adopts no network address, and says so in its result and in the log", function()
        local cli = assert(bed.new { http_host = socket, timeout = 3 })
        assert.equal(200, assert(cli:set("/k", "v")).status)
        local log = captured_log.start()
        local results = {}
        for i = 1, 3 do
            local ok, err, details = cli:sync()
            results[i] = { ok == nil, err, details.name, details.hint }
        end
        log.stop()
        local expected = { true, NO_SOCKET, "bad_reply", NOT_USED .. ": " .. server.http }
        assert.same({ expected, expected, expected }, results)
        assert.same({ socket }, hosts_of(cli))
        assert.equal(1, log.count("^%[warn%] list of members: addresses that are " .. NOT_USED .. ", are not used: " .. server.http .. "$"),
            table.concat(log.lines, "\n"))
        assert.equal("v", assert(cli:get "/k").body.kvs[1].value)
    end)

    it("adopts none with sync_interval either", function()
        local cli = assert(bed.new { http_host = socket, timeout = 3, sync_interval = 60 })
        local log = captured_log.start()
        cli.sync_plan.next = 0
        assert(cli:get "/k")
        local found = fake.eventually(function()
            return log.count("^%[warn%] list of members: " .. NO_SOCKET) > 0
        end)
        log.stop()
        assert.is_true(found)
        assert.same({ socket }, hosts_of(cli))
    end)

    it("adopts a network address if the program gave one, too", function()
        local cli = assert(bed.new { http_host = { socket, server.http }, timeout = 3 })
        assert.is_true(cli:sync())
        assert.same({ server.http }, hosts_of(cli))
    end)
end)

describe("sync to a list of members of a server", function()
    local ask_all = member_probe.ask_all
    local asked

    before_each(function()
        asked = {}
        member_probe.ask_all = function(_, candidates) -- every address answers
            local probes = {}
            for i, endpoint in ipairs(candidates) do
                asked[#asked + 1] = endpoint.http_host
                probes[i] = { endpoint = endpoint, member_id = endpoint.http_host }
            end
            return probes
        end
    end)

    after_each(function()
        member_probe.ask_all = ask_all
    end)

    -- Returns a client to which every endpoint returns the members with these client URLs, which can be replaced in `lists`.
    local function client(lists, http_host, opts)
        local all = { http_host = http_host, health = {} }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        local cli = assert(bed.new(all))
        cli.transport = {
            encode = function() return "" end,
            unary = function()
                local members = {}
                for i, urls in ipairs(lists) do
                    members[i] = { ID = tostring(i), clientURLs = urls }
                end
                return { status = 200, headers = {}, body = { header = { cluster_id = "1", revision = "1" }, members = members } }
            end,
        }
        return cli
    end

    local PLAIN, SECURE = "http://10.0.0.1:2379", "https://10.0.0.1:2379"
    local TLS, HTTP, SOCKET = "https://etcd.test:2379", "http://etcd.test:2379", "unix:/run/etcd.sock"
    local SOCKETS = { "unix:/run/docker.sock", "http://unix:/run/docker.sock", "https://unix:/run/docker.sock:/v1" }

    for _, verify in ipairs { true, false } do
        it("adopts no address without TLS for a client with TLS, ssl_verify " .. tostring(verify), function()
            local lists = { { PLAIN, SECURE }, { "http://10.0.0.2:2379" } }
            local cli = client(lists, TLS, { ssl_verify = verify })
            local log = captured_log.start()
            local results = { cli:sync(), cli:sync() }
            log.stop()
            assert.same({ true, true }, results)
            assert.same({ SECURE }, hosts_of(cli))
            assert.equal(1, log.count("are not used: http://10.0.0.2:2379$"))
            lists[1], lists[2] = { PLAIN }, nil
            local ok, err, details = cli:sync()
            assert.same({ nil, NO_SECURE_URL, NOT_USED .. ": " .. PLAIN }, { ok, err, details.hint })
            assert.same({ SECURE }, hosts_of(cli))
        end)
    end

    for _, given in ipairs { HTTP, TLS, SOCKET } do
        it("connects to no unix socket that only the server names, for " .. given, function()
            local cli = client({ SOCKETS }, given)
            local ok, _, details = cli:sync()
            assert.is_nil(ok)
            assert.equal("bad_reply", details.name)
            assert.same({ given }, hosts_of(cli))
            assert.same({}, asked)
        end)
    end

    it("adopts only https if one of several endpoints has it, and keeps the others that are members", function()
        for _, given in ipairs { { HTTP, TLS }, { TLS, HTTP } } do
            local cli = client({ { HTTP }, { PLAIN, SECURE }, { "http://10.0.0.2:2379" } }, given)
            assert.is_true(cli:sync())
            assert.same({ HTTP, SECURE }, hosts_of(cli))
        end
        local cli = client({ { PLAIN }, { SECURE } }, { SOCKET, TLS })
        assert.is_true(cli:sync())
        assert.same({ SECURE }, hosts_of(cli))
    end)

    it("keeps the unix sockets of the program that are members, and no others", function()
        local cli = client({ { PLAIN, SOCKET }, { SOCKETS[1] } }, { SOCKET, "unix:/run/other.sock" })
        assert.is_true(cli:sync())
        assert.same({ SOCKET }, hosts_of(cli))
        assert.same({}, asked)
    end)

    it("adopts https for a client without TLS if a member has nothing else", function()
        local cli = client({ { SECURE, PLAIN }, { SOCKETS[1], "https://10.0.0.2:2379" } }, HTTP)
        assert.is_true(cli:sync())
        assert.same({ PLAIN, "https://10.0.0.2:2379" }, hosts_of(cli))
    end)

    it("goes by the endpoints that the program has written to the client", function()
        local cli = client({ { PLAIN }, { SECURE } }, HTTP)
        cli.endpoints = { { http_host = TLS, full_prefix = TLS .. "/v3" } }
        assert.is_true(cli:sync())
        assert.same({ SECURE }, hosts_of(cli))
        assert.is_true(cli:sync()) -- those of the list are not the program's
        cli.endpoints = { { http_host = "any", full_prefix = "http://unix:/run/etcd.sock:/v3" } }
        assert.same({ nil, NO_SOCKET }, { (cli:sync()), (select(2, cli:sync())) })
    end)

    it("goes by no address that came from an earlier list or from DNS", function()
        local lists = { { SECURE } }
        local cli = client(lists, HTTP)
        assert.is_true(cli:sync())
        assert.same({ SECURE }, hosts_of(cli))
        lists[1] = { PLAIN }
        assert.is_true(cli:sync())
        assert.same({ PLAIN }, hosts_of(cli))
    end)
end)
