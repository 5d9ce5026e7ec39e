use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# The events that count as failures of an endpoint: /t prints the reports of each.
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("http_config", <<'_EOC_' . ($block->http_config || ""));
    init_by_lua_block {
        local t = require "testlib"
        local health_check = require "resty.etcd.health_check"
        health_check.init { fail_timeout = 0 }
        local reports = {}
        local report_failure = health_check.report_failure
        health_check.report_failure = function(host)
            reports[#reports + 1] = host
            return report_failure(host)
        end
        --- Runs `event` with a client of the endpoint, and prints its results and the reports.
        function t.reports_of(name, host, event, opts)
            reports = {}
            opts = opts or {}
            opts.http_host = host
            local res, err = event(t.new(opts))
            local all = {}
            for i, reported in ipairs(reports) do
                all[i] = reported == host and "it" or reported
            end
            if type(err) == "string" and err:sub(1, #host) == host then
                err = "<host>" .. err:sub(#host + 1)
            end
            ngx.say(name, ": ", res and "ok" or err, ": [", table.concat(all, ", "), "]")
        end
        function t.get(cli)
            return cli:get("/reports")
        end
        function t.put(cli)
            return cli:set("/reports", 1)
        end
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: a failed connection counts: refused, unknown host name
--- lua
    local t = require "testlib"
    t.reports_of("refused", "http://127.0.0.1:1", t.get)
    t.reports_of("refused put", "http://127.0.0.1:1", t.put)
    t.reports_of("refused watch", "http://127.0.0.1:1", function(cli) return cli:watch("/reports") end)
    t.reports_of("name", "http://no-such-host.test:2379", t.get)
    t.reports_of("name of /etc/hosts", "http://localhost:2379", t.get)
--- response_body
refused: <host>: connection refused: [it]
refused put: <host>: connection refused: [it]
refused watch: <host>: connection refused: [it]
name: <host>: no resolver defined to resolve "no-such-host.test": [it]
name of /etc/hosts: <host>: no resolver defined to resolve "localhost": [it]



=== TEST 2: a failed TLS handshake counts
--- lua
    local t = require "testlib"
    t.reports_of("tls", "https://127.0.0.1:" .. t.bed.single.port, t.get)
--- response_body
tls: <host>: handshake failed: [it]
--- no_error_log eval: qr/\[error\].*\[lua\]/



=== TEST 3: a missing or incomplete response counts
--- config
    location /slow/ {
        content_by_lua_block { ngx.sleep(1) }
    }
    location /dropped/ {
        return 444;
    }
    location /short/ {
        content_by_lua_block {
            local sock = assert(ngx.req.socket(true))
            sock:send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        }
    }
--- lua
    local t = require "testlib"
    local brief = { timeout = 0.2 }
    t.reports_of("slow", t.here("/slow"), function(cli) return cli:get("/reports", brief) end)
    t.reports_of("slow put", t.here("/slow"), function(cli) return cli:set("/reports", 1, brief) end)
    t.reports_of("slow watch", t.here("/slow"), function(cli) return cli:watch("/reports", brief) end)
    t.reports_of("dropped", t.here("/dropped"), t.get)
    t.reports_of("dropped put", t.here("/dropped"), t.put)
    t.reports_of("short", t.here("/short"), t.get)
--- response_body
slow: <host>: timeout: [it]
slow put: <host>: timeout: [it]
slow watch: <host>: timeout: [it]
dropped: <host>: closed: [it]
dropped put: <host>: closed: [it]
short: <host>: closed: [it]
--- no_error_log
[crit]



=== TEST 4: responses with status 500 and above count, others do not
--- config
    location ~ ^/status/(?<code>\d+)/ {
        content_by_lua_block {
            ngx.status = tonumber(ngx.var.code)
            ngx.say('{"message":"text of the server"}')
        }
    }
--- lua
    local t = require "testlib"
    for _, code in ipairs { 400, 401, 403, 404, 409, 412, 429, 500, 501, 503, 504 } do
        t.reports_of(code, t.here("/status/" .. code), t.get)
    end
    for _, code in ipairs { 404, 429, 503 } do
        t.reports_of(code .. " grant", t.here("/status/" .. code), function(cli) return cli:grant(10) end)
    end
    for _, code in ipairs { 403, 503 } do
        t.reports_of(code .. " watch", t.here("/status/" .. code), function(cli) return cli:watch("/reports") end)
    end
--- response_body
400: ok: []
401: ok: []
403: ok: []
404: ok: []
409: ok: []
412: ok: []
429: ok: []
500: invalid response code: 500, text of the server: [it]
501: invalid response code: 501, text of the server: [it]
503: invalid response code: 503, text of the server: [it]
504: invalid response code: 504, text of the server: [it]
404 grant: HTTP 404 from something that is not etcd: text of the server: []
429 grant: HTTP 429 from something that is not etcd: text of the server: []
503 grant: invalid response code: 503, text of the server: [it]
403 watch: failed to watch data, response code: 403, HTTP 403 from something that is not etcd: text of the server: []
503 watch: failed to watch data, response code: 503, text of the server: [it]



=== TEST 5: malformed responses with status 200 do not count
--- config
    location = /odd/v3/kv/range {
        return 200 "<html>";
    }
    location = /odd/v3/kv/put {
        return 200 "<html>";
    }
    location = /odd/v3/lease/keepalive {
        return 200 "<html>";
    }
--- lua
    local t = require "testlib"
    t.reports_of("get", t.here("/odd"), t.get)
    t.reports_of("set", t.here("/odd"), t.put)
    t.reports_of("keepalive", t.here("/odd"), function(cli) return cli:keepalive(7) end)
--- response_body
get: HTTP 200 from something that is not etcd: <html>: []
set: HTTP 200 from something that is not etcd: <html>: []
keepalive: HTTP 200 from something that is not etcd: <html>: []



=== TEST 6: each failed attempt is reported once
--- config
    location /broken/ {
        return 503 '{"code":14,"message":"no leader"}';
    }
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { fail_timeout = 0, retry = true, max_fails = 3 }
    t.reports_of("retried", t.here("/broken"), t.get)
    t.reports_of("retried", "http://127.0.0.1:1", t.get)
--- response_body
retried: invalid response code: 503, no leader: [it, it, it, it]
retried: <host>: connection refused: [it, it, it, it]



=== TEST 7: connection failures and 5xx responses of logins count, other error responses and malformed ones do not
--- config
    location ~ ^/login/(?<kind>\w+)/v3/auth/authenticate$ {
        content_by_lua_block {
            local kind = ngx.var.kind
            if kind == "dropped" then
                ngx.exit(444)
            elseif kind == "malformed" then
                ngx.say("<html>")
            elseif kind == "tokenless" then
                ngx.say("{}")
            else
                ngx.status = tonumber(kind:sub(2))
                ngx.say('{"message":"text of the server"}')
            end
        }
    }
--- lua
    local t = require "testlib"
    local user = { user = "u", password = "p" }
    for _, kind in ipairs { "s400", "s401", "s503", "dropped", "malformed", "tokenless" } do
        t.reports_of(kind, t.here("/login/" .. kind), t.get, user)
    end
    t.reports_of("refused", "http://127.0.0.1:1", t.get, user)
    t.reports_of("wrong password", t.bed.auth.http, t.get, user)
--- response_body
s400: authenticate refresh token fail: []
s401: authenticate refresh token fail: []
s503: invalid response code: 503, text of the server: [it]
dropped: <host>: closed: [it]
malformed: authenticate refresh token fail: []
tokenless: authenticate refresh token fail: []
refused: <host>: connection refused: [it]
wrong password: authenticate refresh token fail: []



=== TEST 8: a timeout of a reader and a canceled watch do not count
--- lua
    local t = require "testlib"
    t.reports_of("timeout", t.bed.single.http, function(cli)
        local reader = assert(cli:watch("/reports", { timeout = 0.7 }))
        assert(reader())
        return reader()
    end)
    t.reports_of("canceled", t.bed.single.http, function(cli)
        local reader, _, handle = cli:watch("/reports", { need_cancel = true })
        assert(reader())
        assert(cli:watchcancel(handle) == 1)
        return reader()
    end)
--- response_body
timeout: timeout: []
canceled: closed: []



=== TEST 9: an error inside a watch counts if its status is 500 or above
--- config
    location ~ ^/stream/(?<code>\d+)/ {
        content_by_lua_block {
            ngx.say('{"result":{"created":true}}')
            ngx.say('{"error":{"code":', ngx.var.code, ',"message":"text of the server"}}')
        }
    }
--- lua
    local t = require "testlib"
    for _, code in ipairs { 14, 7 } do
        t.reports_of(code, t.here("/stream/" .. code), function(cli)
            local reader = assert(cli:watch("/reports"))
            assert(reader().result.created)
            return reader()
        end)
    end
--- response_body
14: <host>: Service Unavailable: [it]
7: ok: []



=== TEST 10: a dead pooled connection is replaced without a report for a read
--- config
    location /once/ { # serves the first request of each connection only
        rewrite_by_lua_block {
            require("testlib").count(tonumber(ngx.var.connection_requests) > 1 and "dropped" or "served")
            if tonumber(ngx.var.connection_requests) > 1 then
                ngx.exit(444)
            end
        }
        proxy_pass $TEST_NGINX_ETCD/;
    }
--- lua
    local t = require "testlib"
    t.reports_of("twice", t.here("/once"), function(cli)
        assert(cli:get("/reports"))
        return cli:get("/reports")
    end)
    ngx.say(t.counted("served"), " ", t.counted("dropped"))
    t.reports_of("write", t.here("/once"), t.put)
    ngx.say(t.counted("served"), " ", t.counted("dropped"))
--- response_body
twice: ok: []
2 1
write: <host>: closed: [it]
2 2



=== TEST 11: a call with invalid arguments does not count
--- lua
    local t = require "testlib"
    t.reports_of("empty key", t.bed.single.http, function(cli) return cli:get("") end)
    t.reports_of("bad lease", t.bed.single.http, function(cli) return cli:set("/reports", 1, { lease = "x" }) end)
--- response_body
empty key: key should not be empty: []
bad lease: lease must be integer: []
