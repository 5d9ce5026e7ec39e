use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# The state that two workers share through a dict: health of endpoints, and tokens.
master_on();
workers(2);
worker_connections(256);
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("http_config", ($block->http_config || "") . <<'_EOC_');
    init_by_lua_block {
        local t = require "testlib"
        --- Runs `first` in one worker and then, when it has ended, `second` in the other.
        function t.in_turn(first, second)
            local fn = ngx.worker.id() == 0 and first or second
            assert(ngx.timer.at(0, function()
                local dict = ngx.shared.test
                while ngx.worker.id() == 1 and not dict:get("first is done") do
                    ngx.sleep(0.01)
                end
                local ok, said = pcall(fn, t)
                dict:set(ngx.worker.id() == 0 and "first" or "second", tostring(said))
                dict:set(ngx.worker.id() == 0 and "first is done" or "second is done", ok)
            end))
        end
        --- Waits for both and prints what they returned.
        function t.say_both()
            local dict = ngx.shared.test
            for _ = 1, 1000 do
                if dict:get("second is done") ~= nil then
                    break
                end
                ngx.sleep(0.01)
            end
            ngx.say("first: ", dict:get("first"))
            ngx.say("second: ", dict:get("second"))
        end
    }
_EOC_
    $block->set_value("config", ($block->config || "") . <<'_EOC_');
    location /auth/ { # hands on to etcd and counts logins
        access_by_lua_block {
            if ngx.var.uri:find("/auth/authenticate", 1, true) then
                require("testlib").count("logins")
            end
        }
        proxy_pass $TEST_NGINX_AUTH/;
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: an endpoint that failed in one worker is ejected in the other
--- http_config
    init_worker_by_lua_block {
        local function get(t)
            local cli = t.new {
                http_host = "http://127.0.0.1:1",
                health = { shm_name = "etcd_health", max_fails = 1, fail_timeout = 60, fail_open = false, retry = false },
            }
            local _, err = cli:get("/k")
            return err
        end
        require("testlib").in_turn(get, get)
    }
--- lua
    require("testlib").say_both()
--- response_body
first: http://127.0.0.1:1: connection refused
second: has no healthy etcd endpoint available



=== TEST 2: failures in both workers are added up
--- http_config
    init_worker_by_lua_block {
        local function get(t)
            local cli = t.new {
                http_host = "http://127.0.0.1:1",
                health = { shm_name = "etcd_health", max_fails = 3, fail_timeout = 60, fail_open = false, retry = false },
            }
            cli:get("/k")
            local _, err = cli:get("/k")
            return err
        end
        require("testlib").in_turn(get, function(t)
            return get(t)
        end)
    }
--- lua
    require("testlib").say_both()
--- response_body
first: http://127.0.0.1:1: connection refused
second: has no healthy etcd endpoint available



=== TEST 3: without a dict, each worker ejects an endpoint separately
--- http_config
    init_worker_by_lua_block {
        local function get(t)
            local cli = t.new {
                http_host = "http://127.0.0.1:1",
                health = { max_fails = 1, fail_timeout = 60, fail_open = false, retry = false },
            }
            local _, err = cli:get("/k")
            return err
        end
        require("testlib").in_turn(get, get)
    }
--- lua
    require("testlib").say_both()
--- response_body
first: http://127.0.0.1:1: connection refused
second: http://127.0.0.1:1: connection refused



=== TEST 4: one worker probes an endpoint, and its success counts for all
--- http_config
    init_worker_by_lua_block {
        local opts = {
            health = { shm_name = "etcd_health", max_fails = 1, fail_timeout = 0.05, fail_open = false, retry = false },
        }
        require("testlib").in_turn(function(t)
            local health = require "resty.etcd.endpoint.client_health"
            local cli = t.new(opts)
            health.failed(cli.health, cli.endpoints[1].http_host)
            -- when the ejection ends, acquires the probe, and holds it for a while
            local picked
            repeat
                ngx.sleep(0.01)
                picked = health.pick(cli.health, cli.endpoints, 0)
            until picked
            ngx.timer.at(0, function()
                while not ngx.shared.test:get("asked") do
                    ngx.sleep(0.01)
                end
                health.succeeded(cli.health, cli.endpoints[1].http_host)
                ngx.shared.test:set("succeeded", true)
            end)
            return picked == cli.endpoints[1]
        end, function(t)
            local cli = t.new(opts)
            local _, err = cli:get("/k")
            ngx.shared.test:set("asked", true)
            while not ngx.shared.test:get("succeeded") do
                ngx.sleep(0.01)
            end
            return tostring(err) .. ", then " .. cli:get("/k").status
        end)
    }
--- lua
    require("testlib").say_both()
--- response_body
first: true
second: has no healthy etcd endpoint available, then 200



=== TEST 5: a worker uses the token of the other
--- http_config
    init_worker_by_lua_block {
        local function get(t)
            return t.new(t.root { http_host = t.here("/auth"), auth_shm_name = "test" }):get("/k").status
        end
        require("testlib").in_turn(get, get)
    }
--- lua
    local t = require "testlib"
    t.say_both()
    ngx.say("logins: ", t.counted("logins"))
--- response_body
first: 200
second: 200
logins: 1



=== TEST 6: a rejected token is replaced once for both
--- http_config
    init_worker_by_lua_block {
        local function get(t)
            local cli = t.new(t.root { http_host = t.here("/auth"), auth_shm_name = "test" })
            if ngx.worker.id() == 0 then
                ngx.shared.test:set(cli.auth.dict_key, "a-token-of-yesterday.1")
            end
            return cli:get("/k").status
        end
        require("testlib").in_turn(get, get)
    }
--- lua
    local t = require "testlib"
    t.say_both()
    ngx.say("logins: ", t.counted("logins"))
--- response_body
first: 200
second: 200
logins: 1
