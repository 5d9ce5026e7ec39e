use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Watchers, workers and reloads.
master_on();
workers(2);
no_long_string();

# Each worker watches the key from its start, and records the events in the shared dict.
our $following = <<'_EOC_';
    init_worker_by_lua_block {
        local t = require "testlib"
        local dict = ngx.shared.test
        local watcher = assert(t.new():watcher("/t/080/", {
            prefix = true, list = true, on_batch = function(batch)
                for _, event in ipairs(batch.events) do
                    dict:set(ngx.worker.pid() .. event.kv.key, event.kv.value or "deleted")
                end
            end,
        }))
        dict:lpush("pids", ngx.worker.pid())
        package.loaded.kept_watcher = watcher
    }
    init_by_lua_block {
        _G.eventually = require("timers").eventually

        function _G.pids()
            local dict, pids = ngx.shared.test, {}
            for i = 1, dict:llen("pids") do
                pids[i] = dict:rpop("pids")
                dict:lpush("pids", pids[i])
            end
            return pids
        end
    }
_EOC_

run_tests();

__DATA__

=== TEST 1: each worker watches a prefix from init_worker_by_lua on
--- http_config eval: $main::following
--- lua
    local t = require "testlib"
    local cli, dict = t.new(), ngx.shared.test
    ngx.say(eventually(function() return #pids() == 2 end))
    local value = ngx.now() .. ""
    assert(cli:set("/t/080/a", value))
    for _, pid in ipairs(pids()) do
        ngx.say(eventually(function() return dict:get(pid .. "/t/080/a") == value end))
    end
    assert(cli:rmdir("/t/080/"))
    for _, pid in ipairs(pids()) do
        ngx.say(eventually(function() return dict:get(pid .. "/t/080/a") == "deleted" end))
    end
--- response_body
true
true
true
true
true



=== TEST 2: an exiting worker ends within seconds without log lines, and the next one continues
--- http_config eval: $main::following
--- config
    lua_socket_log_errors on;
    location = /reload {
        content_by_lua_block {
            local dict = ngx.shared.test
            local watcher = assert(require("testlib").new():watcher("/t/080", { list = true }))
            watcher:next(5)
            package.loaded.kept_too = watcher
            assert(eventually(function() return #pids() == 2 end))
            assert(eventually(function() return package.loaded.kept_watcher:state() == "watching" end))
            dict:set("old", table.concat(pids(), " "))
            local file = io.open(ngx.config.prefix() .. "logs/nginx.pid")
            local master = file:read("*n")
            file:close()
            require("ffi").cdef "int kill(int, int);"
            dict:set("started", ngx.now())
            require("ffi").C.kill(master, 1)
            ngx.say(eventually(function() return #pids() == 4 end))
            -- the old workers accept connections until they receive the signal, and must not check themselves
            assert(eventually(ngx.worker.exiting))
            for pid in dict:get("old"):gmatch("%d+") do
                local is_other = tonumber(pid) ~= ngx.worker.pid()
                assert(not is_other or eventually(function() return require("ffi").C.kill(tonumber(pid), 0) ~= 0 end))
            end
        }
    }
    location = /after {
        content_by_lua_block {
            local t = require "testlib"
            local cli, dict = t.new(), ngx.shared.test
            local C = require("ffi").C
            pcall(require("ffi").cdef, "int kill(int, int);")
            local old = dict:get("old")
            for pid in old:gmatch("%d+") do
                ngx.say(eventually(function() return C.kill(tonumber(pid), 0) ~= 0 end))
            end
            ngx.say(ngx.now() - dict:get("started") < 10)
            local value = ngx.now() .. ""
            assert(cli:set("/t/080/a", value))
            for _, pid in ipairs(pids()) do
                if not old:find(pid, 1, true) then
                    ngx.say(eventually(function() return dict:get(pid .. "/t/080/a") == value end))
                end
            end
            assert(cli:rmdir("/t/080/"))
        }
    }
--- request eval
["GET /reload", "GET /after"]
--- response_body eval
["true\n", "true\ntrue\ntrue\ntrue\ntrue\n"]
--- no_error_log
[error]
[warn]
[alert]
--- timeout: 20
