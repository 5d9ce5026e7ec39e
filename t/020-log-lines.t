use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Log lines are compared as nginx writes them, with the name of the function if programs can rely on it.
log_level('info');
repeat_each(2);
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("config", ($block->config || "") . <<'_EOC_');
    # records the header fields of a request, and proxies it to etcd
    location /recorded/ {
        access_by_lua_block {
            local cjson = require "cjson"
            ngx.shared.test:set("headers", cjson.encode(ngx.req.get_headers()))
        }
        proxy_pass $TEST_NGINX_ETCD/;
    }
    location /broken/ {
        return 503 '{"code":14,"message":"no leader"}';
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: each method logs its path and the given timeout
--- lua
    local t = require "testlib"
    local cli = t.new { timeout = 7 }
    local key = t.key()
    cli:set(key, 1)
    cli:get(key, { timeout = 3 })
    cli:readdir(key)
    cli:delete(key, { timeout = 0.5 })
    cli:rmdir(key, { timeout = 4 })
    cli:txn({ { key = key, target = "CREATE", result = "EQUAL", create_revision = 0 } },
        { { requestRange = { key = key } } }, nil, { timeout = 2 })
    cli:setnx(key, 1)
    cli:setx(key, 1)
    local id = cli:grant(60).body.ID
    cli:keepalive(id)
    cli:timetolive(id)
    cli:leases()
    cli:revoke(id)
    cli:version()
    cli:watch(key, { timeout = 50 })
    cli:watchdir(key)
    cli:delete(key)
    ngx.say("done")
--- response_body
done
--- grep_error_log eval: qr/v3 request uri: \S+, timeout: [^, ]+/
--- grep_error_log_out
v3 request uri: /kv/put, timeout: 7
v3 request uri: /kv/range, timeout: 3
v3 request uri: /kv/range, timeout: 7
v3 request uri: /kv/deleterange, timeout: 0.5
v3 request uri: /kv/deleterange, timeout: 4
v3 request uri: /kv/txn, timeout: 2
v3 request uri: /kv/txn, timeout: 7
v3 request uri: /kv/txn, timeout: 7
v3 request uri: /lease/grant, timeout: 7
v3 request uri: /lease/keepalive, timeout: 7
v3 request uri: /lease/timetolive, timeout: 7
v3 request uri: /lease/leases, timeout: 7
v3 request uri: /lease/revoke, timeout: 7
v3 request uri: /version, timeout: 7
v3 request uri: /watch, timeout: 50
v3 request uri: /watch, timeout: 7
v3 request uri: /kv/deleterange, timeout: 7



=== TEST 2: the line has level info and the default timeout of 5 s
--- lua
    local t = require "testlib"
    t.new():get(t.key())
    ngx.say("done")
--- response_body
done
--- grep_error_log eval: qr/\[info\] .*: (v3 request uri: .*?), client/
--- grep_error_log_out eval: qr/\A\[info\] .*: v3 request uri: \/kv\/range, timeout: 5, client\n\z/



=== TEST 3: a call logs one line before the first choice of an endpoint, however many attempts it needs
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true, fail_timeout = 0 }
    local cli = t.new { http_host = { "http://127.0.0.1:1", "http://127.0.0.1:2", t.bed.single.http }, init_count = -1 }
    ngx.say(cli:get(t.key()).status)
--- response_body
200
--- grep_error_log eval: qr/\w+\(\): (?:choose|update) endpoint: \S+?(?= to|,)(?: to unhealthy)?|v3 request uri: \/kv\/range|\[warn\]|http:[^ ]+ connection refused. Retrying/
--- grep_error_log_out
v3 request uri: /kv/range
choose_endpoint(): choose endpoint: http://127.0.0.1:1
[warn]
[warn]
choose_endpoint(): choose endpoint: http://127.0.0.1:2
[warn]
[warn]
choose_endpoint(): choose endpoint: $TEST_NGINX_ETCD



=== TEST 4: report_failure warns of a failed attempt, and a retry logs its error
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true, fail_timeout = 0 }
    local cli = t.new { http_host = { "http://127.0.0.1:1", t.bed.single.http }, init_count = -1 }
    ngx.say(cli:get(t.key()).status)
--- response_body
200
--- grep_error_log eval: qr/\[warn\].*?lua:\d+: (?:report_failure\(\): )?|(?:update endpoint: \S+ to unhealthy|\S+ connection refused\. Retrying)(?=, client)/
--- grep_error_log_out eval
qr/\A\[warn\].*report_failure\(\): 
\[warn\].*: 
\z/
--- error_log
report_failure(): update endpoint: http://127.0.0.1:1 to unhealthy, client
http://127.0.0.1:1: connection refused. Retrying, client



=== TEST 5: a retry of a 5xx response logs the text of that response
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true, fail_timeout = 0 }
    local cli = t.new { http_host = { t.here("/broken"), t.bed.single.http }, init_count = -1 }
    ngx.say(cli:get(t.key()).status)
--- response_body
200
--- error_log
: invalid response code: 503, no leader. Retrying, client



=== TEST 6: without retry, the error is neither logged nor at level error
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local cli = t.new { http_host = { "http://127.0.0.1:1", t.bed.single.http }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    cli = t.new { http_host = t.here("/broken") }
    ngx.say(t.line(cli:get(t.key())))
--- response_body
nil | http://127.0.0.1:1: connection refused | connect_failed
nil | invalid response code: 503, no leader | unavailable
--- no_error_log
connection refused
invalid response code
Retrying
[error]
[crit]
[alert]



=== TEST 7: a failure of a banned endpoint is not logged again
--- lua
    local health_check = require "resty.etcd.health_check"
    health_check.init { fail_timeout = 0.2 }
    health_check.report_failure("http://banned.test:2379")
    health_check.report_failure("http://banned.test:2379")
    ngx.sleep(0.25)
    health_check.report_failure("http://banned.test:2379")
    ngx.sleep(0.25)
    ngx.say("done")
--- response_body
done
--- grep_error_log eval: qr/update endpoint: \S+ to unhealthy/
--- grep_error_log_out
update endpoint: http://banned.test:2379 to unhealthy
update endpoint: http://banned.test:2379 to unhealthy



=== TEST 8: the health check logs its mode
--- lua
    local health_check = require "resty.etcd.health_check"
    health_check.init()
    health_check.init { shm_name = "etcd_health2" }
    ngx.say("done")
--- response_body
done
--- grep_error_log eval: qr/\[info\] .*lua:\d+: (?:\w+\(\): )?healthy check use .*?(?=, client)/
--- grep_error_log_out eval
qr/\A\[info\] .*: healthy check use round robin
\[info\] .*: healthy check use ngx\.shared dict: etcd_health2
\z/



=== TEST 9: extra headers are logged as JSON for calls and watches
--- lua
    local t = require "testlib"
    local cli = t.new { http_host = t.here("/recorded"), extra_headers = { ["X-Trace"] = "a/b" } }
    assert(cli:get(t.key()))
    ngx.say(require("cjson").decode(ngx.shared.test:get("headers"))["x-trace"])
    cli = t.new { extra_headers = { ["X-Trace"] = "w" } }
    assert(cli:watch(t.key()))
--- response_body
a/b
--- grep_error_log eval: qr/request (?:uri|chunk) headers: .*?(?=, client)/
--- grep_error_log_out
request uri headers: {"X-Trace":"a\/b"}
request chunk headers: {"X-Trace":"w"}



=== TEST 10: reserved headers, in any case, are neither logged nor sent
--- lua
    local t = require "testlib"
    local cli = t.new {
        http_host = t.here("/recorded"),
        extra_headers = {
            Authorization = "stolen", ["content-length"] = "3", ["Transfer-Encoding"] = "chunked",
            CONNECTION = "close", Upgrade = "h2c",
        },
    }
    assert(cli:get(t.key()))
    local headers = require("cjson").decode(ngx.shared.test:get("headers"))
    for _, name in ipairs { "authorization", "transfer-encoding", "connection", "upgrade" } do
        ngx.say(name, ": ", headers[name])
    end
    ngx.say(headers["content-length"] ~= "3")
--- response_body
authorization: nil
transfer-encoding: nil
connection: nil
upgrade: nil
true
--- grep_error_log eval: qr/request uri headers: .*?(?=, client)/
--- grep_error_log_out
request uri headers: {}



=== TEST 11: without extra headers, no headers are logged
--- lua
    local t = require "testlib"
    assert(t.new():get(t.key()))
    ngx.say("done")
--- response_body
done
--- no_error_log
request uri headers
[error]



=== TEST 12: the line of headers follows the line of the call, also without a healthy endpoint
--- lua
    local t = require "testlib"
    local cli = t.new { extra_headers = { A = "1" } }
    cli.endpoints = {}
    ngx.say(t.line(cli:get(t.key())))
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
--- grep_error_log eval: qr/v3 request uri: \S+, timeout: \d+|request uri headers: .*?(?=, client)|has no healthy/
--- grep_error_log_out
v3 request uri: /kv/range, timeout: 5
request uri headers: {"A":"1"}



=== TEST 13: a login logs a line with the timeout of the call, after the line of the call
--- lua
    local t = require "testlib"
    local cli = t.new(t.root { timeout = 9 })
    assert(cli:get("/x", { timeout = 4 }))
    assert(cli:get("/x", { timeout = 3 }))
    ngx.say("done")
--- response_body
done
--- grep_error_log eval: qr/v3 request uri: \S+, timeout: [^, ]+/
--- grep_error_log_out
v3 request uri: /kv/range, timeout: 4
v3 request uri: /auth/authenticate, timeout: 4
v3 request uri: /kv/range, timeout: 3



=== TEST 14: a call with invalid arguments logs nothing
--- lua
    local t = require "testlib"
    local cli = t.new()
    ngx.say((select(2, cli:get(""))))
    ngx.say((select(2, cli:grant())))
--- response_body
key should not be empty
lease grant command needs TTL argument
--- no_error_log
v3 request uri
[error]



=== TEST 15: no Lua log line contains a password or token, at any level
--- log_level: debug
--- config
    location /auth/ {
        access_by_lua_block {
            local token = ngx.req.get_headers()["authorization"]
            if token then
                ngx.shared.test:set("token", token)
            end
        }
        proxy_pass $TEST_NGINX_AUTH/;
    }
--- lua
    local t = require "testlib"
    local cli = t.new(t.root { http_host = t.here("/auth"), extra_headers = { ["X-Trace"] = "1" } })
    local key = t.key()
    assert(cli:set(key, 1))
    assert(cli:delete(key))
    local token = assert(ngx.shared.test:get("token"))
    cli = t.new(t.root { http_host = t.here("/auth"), password = "wrong-secret", extra_headers = { ["X-Trace"] = "1" } })
    assert(not cli:get(key))
    local lines = t.logged()
    ngx.say(lines:find("v3 request uri: /auth/authenticate", 1, true) ~= nil)
    for name, secret in pairs { token = token, password = t.bed.auth.password, wrong_password = "wrong-secret" } do
        if lines:find(secret, 1, true) or lines:find(ngx.encode_base64(secret), 1, true) then
            ngx.say(name, " is in the log")
        end
    end
--- response_body
true



=== TEST 16: lines of level info are not built at level warn
--- log_level: warn
--- lua
    local t = require "testlib"
    local cli = t.new { extra_headers = { A = "1" } }
    local levels, log = {}, ngx.log
    ngx.log = function(level, ...)
        levels[#levels + 1] = level
        return log(level, ...)
    end
    require("resty.etcd.health_check").init()
    assert(cli:get(t.key()))
    ngx.log = log
    ngx.say(#levels)
--- response_body
0



=== TEST 17: the lines of a login follow those of the call that begins it, before those of concurrent calls
--- lua
    local t = require "testlib"
    local cli = t.new(t.root { timeout = 9 })
    local threads = {}
    for timeout = 2, 4 do
        threads[#threads + 1] = ngx.thread.spawn(cli.get, cli, "/x", { timeout = timeout })
    end
    for _, thread in ipairs(threads) do
        local _, res = assert(ngx.thread.wait(thread))
        ngx.say(res.status)
    end
--- response_body
200
200
200
--- grep_error_log eval: qr/v3 request uri: \S+, timeout: [^, ]+(?=, client)|\w+\(\): choose endpoint: \S+?(?=, client)/
--- grep_error_log_out
v3 request uri: /kv/range, timeout: 2
v3 request uri: /auth/authenticate, timeout: 2
choose_endpoint(): choose endpoint: $TEST_NGINX_AUTH
v3 request uri: /kv/range, timeout: 3
v3 request uri: /kv/range, timeout: 4
choose_endpoint(): choose endpoint: $TEST_NGINX_AUTH
choose_endpoint(): choose endpoint: $TEST_NGINX_AUTH
choose_endpoint(): choose endpoint: $TEST_NGINX_AUTH



=== TEST 18: without an endpoint, each call has its own line and that of a login
--- lua
    local t = require "testlib"
    local cli = t.new(t.root { timeout = 9 })
    cli.endpoints = {}
    local threads = {}
    for timeout = 2, 4 do
        threads[#threads + 1] = ngx.thread.spawn(cli.get, cli, "/x", { timeout = timeout })
    end
    for _, thread in ipairs(threads) do
        local _, res, err, details = ngx.thread.wait(thread)
        ngx.say(t.line(res, err, details))
    end
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
--- grep_error_log eval: qr/v3 request uri: \S+, timeout: [^, ]+(?=, client)|choose endpoint|v3 refresh jwt|no healthy/
--- grep_error_log_out
v3 request uri: /kv/range, timeout: 2
v3 request uri: /auth/authenticate, timeout: 2
v3 request uri: /kv/range, timeout: 3
v3 request uri: /auth/authenticate, timeout: 3
v3 request uri: /kv/range, timeout: 4
v3 request uri: /auth/authenticate, timeout: 4
