use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Callbacks of watchers when nginx has no timers left, and when the worker is exiting.
master_on();
workers(1);
no_long_string();

run_tests();

__DATA__

=== TEST 1: a watcher whose timers nginx dropped calls back once timers are available
--- http_config: lua_max_running_timers 4;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    assert(timers.take(4))
    local seen = {}
    local watcher = assert(cli:watcher("/t/082/", { prefix = true, on_batch = function(batch)
        seen[#seen + 1] = batch.events[1].kv.value
    end }))
    ngx.sleep(0.1)
    timers.give_back()
    for i = 1, 3 do
        assert(cli:set("/t/082/a", i))
    end
    ngx.say(timers.eventually(function() return #seen == 3 end))
    ngx.say(table.concat(seen, " "))
    watcher:close()
    assert(cli:rmdir("/t/082/"))
--- response_body
true
1 2 3
--- error_log eval: qr/\[alert\].*lua_max_running_timers are not enough/
--- timeout: 60



=== TEST 2: callbacks continue in order in their timer if no other is available
--- http_config: lua_max_running_timers 5;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    local seen, in_order = 0, true
    local watcher = assert(cli:watcher("/t/082/", { prefix = true, on_batch = function(batch)
        seen = seen + 1
        in_order = in_order and batch.events[1].kv.value == seen
        if seen == 1000 then
            timers.ask() -- before the timer in which the callbacks would continue
        end
    end }))
    assert(timers.eventually(function() return watcher:state() == "watching" end))
    assert(timers.take(2)) -- the stream, the callback and the supervisor use the others
    for i = 1, 2100 do
        assert(cli:set("/t/082/a", i))
    end
    ngx.say(timers.eventually(function() return seen == 2100 end))
    timers.give_back()
    for i = 2101, 3100 do
        assert(cli:set("/t/082/a", i))
    end
    ngx.say(timers.eventually(function() return seen == 3100 end))
    ngx.say(in_order)
    watcher:close()
    assert(cli:rmdir("/t/082/"))
--- response_body
true
true
true
--- error_log eval: qr/\[alert\].*lua_max_running_timers are not enough/
--- timeout: 60



=== TEST 3: an exiting worker does not wait for pending callbacks
--- config
    location = /reload {
        content_by_lua_block {
            local timers = require "timers"
            local cli, dict = require("testlib").new(), ngx.shared.test
            package.loaded.kept = assert(cli:watcher("/t/082/", { prefix = true, on_batch = function()
                dict:incr("called", 1, 0)
                ngx.sleep(0.5)
            end }))
            for i = 1, 60 do
                assert(cli:set("/t/082/a", i))
            end
            dict:set("old", ngx.worker.pid())
            local file = io.open(ngx.config.prefix() .. "logs/nginx.pid")
            local master = file:read("*n")
            file:close()
            require("ffi").cdef "int kill(int, int);"
            require("ffi").C.kill(master, 1)
            ngx.say(timers.eventually(ngx.worker.exiting))
        }
    }
    location = /after {
        content_by_lua_block {
            local timers = require "timers"
            local dict = ngx.shared.test
            pcall(require("ffi").cdef, "int kill(int, int);")
            ngx.say(timers.eventually(function() return require("ffi").C.kill(dict:get("old"), 0) ~= 0 end))
            ngx.say(dict:get("called") < 20)
            assert(require("testlib").new():rmdir("/t/082/"))
        }
    }
--- request eval
["GET /reload", "GET /after"]
--- response_body eval
["true\n", "true\ntrue\n"]
--- no_error_log
[error]
[alert]
--- timeout: 60
