use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# The module: modes, settings, results, state in a shared dict. Each block runs in a separate nginx.
log_level('info');
no_long_string();
run_tests();

__DATA__

=== TEST 1: before init, there are no settings and no status
--- lua
    local health_check = require "resty.etcd.health_check"
    ngx.say(health_check.conf)
    local status, err = health_check.get_target_status("http://a.test:2379")
    ngx.say(status, " | ", err)
    local res
    res, err = health_check.report_failure("http://a.test:2379")
    ngx.say(res, " | ", err)
--- response_body
nil
nil | etcd health check uninitialized
nil | etcd health check uninitialized



=== TEST 2: a client initializes it with the defaults if no program did
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    t.new()
    local conf = health_check.conf
    ngx.say(conf.shm_name, " ", conf.fail_timeout, " ", conf.max_fails, " ", conf.retry)
    ngx.say(health_check.get_check_mode() == health_check.ROUND_ROBIN_MODE)
--- response_body
nil 10 1 false
true
--- error_log
healthy check use round robin



=== TEST 3: a client keeps the settings of an earlier init
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { shm_name = "etcd_health", fail_timeout = 3, max_fails = 4, retry = true }
    t.new()
    local conf = health_check.conf
    ngx.say(conf.shm_name, " ", conf.fail_timeout, " ", conf.max_fails, " ", conf.retry)
    ngx.say(health_check.get_check_mode() == health_check.SHARED_DICT_MODE)
--- response_body
etcd_health 3 4 true
true
--- no_error_log
healthy check use round robin
[error]



=== TEST 4: init returns the module, and sets the mode
--- lua
    local health_check = require "resty.etcd.health_check"
    ngx.say(health_check.init {} == health_check)
    local seen = {}
    for _, name in ipairs { "ROUND_ROBIN_MODE", "SHARED_DICT_MODE", "DISABLED_MODE" } do
        local mode = health_check[name]
        ngx.say(name, " ", mode ~= nil and seen[mode] == nil)
        seen[mode] = true
    end
--- response_body
true
ROUND_ROBIN_MODE true
SHARED_DICT_MODE true
DISABLED_MODE true



=== TEST 5: init returns an error if the shared dict does not exist
--- lua
    local health_check = require "resty.etcd.health_check"
    local res, err = health_check.init { shm_name = "no_such_dict" }
    ngx.say(res, " | ", err)
    ngx.say(health_check.conf)
    health_check.init { fail_timeout = 7 }
    res, err = health_check.init { shm_name = "no_such_dict", fail_timeout = 8 }
    ngx.say(res, " | ", err)
    ngx.say(health_check.conf.fail_timeout)
--- response_body
nil | failed to get ngx.shared dict: no_such_dict
nil
nil | failed to get ngx.shared dict: no_such_dict
7



=== TEST 6: a later init switches between modes and dicts
--- lua
    local health_check = require "resty.etcd.health_check"
    local host = "http://a.test:2379"
    local function show()
        ngx.say(health_check.get_check_mode(), " ", health_check.conf.shm_name, " ", health_check.get_target_status(host))
    end
    health_check.init()
    health_check.report_failure(host)
    show()
    health_check.init { shm_name = "etcd_health" }
    show()
    health_check.report_failure(host)
    show()
    health_check.init { shm_name = "etcd_health2" }
    show()
    health_check.init { shm_name = "etcd_health" }
    show()
    health_check.init {}
    show()
--- response_body_like eval
qr/\A(\S+) nil false
(\S+) etcd_health true
\2 etcd_health false
\2 etcd_health2 true
\2 etcd_health false
\1 nil false
\z/



=== TEST 7: round-robin mode bans a host at its first failure for fail_timeout, independent of max_fails
--- lua
    local health_check = require "resty.etcd.health_check"
    health_check.init { fail_timeout = 0.3, max_fails = 5 }
    local host = "http://a.test:2379"
    ngx.say(health_check.get_target_status(host))
    health_check.report_failure(host)
    ngx.say(health_check.get_target_status(host))
    ngx.say(health_check.get_target_status("http://b.test:2379"))
    ngx.sleep(0.35)
    ngx.say(health_check.get_target_status(host))
--- response_body
true
false
true
true
--- error_log
update endpoint: http://a.test:2379 to unhealthy



=== TEST 8: values that are not hosts are never healthy
--- lua
    local health_check = require "resty.etcd.health_check"
    local function show(...)
        local status, err = health_check.get_target_status(...)
        ngx.say(status, " | ", err)
        local res
        res, err = health_check.report_failure(...)
        ngx.say(res, " | ", err)
    end
    health_check.init()
    show(nil)
    show({})
    health_check.init { shm_name = "etcd_health" }
    show(nil)
--- response_body
false | etcd host invalid
nil | etcd host invalid
false | etcd host invalid
nil | etcd host invalid
false | etcd host invalid
nil | etcd host invalid
--- no_error_log
to unhealthy
[error]



=== TEST 9: the shared dict has a counter per host, and a flag from max_fails on
--- lua
    local health_check = require "resty.etcd.health_check"
    local dict = ngx.shared.etcd_health
    health_check.init { shm_name = "etcd_health", max_fails = 2, fail_timeout = 30 }
    local host = "http://a.test:2379"
    local function show()
        ngx.say(dict:get(host), " ", dict:get("unhealthy-" .. host) ~= nil, " ", health_check.get_target_status(host))
    end
    health_check.report_failure(host)
    show()
    health_check.report_failure(host)
    show()
    local ttl = dict:ttl("unhealthy-" .. host)
    ngx.say(ttl > 25 and ttl <= 30)
    local known = 0
    for _, key in ipairs(dict:get_keys()) do
        known = known + (key:find("^resty.etcd|") and 0 or 1) -- others are the driver's own
    end
    ngx.say(known)
--- response_body
1 false true
2 true false
true
2
--- grep_error_log: update endpoint: http://a.test:2379 to unhealthy
--- grep_error_log_out
update endpoint: http://a.test:2379 to unhealthy



=== TEST 10: the counter expires fail_timeout after the first failure, the flag fail_timeout after it was set
--- lua
    local health_check = require "resty.etcd.health_check"
    local dict = ngx.shared.etcd_health
    health_check.init { shm_name = "etcd_health", max_fails = 2, fail_timeout = 1.5 }
    local host = "http://a.test:2379"
    health_check.report_failure(host)
    ngx.sleep(1)
    health_check.report_failure(host)
    ngx.say(dict:get(host), " ", health_check.get_target_status(host))
    ngx.sleep(1)
    ngx.say(dict:get(host), " ", health_check.get_target_status(host))
    ngx.sleep(1)
    ngx.say(dict:get(host), " ", health_check.get_target_status(host))
    health_check.report_failure(host)
    ngx.say(dict:get(host), " ", health_check.get_target_status(host))
--- response_body
2 false
nil false
nil true
1 true
--- timeout: 10



=== TEST 11: a flag set by another program counts
--- lua
    local health_check = require "resty.etcd.health_check"
    health_check.init { shm_name = "etcd_health" }
    ngx.shared.etcd_health:set("unhealthy-http://a.test:2379", 1)
    ngx.say(health_check.get_target_status("http://a.test:2379"))
    ngx.shared.etcd_health:delete("unhealthy-http://a.test:2379")
    ngx.say(health_check.get_target_status("http://a.test:2379"))
--- response_body
false
true



=== TEST 12: after disable, all hosts are healthy, nothing is reported, and a call has one attempt
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    local host = "http://127.0.0.1:1"
    health_check.init { retry = true }
    health_check.report_failure("http://a.test:2379")
    health_check.disable()
    ngx.say(health_check.get_check_mode() == health_check.DISABLED_MODE)
    ngx.say(health_check.get_target_status("http://a.test:2379"))
    local cli = t.new { http_host = { host, t.bed.single.http }, init_count = -1 }
    ngx.say(t.line(cli:get(t.key())))
    ngx.say(health_check.get_target_status(host))
    health_check.init { shm_name = "etcd_health", retry = true }
    ngx.say(health_check.get_check_mode() == health_check.DISABLED_MODE)
    health_check.report_failure(host)
    ngx.say(#ngx.shared.etcd_health:get_keys(), " ", health_check.get_target_status(host))
    cli.init_count = -1
    ngx.say(t.line(cli:get(t.key())))
--- response_body
true
true
nil | http://127.0.0.1:1: connection refused | connect_failed
true
true
0 true
nil | http://127.0.0.1:1: connection refused | connect_failed
--- no_error_log
update endpoint: http://127.0.0.1:1
Retrying
[error]



=== TEST 13: disable without init lets clients work
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.disable()
    ngx.say(health_check.get_target_status("http://a.test:2379"))
    ngx.say(t.new():get(t.key()).status)
    ngx.say(health_check.get_check_mode() == health_check.DISABLED_MODE)
--- response_body
true
200
true



=== TEST 14: disable removes earlier bans, and calls run immediately and concurrently
--- config
    location /slow/ {
        access_by_lua_block {
            ngx.sleep(0.6)
        }
        proxy_pass $TEST_NGINX_ETCD/;
    }
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    local cli = t.new { http_host = t.here("/slow") }
    health_check.report_failure(t.here("/slow"))
    ngx.say(t.line(cli:get(t.key())))
    health_check.disable()
    local threads = {}
    for i = 1, 3 do
        threads[i] = ngx.thread.spawn(function()
            return (cli:get(t.key(), { timeout = 1.1 }) or {}).status
        end)
    end
    for i = 1, 3 do
        ngx.say(select(2, ngx.thread.wait(threads[i])))
    end
--- response_body
nil | has no healthy etcd endpoint available | no_endpoint
200
200
200
