use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Watchers in nginx's phases, and in its error log.
no_long_string();
run_tests();

__DATA__

=== TEST 1: a watcher in init_by_lua is an error, because there are no timers
--- http_config
    init_by_lua_block {
        local watcher, err, details = require("testlib").new():watcher("/t/080")
        package.loaded.early = { tostring(watcher), details.name, err }
    }
--- lua
    ngx.say(table.concat(require "early", "\n"))
--- response_body
nil
not_in_phase
watches need timers, which the init phase does not have



=== TEST 2: a watcher created in a request works in later requests, and any can close it
--- config
    location = /make {
        content_by_lua_block {
            package.loaded.kept = assert(require("testlib").new():watcher("/t/080b/", { prefix = true }))
            ngx.say("made")
        }
    }
    location = /use {
        content_by_lua_block {
            local watcher = package.loaded.kept
            local cli = require("testlib").new()
            for i = 1, 3 do
                assert(cli:set("/t/080b/a", i))
                ngx.say(watcher:next(5).events[1].kv.value)
            end
            assert(cli:rmdir("/t/080b/"))
        }
        log_by_lua_block {
            -- the deletion can have arrived already; this phase cannot wait for it
            local batch, err = package.loaded.kept:next(0)
            ngx.shared.test:set("in log", batch and batch.events[1].type or err)
        }
    }
    location = /close {
        content_by_lua_block {
            local watcher = package.loaded.kept
            watcher:close()
            ngx.say(select(3, watcher:next(1)).name, " ", watcher:state())
            local said = ngx.shared.test:get("in log")
            ngx.say(said == "DELETE" or said == "timeout")
        }
    }
--- request eval
["GET /make", "GET /use", "GET /close"]
--- response_body eval
["made\n", "1\n2\n3\n", "closed closed\ntrue\n"]
--- no_error_log
[error]
[alert]



=== TEST 3: an idle watcher logs nothing, also when its stream is probed, and keeps the stream
--- config
    lua_socket_log_errors on;
--- lua
    local watcher = assert(require("testlib").new():watcher("/t/080c", { idle_timeout = 1.2 }))
    ngx.say(tostring(select(2, watcher:next(4))))
    ngx.say(watcher:stats().opened)
    watcher:close()
--- response_body
timeout
1
--- no_error_log
[error]
[warn]
[crit]
timed out
--- timeout: 10
