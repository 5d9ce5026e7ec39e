use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

no_long_string();
run_tests();

__DATA__

=== TEST 1: a mirror created in init_worker can be read in every phase of a request
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        package.loaded.dir = t.key()
        package.loaded.early_error = select(2, t.new():mirror("/"))
        seen = {}
        function look(phase)
            local m = package.loaded.mirror
            local value, kv = m:get(package.loaded.dir .. "1")
            local none, why = m:get(package.loaded.dir .. "none")
            local reads = {
                value.n, kv.version, tostring(none), tostring(why), #m:all(), #m:prefix(package.loaded.dir .. "2"),
                #m:by("n", 1), m:count(), tostring(m:ready()), tostring(m:revision() > 0), m:version(),
                tostring(m:age() < 10), m:state().status, m:stats().puts, tostring(next(m:invalid())),
            }
            seen[phase] = table.concat(reads, " ")
        end
    }
    init_worker_by_lua_block {
        local t = require "testlib"
        local m = assert(t.new():mirror(package.loaded.dir, { index = { n = function(value) return value.n end } }))
        package.loaded.mirror = m
        package.loaded.not_ready = select(3, m:get("/x"))
        package.loaded.cannot_wait = tostring(select(2, m:wait_ready(1)))
    }
    upstream there {
        server 0.0.0.1;
        balancer_by_lua_block {
            look "balancer"
            require("ngx.balancer").set_current_peer("127.0.0.1", os.getenv("TEST_NGINX_SERVER_PORT"))
        }
    }
--- config
    location = /ready {
        content_by_lua_block {
            local t = require "testlib"
            local dir, m, cli = package.loaded.dir, package.loaded.mirror, t.new()
            cli:set(dir .. "1", { n = 1 })
            local res = cli:set(dir .. "2", { n = 2 })
            assert(m:wait_ready(5))
            for _ = 1, 500 do
                if m:revision() >= tonumber(res.body.header.revision) then
                    break
                end
                ngx.sleep(0.01)
            end
            ngx.say(package.loaded.early_error)
            ngx.say(package.loaded.not_ready)
            ngx.say((package.loaded.cannot_wait:gsub(":.*", "")))
        }
    }
    location = /in {
        set_by_lua_block $ignored { look "set" return "" }
        rewrite_by_lua_block { look "rewrite" }
        access_by_lua_block { look "access" }
        header_filter_by_lua_block { look "header_filter" ngx.header.content_length = nil }
        body_filter_by_lua_block { look "body_filter" }
        log_by_lua_block { look "log" }
        proxy_pass http://there/plain;
    }
    location = /plain { return 200 "ok\n"; }
    location = /out {
        content_by_lua_block {
            look "content"
            assert(ngx.timer.at(0, function() look "timer" end))
            ngx.sleep(0.05)
            local version = package.loaded.mirror:version()
            assert(version >= 1 and version <= 3)
            local puts = package.loaded.mirror:stats().puts
            local wanted = ("1 1 nil nil 2 1 1 2 true true %d true ready %d nil"):format(version, puts)
            for _, phase in ipairs {
                "set", "rewrite", "access", "balancer", "header_filter", "body_filter", "log", "content", "timer",
            } do
                ngx.say(phase, ": ", seen[phase] == wanted and "read" or seen[phase] or "nothing")
            end
            require "testlib".new():rmdir(package.loaded.dir)
        }
    }
--- request eval
["GET /ready", "GET /in", "GET /out"]
--- response_body eval
["mirrors cannot be created in init: no worker process exists yet
not ready
waiting for the mirror
", "ok
", "set: read
rewrite: read
access: read
balancer: read
header_filter: read
body_filter: read
log: read
content: read
timer: read
"]
--- no_error_log
[error]
[alert]



=== TEST 2: waiting for a mirror returns an error in phases that cannot yield
--- http_config
    init_worker_by_lua_block {
        local t = require "testlib"
        package.loaded.mirror = assert(t.new { http_host = "http://127.0.0.1:1" }:mirror("/"))
    }
--- config
    location = /t {
        header_filter_by_lua_block {
            local ok, _, details = package.loaded.mirror:wait_ready(1)
            ngx.header["X-Error"] = tostring(ok) .. " " .. details.name
            ngx.header["X-Read"] = select(3, package.loaded.mirror:get("/x"))
        }
        content_by_lua_block { ngx.say "ok" }
    }
--- response_headers
X-Error: nil not_in_phase
X-Read: not ready
--- response_body
ok
--- no_error_log
[alert]
