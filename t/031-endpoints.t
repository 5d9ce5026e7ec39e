use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# The endpoints that a call chooses, the number of attempts, and the errors when all fail.
log_level('info');
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("config", ($block->config || "") . <<'_EOC_');
    location ~ ^/e[0-9]/v3/ { # endpoints that count their requests and fail
        content_by_lua_block {
            require("testlib").count(ngx.var.uri:sub(2, 3))
            ngx.status = 503
            ngx.say('{"code":14,"message":"no leader"}')
        }
    }
    location /dropped/ { # closes without an answer
        content_by_lua_block {
            require("testlib").count("dropped")
            ngx.req.read_body()
            ngx.exit(444)
        }
    }
    location /good/ {
        rewrite_by_lua_block {
            require("testlib").count("good")
        }
        proxy_pass $TEST_NGINX_ETCD/;
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: init_count is incremented before each choice, and -1 starts at the first endpoint
--- lua
    local t = require "testlib"
    local etcd = t.bed.single.http
    local cli = t.new { http_host = { etcd, etcd, etcd }, init_count = -1 }
    for _ = 1, 4 do
        cli:version()
        ngx.say(cli.init_count)
    end
    cli.init_count = 10
    cli.endpoints[3].http_host = "http://chosen.test:2379"
    cli:version()
    ngx.say(cli.init_count)
--- response_body
0
1
2
3
11
--- error_log
choose endpoint: http://chosen.test:2379,



=== TEST 2: skipped endpoints and logins increment init_count
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init()
    health_check.report_failure("http://a.test:2379")
    health_check.report_failure("http://b.test:2379")
    local cli = t.new { http_host = { "http://a.test:2379", "http://b.test:2379", t.bed.single.http }, init_count = -1 }
    ngx.say(cli:get(t.key()).status, " ", cli.init_count)
    ngx.say(cli:get(t.key()).status, " ", cli.init_count)
    cli = t.new(t.root { init_count = -1 })
    cli:get(t.key())
    ngx.say(cli.init_count)
    cli:get(t.key())
    ngx.say(cli.init_count)
--- response_body
200 2
200 5
1
2



=== TEST 3: calls choose the endpoints round-robin
--- lua
    local t = require "testlib"
    local etcds = t.bed.cluster.http
    local cli = t.new { http_host = etcds, init_count = -1 }
    for _ = 1, 4 do
        cli:version()
    end
    ngx.say(cli.is_cluster)
--- response_body
true
--- grep_error_log eval: qr/choose endpoint: http:\S+(?=,)/
--- grep_error_log_out eval
qr/\A(choose endpoint: \S+)
(choose endpoint: \S+)
(choose endpoint: (?!\2)\S+)
\1
\z/



=== TEST 4: without retry, a call makes one attempt and returns its error
--- lua
    local t = require "testlib"
    local cli = t.new { http_host = { t.here("/e1"), t.here("/good") }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("good"), " ", cli.init_count)
    ngx.say(cli:get(t.key()).status, " ", t.counted("good"))
    ngx.say(cli:get(t.key()).status, " ", t.counted("e1"), " ", t.counted("good"))
--- response_body
nil | invalid response code: 503, no leader | unavailable
1 0 0
200 1
200 1 2



=== TEST 5: with retry, a call continues until an endpoint serves it
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    local cli = t.new { http_host = { t.here("/e1"), "http://127.0.0.1:1", t.here("/good") }, init_count = -1 }
    ngx.say(cli:get(t.key()).status)
    ngx.say(t.counted("e1"), " ", t.counted("good"), " ", cli.init_count)
--- response_body
200
1 1 2
--- grep_error_log eval: qr/http:\S+ connection refused. Retrying|invalid response code.*Retrying/
--- grep_error_log_out
invalid response code: 503, no leader. Retrying
http://127.0.0.1:1: connection refused. Retrying



=== TEST 6: a retried call ends with the exact text when all endpoints are banned
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    local cli = t.new { http_host = { t.here("/e1"), t.here("/e2") }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("e2"))
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("e2"))
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
1 1
nil | has no healthy etcd endpoint available | no_endpoint
1 1



=== TEST 7: a single endpoint is banned by its failure: the first call returns its error, the next one the exact text
--- lua
    local t = require "testlib"
    local cli = t.new { http_host = "http://127.0.0.1:1" }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.line(cli:set(t.key(), 1)))
    ngx.say(t.line(cli:watch(t.key())))
    ngx.say(t.line(cli:version()))
    ngx.say(t.line(cli:grant(10)))
--- response_body
nil | http://127.0.0.1:1: connection refused | connect_failed
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint



=== TEST 8: endpoints can be reported by programs in both modes
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    local cli = t.new { http_host = t.bed.cluster.http }
    for _, options in ipairs { {}, { shm_name = "etcd_health" } } do
        health_check.init(options)
        ngx.say(cli:get(t.key()).status)
        for _, host in ipairs(t.bed.cluster.http) do
            health_check.report_failure(host)
        end
        ngx.say(t.line(cli:get(t.key())))
    end
--- response_body
200
nil | has no healthy etcd endpoint available | no_endpoint
200
nil | has no healthy etcd endpoint available | no_endpoint



=== TEST 9: the error for banned endpoints has details
--- lua
    local t = require "testlib"
    local cli = t.new()
    cli.endpoints = {}
    local _, err, details = cli:get(t.key())
    ngx.say(err, " | ", details.message, " | ", tostring(details))
    ngx.say(details.retryable, " ", details.maybe_applied, " ", details.code, " ", details.http_status, " ", details.endpoint)
--- response_body
has no healthy etcd endpoint available | has no healthy etcd endpoint available | has no healthy etcd endpoint available
true false nil nil nil



=== TEST 10: an endpoint without a host is never chosen
--- lua
    local t = require "testlib"
    local cli = t.new()
    local host = cli.endpoints[1].http_host
    cli.endpoints[1].http_host = nil
    ngx.say(t.line(cli:get(t.key())))
    cli.endpoints[1].http_host = host
    ngx.say(cli:get(t.key()).status)
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
200



=== TEST 11: a call has at most #endpoints * max_fails + 1 attempts in round-robin mode
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { retry = true, max_fails = 2 }
    health_check.get_target_status = function() return true end
    local cli = t.new { http_host = { t.here("/e1"), t.here("/e2"), t.here("/e3") }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("e2"), " ", t.counted("e3"), " ", cli.init_count)
--- response_body
nil | invalid response code: 503, no leader | unavailable
3 2 2 6



=== TEST 12: with a shared dict, an endpoint is banned after max_fails attempts
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { shm_name = "etcd_health", retry = true, max_fails = 3 }
    local cli = t.new { http_host = { t.here("/e1"), t.here("/e2") }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("e2"))
    ngx.say(ngx.shared.etcd_health:get(t.here("/e1")), " ", ngx.shared.etcd_health:get(t.here("/e2")))
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
3 3
3 3
--- grep_error_log eval: qr/update endpoint: \S+ to unhealthy/
--- grep_error_log_out
update endpoint: http://127.0.0.1:$TEST_NGINX_SERVER_PORT/e1 to unhealthy
update endpoint: http://127.0.0.1:$TEST_NGINX_SERVER_PORT/e2 to unhealthy



=== TEST 13: a replaced get_target_status is called at each choice, with the host and without self
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { retry = true }
    local asked = {}
    local first, second = "http://127.0.0.1:1", t.bed.single.http
    local cli = t.new { http_host = { first, second }, init_count = -1 }
    health_check.get_target_status = function(...)
        asked[#asked + 1] = select("#", ...) .. " " .. (... == first and "first" or "second")
        return true
    end
    ngx.say(cli:get(t.key()).status)
    health_check.get_target_status = function(host)
        return host ~= second
    end
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(table.concat(asked, ", "))
--- response_body
200
nil | http://127.0.0.1:1: connection refused | connect_failed
1 first, 1 second



=== TEST 14: clients share the health check of the process
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    t.new { http_host = t.here("/e1") }:get(t.key())
    ngx.say(t.line(t.new { http_host = t.here("/e1") }:get(t.key())))
    health_check.report_failure(t.here("/e2"))
    ngx.say(t.line(t.new { http_host = t.here("/e2") }:watch(t.key())))
    ngx.say(t.counted("e1"), " ", t.counted("e2"))
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
nil | has no healthy etcd endpoint available | no_endpoint
1 0



=== TEST 15: a write with unknown outcome is not retried
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    for _, kind in ipairs { "e1", "dropped" } do
        local cli = t.new { http_host = { t.here("/" .. kind), t.here("/good") }, init_count = -1 }
        local _, err, details = cli:set(t.key(), 1)
        ngx.say((err:gsub("^http://%S+: ", "")), " | ", details.maybe_applied, " ", details.retryable)
        ngx.say(t.counted(kind), " ", t.counted("good"))
    end
--- response_body
invalid response code: 503, no leader | true false
1 0
closed | true false
1 0
--- no_error_log
Retrying
[error]



=== TEST 16: each kind of write is sent once, each kind of read is retried
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { retry = true, fail_timeout = 0 }
    local cli = t.new { http_host = { t.here("/dropped"), t.here("/good") } }
    local key = t.key()
    local row = { key = key, target = "CREATE", result = "EQUAL", create_revision = 0 }
    local calls = {
        { "set", key, 1 }, { "setnx", key, 1 }, { "setx", key, 1 }, { "delete", key }, { "rmdir", key },
        { "txn", { row }, { { requestPut = { key = key, value = 1 } } } }, { "grant", 10, 77 }, { "revoke", 1 },
        { "grant", 10 }, { "txn", { row }, { { requestRange = { key = key } } } }, { "get", key }, { "readdir", key }, { "leases" }, { "timetolive", 1 },
    }
    for _, call in ipairs(calls) do
        cli.init_count = -1
        local before = t.counted("good")
        local name = call[1]
        local res = cli[name](cli, unpack(call, 2))
        ngx.say(name, " ", res and res.status, " ", t.counted("good") - before)
    end
--- response_body
set nil 0
setnx nil 0
setx nil 0
delete nil 0
rmdir nil 0
txn nil 0
grant nil 0
revoke nil 0
grant 200 1
txn 200 1
get 200 1
readdir 200 1
leases 200 1
timetolive 200 1



=== TEST 17: a write that was certainly not sent is retried on another endpoint
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    local cli = t.new { http_host = { "http://127.0.0.1:1", t.here("/good") }, init_count = -1 }
    local key = t.key()
    ngx.say(cli:set(key, 1).status, " ", t.counted("good"))
    ngx.say(cli:delete(key).body.deleted)
--- response_body
200 1
1
--- error_log
http://127.0.0.1:1: connection refused. Retrying



=== TEST 18: a watch is retried on another endpoint like a call
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    local cli = t.new { http_host = { t.here("/e1"), "http://127.0.0.1:1", t.bed.single.http }, init_count = -1 }
    local reader, err = cli:watch(t.key())
    assert(reader, err)
    ngx.say(reader().result.created, " ", t.counted("e1"), " ", cli.init_count)
--- response_body
true 1 2



=== TEST 19: a call is retried while its time budget lasts, and not after #alone
--- config
    location /slow/ {
        content_by_lua_block {
            require("testlib").count("slow")
            ngx.sleep(3)
        }
    }
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { retry = true }
    local cli = t.new { http_host = { t.here("/slow"), t.here("/good") }, init_count = -1 }
    ngx.say(cli:get(t.key(), { timeout = 1 }) ~= nil)
    ngx.say(t.counted("slow"), " ", t.counted("good"))
    cli = t.new { http_host = { t.here("/slow/a"), t.here("/slow/b") }, init_count = -1 }
    ngx.say((t.line(cli:get(t.key(), { timeout = 1 })):gsub("http://%S+: ", "")))
    ngx.say(t.counted("slow"))
--- response_body
true
1 1
nil | timeout | timeout
3
