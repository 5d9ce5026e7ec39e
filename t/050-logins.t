use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Logins across requests. Cases that need no requests are in spec/call/authenticate_spec.lua.
log_level('info');
worker_connections(512);
repeat_each(2);
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("config", ($block->config || "") . <<'_EOC_');
    location /auth/ { # hands on to etcd, slowly; counts logins and tokens sent
        access_by_lua_block {
            local t = require "testlib"
            if ngx.var.uri:find("/auth/authenticate", 1, true) then
                t.count("logins")
                if ngx.req.get_headers()["authorization"] then
                    t.count("logins with a token")
                end
                ngx.sleep(0.2)
                while ngx.shared.test:get("hold") do -- until the test ends it
                    ngx.sleep(0.005)
                end
            elseif ngx.req.get_headers()["authorization"] then
                t.count("calls with a token")
            end
        }
        proxy_pass $TEST_NGINX_AUTH/;
    }
_EOC_
    $block->set_value("http_config", ($block->http_config || "") . <<'_EOC_');
    init_worker_by_lua_block {
        local t = require "testlib"
        --- A new client for the requests of a test, and counts from zero.
        function t.start(opts)
            for _, name in ipairs { "logins", "logins with a token", "calls with a token" } do
                ngx.shared.test:delete(name)
            end
            local all = t.root { http_host = t.here("/auth") }
            for name, value in pairs(opts or {}) do
                all[name] = value
            end
            t.client = t.new(all)
        end
        --- Waits until so much has been counted.
        function t.wait_for(name, n)
            for _ = 1, 1000 do
                if t.counted(name) >= n then
                    return
                end
                ngx.sleep(0.005)
            end
            error("no " .. name)
        end
        --- Opens a connection and sends a request.
        function t.send(path)
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", tonumber(os.getenv("TEST_NGINX_SERVER_PORT"))))
            assert(sock:send("GET " .. path .. " HTTP/1.0\r\n\r\n"))
            return sock
        end
        function t.counts()
            ngx.say("logins: ", t.counted("logins"), ", with a token: ", t.counted("logins with a token"))
            ngx.say("calls with a token: ", t.counted("calls with a token"))
        end
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: concurrent requests share one login
--- config
    location = /one {
        content_by_lua_block {
            ngx.print(assert(require("testlib").client:get("/x")).status)
        }
    }
--- lua
    local t = require "testlib"
    t.start()
    local socks = {}
    for i = 1, 12 do
        socks[i] = t.send("/one")
    end
    local served = 0
    for i = 1, 12 do
        served = served + (socks[i]:receive("*a"):find("200$") and 1 or 0)
    end
    ngx.say("served: ", served)
    t.counts()
--- response_body
served: 12
logins: 1, with a token: 0
calls with a token: 12



=== TEST 2: an aborted request does not abort the login that others wait for
--- config
    location = /aborted {
        lua_check_client_abort on;
        content_by_lua_block {
            local t = require "testlib"
            t.count("aborted began")
            t.client:get("/x")
            t.count("aborted ended")
        }
        log_by_lua_block {
            require("testlib").count("aborted is gone")
        }
    }
    location = /waits {
        content_by_lua_block {
            require("testlib").count("waits")
            ngx.print(require("testlib").client:get("/x").status)
        }
    }
--- lua
    local t = require "testlib"
    t.start()
    local began, ended, gone = t.counted("aborted began"), t.counted("aborted ended"), t.counted("aborted is gone")
    local waiting = t.counted("waits")
    ngx.shared.test:set("hold", true)
    local aborted = t.send("/aborted")
    t.wait_for("logins", 1)
    local waits = t.send("/waits")
    t.wait_for("waits", waiting + 1)
    aborted:close()
    t.wait_for("aborted is gone", gone + 1)
    ngx.shared.test:delete("hold")
    ngx.say(waits:receive("*a"):match("%d+$"))
    ngx.say(t.counted("aborted began") - began, " ", t.counted("aborted ended") - ended)
    t.counts()
--- response_body
200
1 0
logins: 1, with a token: 0
calls with a token: 1



=== TEST 3: a killed light thread does not abort the login that others wait for
--- lua
    local t = require "testlib"
    t.start()
    local function get(key)
        return t.client:get(key)
    end
    ngx.shared.test:set("hold", true)
    local owner = ngx.thread.spawn(get, "/x")
    local waiter = ngx.thread.spawn(get, "/y")
    t.wait_for("logins", 1)
    ngx.say(ngx.thread.kill(owner))
    ngx.shared.test:delete("hold")
    local _, res = ngx.thread.wait(waiter)
    ngx.say(res.status)
    t.counts()
--- response_body
1
200
logins: 1, with a token: 0
calls with a token: 1



=== TEST 4: each waiter of a failed login logs the cause, the owner does not
--- lua
    local t = require "testlib"
    t.start { password = "wrong" }
    local threads = {}
    for i = 1, 4 do
        threads[i] = ngx.thread.spawn(t.client.get, t.client, "/x")
    end
    for i = 1, 4 do
        local _, res, err = ngx.thread.wait(threads[i])
        ngx.say(t.line(res, err))
    end
--- response_body
nil | authenticate refresh token fail | nil
nil | authenticate refresh token fail | nil
nil | authenticate refresh token fail | nil
nil | authenticate refresh token fail | nil
--- grep_error_log eval: qr/\[info\].*?v3 refresh jwt last err: .*?(?=, client)|v3 request uri: \/auth\S+/
--- grep_error_log_out eval
qr/\Av3 request uri: \/auth\/authenticate,
(?:\[info\].*v3 refresh jwt last err: authenticate refresh token fail\n){3}\z/



=== TEST 5: a waiting call logs in itself when nginx drops the timer of the login
--- http_config
    lua_max_running_timers 1;
--- lua
    local t = require "testlib"
    local semaphore = require "ngx.semaphore"
    t.start()
    local over = semaphore.new()
    local timer_loop = require "resty.etcd.base.timer_loop"
    while not timer_loop.run_once("test", function() over:post() end) do -- the driver pauses after a dropped timer
        ngx.sleep(0.01)
    end
    assert(over:wait(1))
    ngx.sleep(0.01) -- until that timer has ended
    assert(ngx.timer.at(0, function() -- uses all running timers
        over:wait(10)
    end))
    ngx.sleep(0.01)
    local threads = {}
    for i = 1, 3 do
        threads[i] = ngx.thread.spawn(t.client.get, t.client, "/x")
    end
    for i = 1, 3 do
        local _, res, err = ngx.thread.wait(threads[i])
        ngx.say(res and res.status or err)
    end
    over:post()
    t.counts()
--- response_body
200
200
200
logins: 1, with a token: 0
calls with a token: 3
--- error_log eval: qr/\[alert\].*lua_max_running_timers are not enough/



=== TEST 6: a call logs in itself when no timer is available
--- http_config
    lua_max_pending_timers 1;
--- lua
    local t = require "testlib"
    t.start()
    assert(ngx.timer.at(0.3, function() end)) -- uses all pending timers
    ngx.say(t.client:get("/x").status)
    t.counts()
    ngx.sleep(0.3)
--- response_body
200
logins: 1, with a token: 0
calls with a token: 1
