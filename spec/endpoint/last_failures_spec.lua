-- What a call that finds no endpoint says about the causes, and log lines about endpoints.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local last_failures = require "resty.etcd.endpoint.last_failures"
local memory_dict = require "resty.etcd.base.memory_dict"
local ports = require "spec.support.ports"

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")
local NONE = "has no healthy etcd endpoint available"
local WRONG_NAME = "certificate host mismatch (the certificate is not for this name; nginx checks host names only, "
    .. "so for an IP address set opts.sni to a name in the certificate)"

local group = fake.group()

-- The three places where health state is kept. `opts`: options of clients; `init`: of the shared health check.
local CHECKS = {
    ["shared health check"] = { init = { fail_timeout = 60 }, opts = {} },
    ["shared health check with shm_name"] = { init = { fail_timeout = 60, shm_name = "etcd_health" }, opts = {} },
    ["client's health check"] = {
        init = {}, opts = { health = { max_fails = 1, fail_timeout = 60, fail_open = false, retry = false } },
    },
    ["client's health check with shm_name"] = {
        init = {}, opts = { health = { max_fails = 1, fail_timeout = 60, fail_open = false, retry = false, shm_name = "etcd_health" } },
    },
}

for name, check in pairs(CHECKS) do
    describe("no_endpoint with the " .. name, function()
        before_each(function()
            ngx.shared.etcd_health:flush_all()
            assert(health_check.init(check.init))
        end)

        after_each(function()
            group.close()
            assert(health_check.init())
        end)

        local function client(opts)
            local all = { timeout = 2, init_count = -1 }
            for _, more in ipairs { check.opts, opts } do
                for key, value in pairs(more) do
                    all[key] = value
                end
            end
            return assert(bed.new(all))
        end

        it("has the last failure of each endpoint in its hint", function()
            local refused = "http://127.0.0.1:" .. ports.free()
            local down = group.serve { DOWN }
            local cli = client { http_host = { refused, down.http_host } }
            assert.is_nil((cli:get "/k"))
            assert.is_nil((cli:get "/k"))
            for _, call in ipairs { { "get", "/k" }, { "set", "/k", "v" }, { "grant", 10 }, { "watch", "/k" } } do
                local res, err, details = cli[call[1]](cli, unpack(call, 2))
                assert.is_nil(res)
                assert.equal(NONE, err)
                assert.equal("no_endpoint", details.name)
                assert.equal(("%s: connection refused; %s: invalid response code: 503, etcdserver: no leader")
                    :format(refused, down.http_host), details.hint)
            end
        end)

        it("logs at level notice when an endpoint responds again", function()
            local server = group.serve({ fake.CLOSE }, { OK })
            local opts = check.opts.health and { health = { max_fails = 1, fail_timeout = 0.05, retry = false } } or {}
            assert(health_check.init { fail_timeout = 0.05, shm_name = check.init.shm_name })
            local cli = client { http_host = server.http_host, health = opts.health }
            local log = captured_log.start()
            local res = cli:get "/k"
            ngx.sleep(0.3)
            for _ = 1, 5 do
                cli:get "/k"
            end
            log.stop()
            assert.is_nil(res)
            local line = "^%[notice%] endpoint " .. server.http_host:gsub("%p", "%%%0") .. ": healthy again$"
            assert.equal(1, log.count(line), table.concat(log.lines, "\n"))
        end)
    end)
end

describe("no_endpoint after failures of another client", function()
    before_each(function()
        assert(health_check.init { fail_timeout = 60 })
    end)

    after_each(function()
        assert(health_check.init())
    end)

    it("names the cause, such as the other client's server name", function()
        local wrong = assert(bed.new { http_host = bed.tls.http, sni = "wrong.test" })
        local right = assert(bed.new { http_host = bed.tls.http, sni = "localhost" })
        local _, err = wrong:get "/k"
        assert.is_truthy(err:find("certificate host mismatch", 1, true))
        local res, text, details = right:get "/k"
        assert.is_nil(res)
        assert.equal(NONE, text)
        assert.equal(bed.tls.http .. ": " .. WRONG_NAME, (details.hint:gsub(": %d+: ", ": ")))
    end)
end)

describe("last failures", function()
    it("name at most ten endpoints, with texts of bounded length", function()
        local dict, endpoints = memory_dict.new(), {}
        for i = 1, 12 do
            endpoints[i] = { http_host = "h" .. i }
            last_failures.note(dict, "h" .. i, ("x"):rep(1000))
        end
        endpoints[13] = {} -- without http_host: a program can replace endpoints
        endpoints[14] = { http_host = "without failures" }
        local text = last_failures.text_of(dict, endpoints)
        local cut = ("x"):rep(497) .. "..."
        assert.equal(cut .. ("; " .. cut):rep(9) .. "; and 2 more", text)
        assert.is_nil(last_failures.text_of(dict, { endpoints[13], endpoints[14] }))
    end)

    it("evict nothing from a shared dict that is full", function()
        local dict = ngx.shared.small
        dict:flush_all()
        dict:flush_expired()
        local n = 0
        while dict:safe_set("key" .. n, ("v"):rep(200)) do
            n = n + 1
        end
        for i = 1, 100 do
            last_failures.note(dict, "h" .. i, ("x"):rep(400))
        end
        for i = 0, n - 1 do
            assert.is_truthy(dict:get("key" .. i))
        end
        dict:flush_all()
        dict:flush_expired()
    end)
end)
