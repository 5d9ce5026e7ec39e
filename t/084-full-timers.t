use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Other programs use up all running and all pending timers for three TTLs of a registration; modules that each request
# loads again leave no timer behind.
master_on();
workers(1);
no_long_string();

run_tests();

__DATA__

=== TEST 1: what runs continues while no timer is available, and lends its timers to what starts
--- http_config: lua_max_running_timers 12; lua_max_pending_timers 32;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    local registrations = require "resty.etcd.discovery.registration"
    local reg = assert(registrations.new(cli, "/t/084/peer", "x", 2))
    local seen = { on_change = 0, on_batch = 0, next = 0 }
    local mirror = assert(cli:mirror("/t/084/k"))
    local shared = assert(cli:mirror("/t/084/k", { mode = "shared", shm_name = "test" }))
    assert(mirror:wait_ready(10))
    assert(shared:wait_ready(10))
    mirror:on_change(function() seen.on_change = seen.on_change + 1 end)
    local pushed = assert(cli:watcher("/t/084/k", { prefix = true, on_batch = function(batch)
        seen.on_batch = seen.on_batch + (batch and #batch.events or 0)
    end }))
    local pulled = assert(cli:watcher("/t/084/k", { prefix = true }))
    ngx.say(timers.eventually(function() return reg:state().registered and pushed:state() == "watching" end))
    assert(cli:set("/t/084/k", 0))
    assert(timers.eventually(function() return seen.on_change == 1 and seen.on_batch == 1 end))
    assert(pulled:next(5))

    -- all running timers, then all pending ones
    local free = 12 - ngx.timer.running_count()
    assert(timers.take(free))
    local function wait() end
    while ngx.timer.at(3600, wait) do end -- luacheck: ignore 542
    ngx.say(ngx.timer.running_count(), " ", ngx.timer.pending_count())

    local late = assert(cli:mirror("/t/084/other/", { transform = function(value) return value end }))
    local testlib = require "testlib"
    ngx.say(testlib.new(testlib.root()):get("/t/084/none").status) -- with a login
    local lost = 0
    for i = 1, 7 do
        assert(cli:set("/t/084/k", i))
        local batch = assert(pulled:next(5))
        seen.next = seen.next + #batch.events
        ngx.sleep(1)
        if not reg:state().registered or reg:state().err then
            lost = lost + 1
        end
    end
    ngx.say("lost ", lost, ", renewed ", reg:state().renewals > 3, ", losses ", reg:state().losses)
    ngx.say(seen.on_change, " ", seen.on_batch, " ", seen.next, " ", (mirror:get("/t/084/k")), " ", (shared:get("/t/084/k")))
    ngx.say(late:ready(), " ", late:state().err) -- in the timers of the others
    timers.give_back()
    for _, object in ipairs { reg, mirror, shared, pushed, pulled, late } do
        object:close()
    end
    assert(cli:rmdir("/t/084/"))
--- response_body
true
12 32
200
lost 0, renewed true, losses 0
8 8 7 7 7
true nil
--- timeout: 60



=== TEST 2: what nginx has no timer for says so in its state and in one log line, and starts later
--- http_config: lua_max_running_timers 6;
--- lua
    local timers = require "timers"
    local cli = require("testlib").new()
    local registrations = require "resty.etcd.discovery.registration"
    local reg = assert(registrations.new(cli, "/t/084/peer", "x", 2))
    ngx.say(timers.eventually(function() return reg:state().registered and ngx.timer.running_count() == 2 end))
    assert(timers.take(4))
    local mirror = assert(cli:mirror("/t/084/", { transform = function(value) return value end }))
    ngx.say(timers.eventually(function() return mirror:state().err end))
    ngx.say(mirror:state().err)
    ngx.sleep(3) -- the line is not repeated
    ngx.say(reg:state().registered)
    assert(timers.give_back())
    ngx.say(mirror:wait_ready(15))
    ngx.say(mirror:state().err)
    mirror:close()
    reg:close()
    ngx.say(timers.eventually(function() return not cli:get("/t/084/peer").body.kvs end))
--- response_body
true
true
timer: not started: lua_max_running_timers, lua_max_pending_timers or worker_connections is reached
true
true
nil
true
--- grep_error_log eval: qr{mirror of /t/084/: timer: not started[^,]*}
--- grep_error_log_out
mirror of /t/084/: timer: not started: lua_max_running_timers
--- timeout: 60



=== TEST 3: modules that each request loads again leave no timer behind
--- http_config: lua_code_cache off;
--- config
    location = /make {
        content_by_lua_block {
            local cli = require("testlib").new()
            local mirror = assert(cli:mirror("/t/084/", { transform = function(value) return value end }))
            local watcher = assert(cli:watcher("/t/084/", { prefix = true, on_batch = function() end }))
            ngx.say(mirror:wait_ready(10))
            mirror:close()
            watcher:close()
        }
    }
    location = /count {
        content_by_lua_block {
            local stop = ngx.now() + 10
            while ngx.timer.running_count() + ngx.timer.pending_count() > 0 and ngx.now() < stop do
                ngx.sleep(0.1)
            end
            ngx.say(ngx.timer.running_count(), " ", ngx.timer.pending_count())
        }
    }
--- request eval
["GET /make", "GET /make", "GET /make", "GET /count"]
--- response_body eval
["true\n", "true\n", "true\n", "0 0\n"]
--- timeout: 60
