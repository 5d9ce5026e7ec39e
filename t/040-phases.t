use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;
use File::Find;

# The same code must load next to nginx's stream module, which has no requests.
my $files = 0;
find({ no_chdir => 1, wanted => sub {
    return if !/\.lua$/;
    $files++;
    open my $in, "<", $_ or die "cannot open $_: $!";
    my $text = join "", <$in>;
    unlike($text, qr/ngx\s*\.\s*(?:var|req|ctx|header|resp|location|exec|redirect|say|print|flush|exit)\b/,
        "$_ uses nothing that only HTTP requests have");
    unlike($text, qr/ngx_http_/, "$_ calls no function of the HTTP module");
} }, "$ENV{TEST_NGINX_ROOT}/lua");
cmp_ok($files, ">", 20, "all files of the driver were looked at");

our $lines = <<'_EOC_';
set: 200
get: 200
value: 1
set big: 200
get big: 200
big value: true
readdir: 200
keys: 2 true
txn: 200
succeeded: true
grant: 200
keepalive: 200
revoke: 200
version: 200
version: true
get of the future: STATUS
refused: etcdserver: mvcc: required revision is a future revision
rmdir: 200
deleted: 3
_EOC_

repeat_each(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: calls work in init_by_lua with a blocking socket replacement, without coroutines, timers, sleep or semaphores
--- http_config
    init_by_lua_block {
        require("blocking_socket").install()
        require("early_calls").run()
    }
--- lua
    ngx.say((require("early_calls").lines:gsub("future: 4%d%d", "future: STATUS")))
    ngx.say(require("blocking_socket").made > 10)
--- response_body eval
$main::lines . <<'_EOC_'
watch: HOST: not in this phase: streams
used: 
true
_EOC_



=== TEST 2: calls work in init_worker_by_lua with a blocking socket replacement
--- http_config
    init_by_lua_block {
        require("blocking_socket").install()
    }
    init_worker_by_lua_block {
        require("early_calls").run()
    }
--- lua
    ngx.say((require("early_calls").lines:gsub("future: 4%d%d", "future: STATUS")))
    ngx.say(require("blocking_socket").made > 10)
--- response_body eval
$main::lines . <<'_EOC_'
watch: HOST: not in this phase: streams
used: 
true
_EOC_



=== TEST 3: a login in init_by_lua returns a token that later requests use
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        require("early_calls").run(t.root())
    }
--- lua
    local t = require "testlib"
    local early = require "early_calls"
    ngx.say((early.lines:gsub("future: 4%d%d", "future: STATUS")))
    ngx.say(early.client:get(t.key()).status)
--- response_body eval
$main::lines . <<'_EOC_'
watch: HOST: not in this phase: streams
used: 
200
_EOC_



=== TEST 4: a login works in init_worker_by_lua
--- http_config
    init_by_lua_block {
        require("blocking_socket").install()
    }
    init_worker_by_lua_block {
        local t = require "testlib"
        require("early_calls").run(t.root())
    }
--- lua
    ngx.say((require("early_calls").lines:gsub("future: 4%d%d", "future: STATUS")))
--- response_body eval
$main::lines . <<'_EOC_'
watch: HOST: not in this phase: streams
used: 
_EOC_



=== TEST 5: a rejected login in init_by_lua returns its error
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        package.loaded.early_line = t.line(t.new(t.root { password = "wrong" }):get("/x"))
    }
--- lua
    ngx.say(require "early_line")
--- response_body
nil | authenticate refresh token fail | login_failed



=== TEST 6: a call in init_by_lua retries on another endpoint if one is unreachable
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        require("resty.etcd.health_check").init { retry = true }
        local cli = t.new { http_host = { "http://127.0.0.1:1", t.bed.single.http }, init_count = -1 }
        package.loaded.early_status = cli:get("/x").status
        cli = t.new { http_host = "http://127.0.0.1:2" }
        require("resty.etcd.health_check").init { fail_timeout = 0 }
        package.loaded.early_line = t.line(cli:get("/x"))
    }
--- lua
    ngx.say(require "early_status")
    ngx.say(require "early_line")
--- response_body
200
nil | http://127.0.0.1:2: connection refused | connect_failed



=== TEST 7: the handshake with a client certificate has the signature of blocking socket replacements
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        require("resty.etcd.health_check").init { fail_timeout = 0 }
        local certs = t.bed.certs
        local host = t.bed.mtls.http
        package.loaded.early_line = t.line(t.new {
            http_host = host, ssl_cert_path = certs.client, ssl_key_path = certs.client_key, trusted_ca = certs.ca,
        }:get("/x"))
        t.new { http_host = host, ssl_cert_path = certs.client, ssl_key_path = certs.client_key, sni = "etcd.test",
            ssl_verify = false }:get("/x")
        t.new { http_host = host, sni = "etcd.test" }:get("/x")
        t.new { http_host = host, ssl_verify = false }:get("/x")
    }
--- lua
    local t = require "testlib"
    ngx.say((require("early_line"):gsub("https://[%d.:]+:", "HOST:")))
    for _, call in ipairs(require("blocking_socket").handshakes) do
        local opts = call[2]
        if call[1] == "tlshandshake" then
            ngx.say(call[1], " ", opts.server_name, " ", opts.verify, " ",
                opts.client_cert_path == t.bed.certs.client, " ", opts.client_priv_key_path == t.bed.certs.client_key)
        else
            ngx.say(call[1], " ", call[2], " ", call[3], " ", call[4])
        end
    end
--- response_body
nil | HOST: no TLS here | connect_failed
tlshandshake 127.0.0.1 true true true
tlshandshake etcd.test false true true
sslhandshake false etcd.test true
sslhandshake false 127.0.0.1 false



=== TEST 8: a handshake that returns false is a failure: nothing is sent on its connection
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        local shim = require "blocking_socket"
        shim.install()
        require("resty.etcd.health_check").init { fail_timeout = 0 }
        local make = ngx.socket.tcp
        local sent = {}
        ngx.socket.tcp = function() -- luacheck: ignore 122
            local sock = make()
            local function refuse()
                return false, "certificate verify failed"
            end
            sock.sslhandshake, sock.tlshandshake = refuse, refuse
            function sock.send(_, bytes)
                sent[#sent + 1] = bytes
                return nil, "closed"
            end
            return sock
        end
        local certs = t.bed.certs
        local lines = {}
        for i, opts in ipairs { {}, { ssl_cert_path = certs.client, ssl_key_path = certs.client_key } } do
            opts.http_host = t.bed.tls.http
            lines[i] = t.line(t.new(opts):get("/x")):gsub("https://[%d.:]+:", "HOST:")
        end
        lines[#lines + 1] = #sent .. " sent"
        package.loaded.early_lines = lines
    }
--- lua
    ngx.say(table.concat(require "early_lines", "\n"))
--- response_body
nil | HOST: certificate verify failed | connect_failed
nil | HOST: certificate verify failed | connect_failed
0 sent



=== TEST 9: without a blocking socket replacement, calls in init_by_lua and init_worker_by_lua return the cause
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        package.loaded.shared_client = t.new()
        package.loaded.in_init = {
            t.line(t.new():get("/x")),
            t.line(t.new():watch("/x")),
            t.line(t.new(t.root()):get("/x")),
        }
    }
    init_worker_by_lua_block {
        local t = require "testlib"
        package.loaded.in_init_worker = {
            t.line(t.new():get("/x")),
            t.line(t.new():watch("/x")),
            t.line(t.new(t.root()):get("/x")),
        }
    }
--- lua
    local t = require "testlib"
    for _, phase in ipairs { "in_init", "in_init_worker" } do
        for _, line in ipairs(require(phase)) do
            ngx.say((line:gsub("http://[%d.:]+:", "HOST:")))
        end
    end
    -- no endpoint is banned
    ngx.say(t.new():get("/x").status)
--- response_body
nil | HOST: not in this phase: no request found | not_in_phase
nil | HOST: not in this phase: streams | not_in_phase
nil | HOST: not in this phase: no request found | not_in_phase
nil | HOST: not in this phase: API disabled in the context of init_worker_by_lua* | not_in_phase
nil | HOST: not in this phase: streams | not_in_phase
nil | HOST: not in this phase: API disabled in the context of init_worker_by_lua* | not_in_phase
200



=== TEST 10: calls in the filters and the log phase return an error, never throw, and ban nothing
--- config
    location = /filtered {
        content_by_lua_block {
            ngx.say("body")
        }
        header_filter_by_lua_block {
            require("phase_calls")("header_filter")
        }
        body_filter_by_lua_block {
            require("phase_calls")("body_filter")
        }
        log_by_lua_block {
            require("phase_calls")("log")
        }
    }
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        local results = {}
        package.loaded.phase_results = results
        package.loaded.phase_calls = function(phase)
            results[phase] = {}
            for i, method in ipairs { "get", "watch", "version" } do
                for j, opts in ipairs { {}, t.root() } do
                    local cli = t.new(opts)
                    local ok, res, err, details = pcall(cli[method], cli, "/x")
                    local line = ok and t.line(res, err, details) or "thrown: " .. tostring(res)
                    -- errors of lua-resty-http start with the position in its source
                    results[phase][2 * i + j - 2] = line:gsub("http://[%d.:]+:", "HOST:"):gsub("%S+%.lua:%d+: ", "")
                end
            end
        end
    }
--- lua
    local t = require "testlib"
    local sock = ngx.socket.tcp()
    assert(sock:connect("127.0.0.1", tonumber(os.getenv("TEST_NGINX_SERVER_PORT"))))
    sock:send("GET /filtered HTTP/1.0\r\n\r\n")
    assert(sock:receive("*a"))
    sock:close()
    ngx.sleep(0.1)
    local results = require "phase_results"
    for _, phase in ipairs { "header_filter", "body_filter", "log" } do
        local seen = {}
        for i = 1, 6 do
            local line = results[phase][i]
            seen[line] = (seen[line] or 0) + 1
        end
        local lines = {}
        for line, n in pairs(seen) do
            lines[#lines + 1] = n .. " " .. line
        end
        table.sort(lines)
        ngx.say(table.concat(lines, "\n"))
    end
    ngx.say(t.new():get("/x").status, " ", t.new(t.root()):get("/x").status)
--- response_body
2 nil | waiting for the login: API disabled in the context of header_filter_by_lua* | not_in_phase
4 nil | HOST: not in this phase: API disabled in the context of header_filter_by_lua* | not_in_phase
2 nil | waiting for the login: API disabled in the context of body_filter_by_lua* | not_in_phase
4 nil | HOST: not in this phase: API disabled in the context of body_filter_by_lua* | not_in_phase
2 nil | waiting for the login: API disabled in the context of log_by_lua* | not_in_phase
4 nil | HOST: not in this phase: API disabled in the context of log_by_lua* | not_in_phase
200 200



=== TEST 11: a large directory is read in init_by_lua and init_worker_by_lua without yielding
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        local key = t.key()
        local function fill()
            local cli = t.new()
            for i = 1, 50 do
                cli:set(key .. i, ("x"):rep(20000))
            end
        end
        function package.loaded.read_all()
            local sleep, slept = ngx.sleep, 0
            ngx.sleep = function(...) -- luacheck: ignore 122
                slept = slept + 1
                return sleep(...)
            end
            local body = t.new():readdir(key).body
            ngx.sleep = sleep -- luacheck: ignore 122
            return #body.kvs .. " keys, " .. slept .. " pauses"
        end
        fill()
        package.loaded.all_in_init = package.loaded.read_all()
    }
    init_worker_by_lua_block {
        package.loaded.all_in_init_worker = package.loaded.read_all()
    }
--- lua
    ngx.say(require "all_in_init")
    ngx.say(require "all_in_init_worker")
    ngx.say(tonumber(require("read_all")():match("(%d+) pauses")) > 0)
--- timeout: 30
--- response_body
50 keys, 0 pauses
50 keys, 0 pauses
true



=== TEST 12: calls in the log phase do not busy-wait for a call of another request
--- config
    location /slow/ {
        access_by_lua_block {
            ngx.sleep(0.5)
        }
        proxy_pass $TEST_NGINX_ETCD/;
    }
    location = /logs {
        content_by_lua_block {
            ngx.say("body")
        }
        log_by_lua_block {
            local clock = require "resty.etcd.base.clock"
            local t = require "testlib"
            local started = clock.now()
            t.from_log()
            t.busy = clock.now() - started
        }
    }
--- lua
    local t = require "testlib"
    local health_check = require "resty.etcd.health_check"
    health_check.init { fail_timeout = 0.1 }
    -- Runs `during` in the log phase of a request while `call` is running.
    local function busy(call, during)
        local thread = ngx.thread.spawn(call)
        t.from_log = during
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", tonumber(os.getenv("TEST_NGINX_SERVER_PORT"))))
        sock:send("GET /logs HTTP/1.0\r\n\r\n")
        assert(sock:receive("*a"))
        sock:close()
        local _, res = ngx.thread.wait(thread)
        ngx.say(res.status, " ", t.busy < 0.3 and "not busy" or "busy for " .. t.busy)
    end
    local cli = t.new { http_host = t.here("/slow") }
    health_check.report_failure(t.here("/slow"))
    cli:get("/x")
    ngx.sleep(0.2)
    busy(function() return cli:get("/x") end, function() cli:get("/x") end)
    local key = t.key()
    busy(function() return cli:set(key, 1, { idempotent = true }) end,
        function() cli:set(key, 2, { idempotent = true }) end)
    cli:delete(key)
--- response_body
200 not busy
200 not busy
