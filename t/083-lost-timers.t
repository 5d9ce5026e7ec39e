use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Mirrors and registrations whose timers are dropped by nginx, or ended by a callback.
master_on();
workers(1);
no_long_string();

run_tests();

__DATA__

=== TEST 1: a mirror whose first timer nginx dropped starts once timers are available
--- http_config: lua_max_running_timers 4;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    assert(cli:set("/t/083/a", 1))
    assert(timers.take(4))
    local mirror = assert(cli:mirror("/t/083/"))
    ngx.sleep(0.1)
    ngx.say(mirror:ready())
    assert(timers.give_back())
    ngx.say(mirror:wait_ready(15))
    ngx.say((mirror:get("/t/083/a")))
    mirror:close()
    assert(cli:rmdir("/t/083/"))
--- response_body
false
true
1
--- error_log eval: qr/\[alert\].*lua_max_running_timers are not enough/
--- timeout: 60



=== TEST 2: a mirror continues when an on_change callback or a transform ends its timer
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    assert(cli:set("/t/083/a", 1))
    local ends = ""
    local mirror = assert(cli:mirror("/t/083/", { transform = function(value)
        if ends == "transform" then
            ends = ""
            ngx.exit(0)
        end
        return value
    end }))
    assert(mirror:wait_ready(5))
    local last
    mirror:on_change(function(notification)
        last = notification.changes[#notification.changes].kv.value
        if ends == "on_change" then
            ends = ""
            ngx.exit(0)
        end
    end)
    for i, who in ipairs { "on_change", "transform" } do
        ends = who
        assert(cli:set("/t/083/a", i * 10))
        ngx.say(timers.eventually(function() return ends == "" end))
        assert(cli:set("/t/083/a", i * 10 + 1))
        ngx.say(timers.eventually(function() return mirror:get("/t/083/a") == i * 10 + 1 end))
        ngx.say(timers.eventually(function() return last == i * 10 + 1 end))
    end
    ngx.say(mirror:index("values", function(value) return value end))
    ngx.say(timers.eventually(function() return #(mirror:by("values", 21) or {}) == 1 end))
    mirror:close()
    assert(cli:rmdir("/t/083/"))
--- response_body
true
true
true
true
true
true
true
true
--- error_log: a callback terminated the mirror's timer
--- no_error_log
[error]
--- timeout: 60



=== TEST 3: a registration is renewed while nginx has no timer left, and starts when there are timers again
--- http_config: lua_max_running_timers 5;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    local registrations = require "resty.etcd.discovery.registration"
    local reg = assert(registrations.new(cli, "/t/083/peer", "x", 2))
    ngx.say(timers.eventually(function() return reg:state().registered end))
    assert(timers.take(3)) -- the registration and the supervisor use the others
    ngx.sleep(3) -- longer than the TTL
    ngx.say(reg:state().registered)
    reg:close()
    ngx.say(timers.eventually(function() return not cli:get("/t/083/peer").body.kvs end))
    assert(timers.take(5))
    reg = assert(registrations.new(cli, "/t/083/peer", "x", 2))
    ngx.sleep(1.5)
    ngx.say(reg:state().registered)
    assert(timers.give_back())
    ngx.say(timers.eventually(function() return reg:state().registered end))
    ngx.say(#cli:get("/t/083/peer").body.kvs)
    reg:close()
    ngx.say(timers.eventually(function() return not cli:get("/t/083/peer").body.kvs end))
--- response_body
true
true
true
false
true
1
true
--- error_log eval: qr/\[alert\].*lua_max_running_timers are not enough/
--- timeout: 60
