use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# No password or token is in log lines of level info, or in errors.
log_level('info');
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("config", ($block->config || "") . <<'_EOC_');
    location ~ ^/echo(\d+)/ { # answers with this status and all that was sent
        content_by_lua_block {
            ngx.req.read_body()
            local body = ngx.req.get_body_data() or ""
            ngx.status = tonumber(ngx.var[1])
            ngx.say("you said ", body, " with ", ngx.req.get_headers()["authorization"])
        }
    }
_EOC_
    $block->set_value("http_config", ($block->http_config || "") . <<'_EOC_');
    init_by_lua_block {
        local t = require "testlib"
        local function search(value, secret, seen)
            if type(value) == "table" then
                if seen[value] then
                    return false
                end
                seen[value] = true
                for name, field in pairs(value) do
                    if search(name, secret, seen) or search(field, secret, seen) then
                        return true
                    end
                end
            end
            return tostring(value):find(secret, 1, true) ~= nil
        end
        --- Says which of the secrets are in what was logged or in `results`.
        function t.say_leaks(secrets, ...)
            ngx.sleep(0.05)
            local logged = t.logged()
            for name, secret in pairs(secrets) do
                assert(#secret > 3)
                ngx.say(name, ": ", logged:find(secret, 1, true) ~= nil, " ", search({ ... }, secret, {}))
            end
            ngx.say("lines: ", logged:find("v3 request uri: /auth/authenticate", 1, true) ~= nil)
        end
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: logins, calls, watches, retries and repeated logins log neither passwords nor tokens
--- lua
    local t = require "testlib"
    local seen = {}
    local cli = t.new(t.root {
        auth_shm_name = "test", extra_headers = { ["X-Trace"] = "1" }, metrics = true, health = {},
        on_call = function(info) seen[#seen + 1] = info end,
    })
    assert(cli:get("/k"))
    local first = cli.auth.token
    assert(cli:watch("/k"))
    cli.endpoints[2] = cli.endpoints[1]
    cli.endpoints[1] = { http_host = "http://127.0.0.1:1", full_prefix = "http://127.0.0.1:1/v3" }
    cli.init_count = -1
    assert(cli:get("/k"))
    cli.auth.token = "refused-token.1"
    assert(cli:get("/k"))
    assert(#seen >= 5) -- two logins and three reads
    t.say_leaks({ password = t.bed.auth.password }, seen, cli:metrics())
    t.say_leaks({ token = first }, seen, cli:metrics())
    t.say_leaks({ refused = "refused-token.1" }, seen)
    t.say_leaks({ renewed = cli.auth.token }, seen)
--- response_body
password: false false
lines: true
token: false false
lines: true
refused: false false
lines: true
renewed: false false
lines: true



=== TEST 2: failed logins log neither passwords nor tokens
--- lua
    local t = require "testlib"
    local results = {}
    for _, opts in ipairs {
        { http_host = t.bed.auth.http },
        { http_host = t.bed.auth.http, auth_optional = true, auth_shm_name = "test" },
        { http_host = t.bed.single.http },
        { http_host = t.bed.single.http, auth_optional = true },
        { http_host = "http://127.0.0.1:1" },
        { http_host = t.here("/echo200"), health = {} },
        { http_host = t.here("/echo401"), health = {} },
        { http_host = t.here("/echo503"), health = {} },
    } do
        opts.user, opts.password = "root", "open-sesame"
        opts.on_call = function(info) results[#results + 1] = info end
        local cli = t.new(opts)
        results[#results + 1] = { cli:get("/k") }
        results[#results + 1] = { cli:watch("/k") }
    end
    ngx.say(#results > 12)
    t.say_leaks({ password = "open-sesame" }, results)
--- response_body
true
password: false false
lines: true
--- no_error_log
open-sesame



=== TEST 3: calls to a server that echoes its requests log no token
--- config
    location ~ ^/login-echo(\d+)/v3/auth/authenticate$ {
        content_by_lua_block {
            ngx.say('{"token":"open-token.', ("x"):rep(300), '"}')
        }
    }
    location ~ ^/login-echo(\d+)/ {
        rewrite ^/login-(.*)$ /$1 last;
    }
--- lua
    local t = require "testlib"
    local results = {}
    for _, status in ipairs { 200, 401, 503 } do
        for _, health in ipairs { { max_fails = 100 }, false } do
            if not health then
                require("resty.etcd.health_check").init { fail_timeout = 0, retry = true }
            end
            local cli = t.new {
                http_host = t.here("/login-echo" .. status), user = "root", password = "open-sesame", health = health or nil,
                on_call = function(info) results[#results + 1] = info end,
            }
            for method, arg in pairs { get = "/k", set = "/k", readdir = "/k", grant = 5, keepalive = 5, watch = "/k" } do
                local res, err, details = cli[method](cli, arg, method == "set" and 1 or nil)
                if type(res) == "function" then
                    res, err, details = res()
                end
                results[#results + 1] = { res or false, err, details }
            end
        end
    end
    ngx.say(#results > 36)
    t.say_leaks({ token = "open-token" }, results)
--- response_body
true
token: false false
lines: true
--- no_error_log
open-token
