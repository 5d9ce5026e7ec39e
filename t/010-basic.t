use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

repeat_each(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: get reads a value that set wrote in the content phase
--- lua
    local t = require "testlib"
    local cli = t.new()
    local key = t.key()
    local res, err = cli:set(key, { a = 1 })
    assert(res, err)
    res, err = cli:get(key)
    assert(res, err)
    ngx.say(res.status, " ", res.body.kvs[1].key == key, " ", res.body.kvs[1].value.a)
    ngx.say(cli:delete(key).body.deleted)
--- response_body
200 true 1
1



=== TEST 2: set works in rewrite, get in access, delete in content
--- config
    location = /t {
        rewrite_by_lua_block {
            local t = require "testlib"
            ngx.ctx.key = t.key()
            ngx.ctx.cli = t.new()
            assert(ngx.ctx.cli:set(ngx.ctx.key, "from rewrite"))
        }
        access_by_lua_block {
            ngx.ctx.value = assert(ngx.ctx.cli:get(ngx.ctx.key)).body.kvs[1].value
        }
        content_by_lua_block {
            ngx.say(ngx.ctx.value)
            ngx.say(assert(ngx.ctx.cli:delete(ngx.ctx.key)).body.deleted)
        }
    }
--- response_body
from rewrite
1



=== TEST 3: set and get work in a timer
--- lua
    local t = require "testlib"
    local semaphore = require "ngx.semaphore"
    local done = semaphore.new()
    local got
    assert(ngx.timer.at(0, function()
        local cli = t.new()
        local key = t.key()
        local res, err = cli:set(key, "from a timer")
        if res then
            res, err = cli:get(key)
        end
        got = res and res.body.kvs[1].value or err
        cli:delete(key)
        done:post()
    end))
    assert(done:wait(5))
    ngx.say(got)
--- response_body
from a timer



=== TEST 4: requests, timers and light threads share a client concurrently
--- http_config
    init_worker_by_lua_block {
        local t = require "testlib"
        package.loaded.shared_client = t.new()
    }
--- lua
    local t = require "testlib"
    local cli = require "shared_client"
    local threads, prefix = {}, t.key()
    for i = 1, 8 do
        threads[i] = ngx.thread.spawn(function()
            assert(cli:set(prefix .. i, i))
            return assert(cli:get(prefix .. i)).body.kvs[1].value
        end)
    end
    local sum = 0
    for i = 1, 8 do
        local _, value = assert(ngx.thread.wait(threads[i]))
        sum = sum + value
    end
    ngx.say(sum)
    ngx.say(cli:rmdir(prefix).body.deleted)
--- response_body
36
8



=== TEST 5: watch in a request returns what the client of another request writes
--- lua
    local t = require "testlib"
    local key = t.key()
    local reader, err, handle = t.new():watch(key, { timeout = 5, need_cancel = true })
    assert(reader, err)
    assert(reader().result.created)
    local writer = t.new()
    assert(writer:set(key, "news"))
    local reply = assert(reader())
    ngx.say(#reply.result.events, " ", reply.result.events[1].kv.value)
    ngx.say(t.new():watchcancel(handle))
    ngx.say(t.line(reader()))
    writer:delete(key)
--- response_body
1 news
1
nil | closed | closed



=== TEST 6: a client keeps working after the request that used it was aborted
--- config
    location = /slow {
        content_by_lua_block {
            local t = require "testlib"
            local cli = t.new()
            package.loaded.left_behind = cli
            local reader = assert(cli:watchdir(t.key()))
            reader()
            ngx.exit(200)
        }
    }
    location = /t {
        content_by_lua_block {
            local t = require "testlib"
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", tonumber(os.getenv("TEST_NGINX_SERVER_PORT"))))
            sock:send("GET /slow HTTP/1.0\r\n\r\n")
            sock:receive("*l")
            sock:close()
            local key = t.key()
            local cli = require "left_behind"
            assert(cli:set(key, 1))
            ngx.say(assert(cli:delete(key)).body.deleted)
        }
    }
--- response_body
1
