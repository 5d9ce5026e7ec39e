use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# Unix sockets, as a proxy in front of the endpoints and as endpoints.
repeat_each(2);
no_long_string();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("http_config", ($block->http_config || "") . <<'_EOC_');
    init_worker_by_lua_block {
        local t = require "testlib"
        t.path = ngx.config.prefix() .. "html/etcd.sock"
        t.socket = "unix:" .. t.path
        function t.reset()
            ngx.shared.test:flush_all()
            require("resty.etcd.health_check").init { fail_timeout = 0 }
        end
        function t.hosts()
            local hosts = ngx.shared.test:get("hosts") or ""
            ngx.shared.test:delete("hosts")
            return hosts
        end
    }
    server {
        listen unix:$TEST_NGINX_HTML_DIR/etcd.sock;
        proxy_buffering off;
        proxy_http_version 1.1;
        location / {
            access_by_lua_block {
                local dict = ngx.shared.test
                dict:set("hosts", (dict:get("hosts") or "") .. " " .. ngx.var.http_host)
            }
            proxy_pass $TEST_NGINX_ETCD;
        }
        location /sub/ {
            proxy_pass $TEST_NGINX_ETCD/;
        }
    }
_EOC_
});

run_tests();

__DATA__

=== TEST 1: unix_socket_proxy replaces the endpoint, and the Host is that of the endpoint
--- lua
    local t = require "testlib"
    t.reset()
    local cli = t.new { http_host = "http://etcd.test:2379", unix_socket_proxy = t.socket }
    local key = t.key()
    ngx.say(cli.unix_socket_proxy == t.socket)
    ngx.say(cli:set(key, "v").status, " ", cli:get(key).body.kvs[1].value, " ", cli:delete(key).body.deleted)
    ngx.say(cli:version().body.etcdserver == t.bed.version)
    ngx.say(t.hosts())
--- response_body
true
200 v 1
true
 etcd.test:2379 etcd.test:2379 etcd.test:2379 etcd.test:2379



=== TEST 2: a watch uses unix_socket_proxy
--- lua
    local t = require "testlib"
    t.reset()
    local cli = t.new { http_host = "http://etcd.test:2379", unix_socket_proxy = t.socket }
    local key = t.key()
    local reader = assert(cli:watch(key, { timeout = 5 }))
    assert(reader().result.created)
    assert(cli:set(key, "news"))
    ngx.say(reader().result.events[1].kv.value)
    cli:delete(key)
    ngx.say(t.hosts())
--- response_body
news
 etcd.test:2379 etcd.test:2379 etcd.test:2379



=== TEST 3: calls use the endpoint only while no server accepts connections at the socket
--- lua
    local t = require "testlib"
    t.reset()
    local cli = t.new { unix_socket_proxy = t.socket, keepalive_timeout = 0 }
    local host = t.bed.single.http:match("//(.*)")
    local function show()
        ngx.say(cli:get("/x").status, " ", assert(cli:watch("/x"))().result.created, " ",
            (t.hosts():gsub(host, "HOST", nil, true)))
    end
    show()
    assert(os.rename(t.path, t.path .. ".away"))
    show()
    assert(os.rename(t.path .. ".away", t.path))
    show()
    cli.unix_socket_proxy = nil
    show()
    cli.unix_socket_proxy = "unix:/no/such/socket"
    show()
--- response_body
200 true  HOST HOST
200 true 
200 true  HOST HOST
200 true 
200 true 
--- no_error_log
[warn]
[error]



=== TEST 4: pools of proxied and direct connections are separate
--- lua
    local t = require "testlib"
    t.reset()
    local proxied, straight = t.new { unix_socket_proxy = t.socket }, t.new()
    for _ = 1, 3 do
        assert(proxied:get("/x"))
        assert(straight:get("/x"))
    end
    ngx.say(select(2, t.hosts():gsub(" ", "")))
--- response_body
3



=== TEST 5: the error is that of the endpoint if neither socket nor endpoint responds
--- lua
    local t = require "testlib"
    t.reset()
    local cli = t.new { http_host = "http://127.0.0.1:1", unix_socket_proxy = "unix:/no/such/socket" }
    ngx.say(t.line(cli:get("/x")))
--- response_body
nil | http://127.0.0.1:1: connection refused | connect_failed



=== TEST 6: an endpoint can be a socket, in both spellings
--- lua
    local t = require "testlib"
    t.reset()
    for _, host in ipairs { t.socket, "http://" .. t.socket } do
        local cli = t.new { http_host = host }
        local key = t.key()
        local reader = assert(cli:watch(key, { timeout = 5 }))
        assert(reader().result.created)
        ngx.say(cli:set(key, "v").status, " ", cli:get(key).body.kvs[1].value)
        ngx.say(reader().result.events[1].kv.value, " ", cli:version().body.etcdserver == t.bed.version)
        cli:delete(key)
        ngx.say(cli.endpoints[1].http_host == host, " ", t.hosts())
    end
--- response_body
200 v
v true
true  localhost localhost localhost localhost localhost
200 v
v true
true  localhost localhost localhost localhost localhost



=== TEST 7: a socket can have a path
--- lua
    local t = require "testlib"
    t.reset()
    local cli = t.new { http_host = "http://" .. t.socket .. ":/sub" }
    local key = t.key()
    ngx.say(cli:set(key, "v").status, " ", cli:delete(key).body.deleted, " ", cli:version().status)
    ngx.say(assert(cli:watch(key))().result.created)
--- response_body
200 1 200
true



=== TEST 8: a socket that does not exist is an error
--- lua
    local t = require "testlib"
    t.reset()
    ngx.say(t.line(t.new { http_host = "unix:/no/such/socket" }:get("/x")))
--- response_body
nil | unix:/no/such/socket: no such file or directory | connect_failed
--- error_log
[crit]



=== TEST 9: TLS through the socket uses the name of the endpoint, and separate pools
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_CA;
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_SERVER_CERT;
        ssl_certificate_key $TEST_NGINX_SERVER_KEY;
        proxy_buffering off;
        proxy_http_version 1.1;
        location / {
            access_by_lua_block {
                local dict = ngx.shared.test
                dict:set("hosts", (dict:get("hosts") or "") .. " " .. ngx.var.http_host .. "|" .. (ngx.var.ssl_server_name or ""))
            }
            proxy_pass $TEST_NGINX_ETCD;
        }
    }
--- lua
    local t = require "testlib"
    t.reset()
    local socket = t.socket:gsub("etcd.sock", "tls.sock")
    local function client(host, opts)
        opts = opts or {}
        opts.http_host, opts.unix_socket_proxy = host, socket
        return t.new(opts)
    end
    local cli = client("https://etcd.test:2379")
    local key = t.key()
    ngx.say(cli:set(key, "v").status, " ", cli:get(key).body.kvs[1].value, " ", cli:version().status)
    ngx.say(assert(cli:watch(key))().result.created, t.hosts())
    ngx.say(cli:delete(key).body.deleted, t.hosts())
    ngx.say(t.line(client("https://other.test:2379"):get(key)), t.hosts())
    ngx.say(client("https://other.test:2379", { sni = "etcd.test" }):get(key).status, t.hosts())
    ngx.say(client("https://third.test:2379", { ssl_verify = false }):get(key).status, t.hosts())
--- response_body
200 v 200
true etcd.test:2379|etcd.test etcd.test:2379|etcd.test etcd.test:2379|etcd.test etcd.test:2379|etcd.test
1 etcd.test:2379|etcd.test
nil | https://other.test:2379: certificate host mismatch | connect_failed
200 other.test:2379|etcd.test
200 third.test:2379|third.test
