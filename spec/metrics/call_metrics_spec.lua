-- Reports about calls: on_call, stats, metrics.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local tcp = require "spec.support.tcp"

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")

local group = fake.group()
local serve, servers = group.serve, group.servers

after_each(group.close)

describe("on_call", function()
    local seen

    before_each(function()
        seen = {}
    end)

    local function client(opts)
        local all = { on_call = function(info) seen[#seen + 1] = info end, timeout = 3, health = {}, init_count = -1 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    it("receives each call once, with its size and duration", function()
        local server = serve { 0.06, OK }
        local cli = client { http_host = server.http_host }
        assert(cli:get "/k")
        assert.equal(1, #seen)
        local info = seen[1]
        assert.equal("Range", info.rpc)
        assert.equal(server.http_host, info.endpoint)
        assert.equal(#server.requests[1].body, info.sent)
        assert.equal(#OK:match("\r\n\r\n(.*)"), info.received)
        assert.equal(1, info.tries)
        assert.equal("ok", info.outcome)
        assert.is_nil(info.err)
        assert.is_true(info.ms >= 50 and info.ms < 1000, info.ms .. " ms")
    end)

    it("receives the names of the RPCs", function()
        local cli, key = client(), bed.key "names"
        assert(cli:set(key, 1))
        assert(cli:get(key))
        assert(cli:setnx(key, 1))
        assert(cli:readdir(key))
        assert(cli:delete(key))
        local id = assert(cli:grant(60)).body.ID
        assert(cli:keepalive(id))
        assert(cli:timetolive(id))
        assert(cli:leases())
        assert(cli:revoke(id))
        assert(cli:version())
        assert(cli:sync())
        local read, _, handle = cli:watch(key, { need_cancel = true })
        assert(read())
        cli:watchcancel(handle)
        local names = {}
        for i, info in ipairs(seen) do
            names[i] = info.rpc
            assert.equal("ok", info.outcome)
        end
        assert.same({
            "Put", "Range", "Txn", "Range", "DeleteRange", "LeaseGrant", "LeaseKeepAlive", "LeaseTimeToLive",
            "LeaseLeases", "LeaseRevoke", "Version", "MemberList", "Watch",
        }, names)
    end)

    it("receives the outcome and the attempts of failed calls", function()
        local dead = tcp.listen()
        serve({ DOWN }, { OK })
        local cli = client { http_host = { dead.http_host, servers[1].http_host } }
        assert(cli:get "/k")
        assert.equal("ok", seen[1].outcome)
        assert.equal(4, seen[1].tries) -- two attempts at each endpoint
        assert.equal(servers[1].http_host, seen[1].endpoint)
        assert.equal(#DOWN:match("\r\n\r\n(.*)") + #OK:match("\r\n\r\n(.*)"), seen[1].received)

        cli = client { http_host = dead.http_host, health = { retry = false, fail_open = false, max_fails = 1, fail_timeout = 60 } }
        assert(not cli:set("/k", 1))
        assert.equal("connect_failed", seen[2].outcome)
        assert.equal("connect_failed", seen[2].err.name)
        assert.equal(dead.http_host, seen[2].endpoint)
        assert(not cli:set("/k", 1))
        assert.equal("no_endpoint", seen[3].outcome)
        assert.equal(0, seen[3].tries)
        assert.is_nil(seen[3].endpoint)
        tcp.close(dead)

        assert.equal(400, client():get("/k", { revision = "999999999" }).status)
        assert.equal("out_of_range", seen[4].outcome)
        assert.equal(11, seen[4].err.code)
        assert(not client { http_host = servers[1].http_host }:get("/k", { limit = {} }))
        assert.equal(4, #seen) -- nothing was sent
    end)

    it("receives logins without their secrets", function()
        local cli = client { http_host = bed.auth.http, user = "root", password = "no-such-password" }
        assert(not cli:get "/k")
        cli = client { http_host = bed.auth.http, user = bed.auth.user, password = bed.auth.password }
        assert(cli:get "/k")
        assert.same({ "Authenticate", "Range", "Authenticate", "Range" },
            { seen[1].rpc, seen[2].rpc, seen[3].rpc, seen[4].rpc })
        assert.same({ "invalid_argument", "login_failed", "ok", "ok" },
            { seen[1].outcome, seen[2].outcome, seen[3].outcome, seen[4].outcome })
        local function search(value)
            if type(value) == "table" then
                for name, field in pairs(value) do
                    search(name)
                    search(field)
                end
                value = tostring(value)
            end
            for _, secret in ipairs { "no-such-password", bed.auth.password, cli.auth.token } do
                assert.is_nil(tostring(value):find(secret, 1, true))
            end
        end
        search(seen)
    end)

    it("is logged once, without effect on calls, when it raises errors", function()
        local log, lines, calls = ngx.log, {}, 0
        ngx.log = function(level, ...) -- luacheck: ignore 122
            lines[#lines + 1] = level == ngx.WARN and table.concat { ... } or nil
        end
        local ok, err = pcall(function()
            local cli = client {
                on_call = function()
                    calls = calls + 1
                    error(setmetatable({}, { __tostring = function() return "failed" end }))
                end,
            }
            for _ = 1, 3 do
                assert.equal(200, assert(cli:get "/k").status)
            end
        end)
        ngx.log = log -- luacheck: ignore 122
        assert(ok, err)
        assert.equal(3, calls)
        assert.same({ "on_call: failed" }, lines)
    end)

    it("can yield and make calls", function()
        local cli, inner
        cli = client {
            on_call = function()
                if not inner then
                    inner = true
                    ngx.sleep(0.01)
                    inner = cli:get "/k"
                end
            end,
        }
        assert(cli:get "/k")
        assert.equal(200, inner.status)
    end)
end)

describe("client with metrics", function()
    it("counts calls by outcome", function()
        serve({ OK }, { DOWN }, { OK }, { DOWN })
        local cli = assert(bed.new { http_host = servers[1].http_host, metrics = true, health = { max_fails = 100 } })
        assert(cli:get "/k")
        assert(cli:get "/k") -- with a retry
        assert(not cli:set("/k", 1))
        assert(not cli:set("/k", { cli.set }))
        local stats = assert(cli:stats())
        assert.same({ ok = 2 }, stats.Range.outcomes)
        assert.same({ unavailable = 1 }, stats.Put.outcomes)
        assert.equal(1, stats.Range.retries)
        assert.equal(0, stats.Put.retries)
        local sent, received = 0, 0
        for i = 1, 3 do
            sent = sent + #servers[1].requests[i].body
        end
        for _, response in ipairs { OK, DOWN, OK } do
            received = received + #response:match("\r\n\r\n(.*)")
        end
        assert.equal(sent, stats.Range.sent)
        assert.equal(received, stats.Range.received)
        assert.is_true(stats.Range.seconds > 0 and stats.Range.seconds < 10)
    end)

    it("counts calls in buckets by duration", function()
        serve({ 0.03, OK }, { OK })
        local cli = assert(bed.new { http_host = servers[1].http_host, metrics = true })
        assert(cli:get "/k")
        assert(cli:get "/k")
        local within = cli:stats().Range.within
        for i = 2, #within do
            assert.is_true(within[i] >= within[i - 1])
        end
        assert.is_true(within[5] <= 1) -- the slow call took more than 25 ms
        assert.equal(2, within[#within])
    end)

    it("formats its metrics for Prometheus", function()
        local cli, key = assert(bed.new { metrics = true }), bed.key "metrics"
        assert(cli:set(key, 1))
        assert(cli:get(key))
        assert(cli:get(key, { revision = "999999999" }))
        assert(cli:delete(key))
        local text = assert(cli:metrics())
        assert.equal("\n", text:sub(-1))
        local types, helped, values, last = {}, {}, {}, nil
        for line in text:gmatch("([^\n]*)\n") do
            local name, rest = line:match("^# HELP ([%a_:][%w_:]*) (.+)$")
            if name then
                assert.is_nil(helped[name])
                helped[name] = rest
            elseif line:sub(1, 1) == "#" then
                local kind
                name, kind = line:match("^# TYPE ([%a_:][%w_:]*) (%l+)$")
                assert.is_string(helped[name], line)
                types[name], last = kind, name
            else
                local labels, value
                name, labels, value = line:match("^([%a_:][%w_:]*){(.+)} ([%d.]+)$")
                assert.is_string(name, line)
                assert.equal("", (labels:gsub('[%a_][%w_]*="[^"\\\n]*",?', "")))
                local family = types[last] == "histogram" and name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
                    or name
                assert.equal(last, family) -- the lines of a metric are adjacent
                assert.is_nil(values[name .. labels])
                values[name .. labels] = assert(tonumber(value))
            end
        end
        assert.same({
            resty_etcd_calls_total = "counter", resty_etcd_retries_total = "counter",
            resty_etcd_sent_bytes_total = "counter", resty_etcd_received_bytes_total = "counter",
            resty_etcd_call_seconds = "histogram",
        }, types)
        assert.equal(1, values['resty_etcd_calls_totalrpc="Range",outcome="ok"'])
        assert.equal(1, values['resty_etcd_calls_totalrpc="Range",outcome="out_of_range"'])
        assert.equal(1, values['resty_etcd_calls_totalrpc="Put",outcome="ok"'])
        assert.equal(2, values['resty_etcd_call_seconds_countrpc="Range"'])
        assert.equal(2, values['resty_etcd_call_seconds_bucketrpc="Range",le="+Inf"'])
        assert.is_number(values['resty_etcd_call_seconds_bucketrpc="Range",le="0.0025"'])
    end)

    it("adds the caller's labels to every line, whatever they contain", function()
        local cli = assert(bed.new { metrics = true })
        assert(cli:get "/k")
        local text = assert(cli:metrics { worker = 3, client = 'a "b" \\ c\nd' })
        local lines = 0
        for line in text:gmatch("([^\n]+)\n") do
            lines = lines + 1
            if line:sub(1, 1) ~= "#" then
                assert.equal([[{client="a \"b\" \\ c\nd",worker="3",rpc="Range"]], line:match('^[^{]*({.-rpc="Range")'))
            end
        end
        assert.is_true(lines > 10)
    end)

    it("rejects labels that Prometheus rejects or that the metrics use themselves", function()
        local cli = assert(bed.new { metrics = true })
        for _, labels in ipairs { { ["a b"] = 1 }, { rpc = "x" }, { le = "x" }, { outcome = "x" }, { a = true }, { "x" }, 7 } do
            local text, err, details = cli:metrics(labels)
            assert.is_nil(text)
            assert.equal("bad_request", details.name)
            assert.is_truthy(err:find("^labels"))
        end
    end)

    it("returns its metrics as text before the first call", function()
        assert.is_truthy(assert(bed.new { metrics = true }):metrics():find("^# HELP resty_etcd_calls_total "))
    end)

    it("counts only its own calls", function()
        local cli = assert(bed.new { metrics = true })
        assert(bed.new { metrics = true }:get "/k")
        assert.same({}, cli:stats())
    end)
end)

describe("client without metrics", function()
    it("returns an error from stats and metrics", function()
        for _, name in ipairs { "stats", "metrics" } do
            local res, err, details = bed.new()[name](bed.new())
            assert.is_nil(res)
            assert.equal("bad_request", details.name)
            assert.equal("opts.metrics is not set", err)
        end
    end)
end)
