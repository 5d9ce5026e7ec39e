use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# nginx logs each timeout of a socket unless lua_socket_log_errors is off. Here it is on, which is the default.
no_long_string();

run_tests();

__DATA__

=== TEST 1: an idle watch logs nothing
--- config
    lua_socket_log_errors on;
--- lua
    local t = require "testlib"
    local cli = t.new()
    local key = t.key()
    local read = assert(cli:watchdir(key, { timeout = 10 }))
    ngx.say(read().result.created)
    ngx.timer.at(1.6, function() t.new():set(key .. "/1", "seen") end)
    ngx.say(read().result.events[1].kv.value)
    cli:rmdir(key)
--- response_body
true
seen
--- no_error_log
[error]
[crit]
timed out
--- timeout: 10
