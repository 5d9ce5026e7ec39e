use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

master_on();
workers(1);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a reload ends mirrors, their callbacks and registrations of old workers within seconds, and new workers replace them
--- http_config
    init_worker_by_lua_block {
        local t = require "testlib"
        local dict = ngx.shared.test
        if not dict:get("dir") then
            dict:set("dir", t.key())
        end
        local discovery = require "resty.etcd.discovery"
        local cli = t.new { key_prefix = dict:get("dir") }
        package.loaded.cli = cli
        package.loaded.mirror = assert(cli:mirror("/"))
        assert(package.loaded.mirror:on_change(function() ngx.sleep(1000) end)) -- must not delay the exit
        local instance = { host = "127.0.0.1", port = 80 }
        package.loaded.registration = assert(discovery.register(cli, "web", instance, { ttl = 60 }))
    }
--- config
    location = /t {
        content_by_lua_block {
            local dict, m = ngx.shared.test, package.loaded.mirror
            assert(m:wait_ready(5))
            for _ = 1, 500 do
                if package.loaded.registration:state().registered and m:count() == 1 then
                    break
                end
                ngx.sleep(0.01)
            end
            dict:set("old", ngx.worker.pid())
            dict:set("lease", assert(package.loaded.registration:state().lease))
            ngx.say(m:count())
            require("reload")()
        }
    }
    location = /after {
        content_by_lua_block {
            local dict, m = ngx.shared.test, package.loaded.mirror
            local ffi = require "ffi"
            ffi.cdef "int kill(int, int);"
            local old = dict:get("old")
            ngx.say(ngx.worker.pid() ~= old)
            assert(m:wait_ready(5))
            local waited = 0
            while ffi.C.kill(old, 0) == 0 and waited < 5 do
                waited = waited + 0.01
                ngx.sleep(0.01)
            end
            ngx.say(waited < 3)
            local key = "/services/web/127.0.0.1:80"
            for _ = 1, 300 do
                local _, kv = m:get(key)
                if kv and kv.lease == package.loaded.registration:state().lease then
                    break
                end
                ngx.sleep(0.01)
            end
            local _, kv = m:get(key)
            ngx.say(kv ~= nil and kv.lease == package.loaded.registration:state().lease)
            ngx.say(kv ~= nil and kv.lease ~= dict:get("lease"))
            for _, lease in ipairs(package.loaded.cli:leases().body.leases or {}) do
                assert(lease.ID ~= dict:get("lease"), "the old worker's lease is still there")
            end
            package.loaded.registration:close()
            for _ = 1, 300 do
                if m:count() == 0 then
                    break
                end
                ngx.sleep(0.01)
            end
            ngx.say(m:count())
        }
    }
--- request eval
["GET /t", "GET /after"]
--- response_body eval
["1
", "true
true
true
true
0
"]
--- no_error_log
[error]
[alert]



=== TEST 2: nothing throws in exit_worker_by_lua, which has neither sockets nor timers
--- http_config
    exit_worker_by_lua_block {
        local t = require "testlib"
        if not package.loaded.early then
            return
        end
        local lines = {}
        local function try(name, fn, ...)
            local ok, res, err, details = pcall(fn, ...)
            local at = type(err) == "table" and err.name or details and details.name
            lines[#lines + 1] = name .. ": " .. (ok and tostring(res) .. " " .. tostring(at) or "thrown: " .. tostring(res))
        end
        local early = package.loaded.early
        try("registration", early.registration.close, early.registration)
        try("watcher", early.watcher.close, early.watcher)
        try("mirror", early.mirror.close, early.mirror)
        for name, cli in pairs { user = t.new(t.root()), anonymous = t.new() } do
            for _, method in ipairs { "set", "watch" } do
                try(name .. " " .. method, cli[method], cli, "/x", method == "set" and 1 or nil)
            end
            try(name .. " watcher", cli.watcher, cli, "/x")
        end
        local ok, made, err = pcall(early.cli.mirror, early.cli, "/x")
        lines[#lines + 1] = "new mirror: " .. tostring(ok) .. " " .. tostring(made) .. " " .. type(err)
        table.sort(lines)
        ngx.shared.test:set("at exit", table.concat(lines, "\n"))
    }
--- config
    location = /t {
        content_by_lua_block {
            local t = require "testlib"
            local cli = t.new { key_prefix = t.key() }
            package.loaded.early = {
                cli = cli,
                mirror = assert(cli:mirror("/")),
                watcher = assert(cli:watcher("/", { prefix = true })),
                registration = assert(require("resty.etcd.discovery").register(cli, "web", { host = "127.0.0.1", port = 80 })),
            }
            assert(package.loaded.early.mirror:wait_ready(5))
            require("reload")()
            ngx.say("reloaded")
        }
    }
    location = /after {
        content_by_lua_block {
            for _ = 1, 500 do
                if ngx.shared.test:get("at exit") then
                    break
                end
                ngx.sleep(0.01)
            end
            ngx.say(ngx.shared.test:get("at exit"))
        }
    }
--- request eval
["GET /t", "GET /after"]
--- response_body eval
["reloaded
", "anonymous set: nil not_in_phase
anonymous watch: nil not_in_phase
anonymous watcher: nil bad_request
mirror: true nil
new mirror: true nil string
registration: true nil
user set: nil not_in_phase
user watch: nil not_in_phase
user watcher: nil bad_request
watcher: true nil
"]
--- no_error_log
[error]
[alert]
