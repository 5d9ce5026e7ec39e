use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# TLS cases that need nginx's configuration or log. All others are in spec/transport/tls/tls_spec.lua.
log_level('info');
repeat_each(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a CA that nginx does not trust is an error
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_OTHER_CA;
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local host = t.bed.tls.http
    local _, err, details = t.new { http_host = host, sni = "localhost" }:get("/x")
    -- OpenSSL's text, with its number unless the handshake ended immediately
    ngx.say(err:sub(#host + 1):gsub("^: 2[01]:", ":"):find("^: unable to [%a ]+ certificate$") ~= nil or err)
    ngx.say(details.name, " ", details.hint)
    ngx.say(t.new { http_host = host, ssl_verify = false }:get("/x").status)
--- response_body
true
connect_failed nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate (or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs
200
--- no_error_log eval: qr/\[error\].*\[lua\] (?!.*lua ssl)/



=== TEST 2: trusted_ca is ignored if sockets have no settrustedstore, with one info line per client
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_CA;
--- lua
    local t = require "testlib"
    for _, file in ipairs { t.bed.certs.other_ca, "/no/such/file.pem" } do
        local cli = t.new { http_host = t.bed.tls.http, sni = "localhost", trusted_ca = file, keepalive_timeout = 0 }
        ngx.say(cli:get("/x").status, " ", cli:get("/x").status)
    end
--- response_body
200 200
200 200
--- grep_error_log eval: qr/\[info\] .*?: trusted_ca is ignored, use lua_ssl_trusted_certificate: \S+(?=,)/
--- grep_error_log_out eval
qr/\A\[info\] .*other-ca\.pem
\[info\] .*: \/no\/such\/file\.pem
\z/



=== TEST 3: trusted_ca is not read for http endpoints
--- lua
    local t = require "testlib"
    ngx.say(t.new { trusted_ca = "/no/such/file.pem" }:get("/x").status)
--- response_body
200
--- no_error_log
trusted_ca is ignored
[error]



=== TEST 4: an untrusted client certificate is an error after the handshake in TLS 1.3
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_CA;
    lua_ssl_protocols TLSv1.3;
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local certs, host = t.bed.certs, t.bed.mtls.http
    local hints = {
        ["the server ended the TLS session: check the client certificate, and SSL_read in the log of nginx"] = true,
        ["if the server never responds: the port serves only gRPC (--listen-client-http-urls), "
            .. "or the server does not trust the client's certificate"] = true,
    }
    for _, opts in ipairs {
        { http_host = host, sni = "localhost" },
        { http_host = host, sni = "localhost", ssl_cert_path = certs.other_client, ssl_key_path = certs.other_client_key },
    } do
        local res, err, details = t.new(opts):get("/x")
        ngx.say(res, " ", details.name, " ", hints[details.hint] or err .. ": " .. tostring(details.hint))
    end
    local own = { http_host = host, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.client_key }
    ngx.say(t.new(own):get("/x").status)
--- response_body
nil connection_lost true
nil connection_lost true
200
--- no_error_log eval: qr/\[error\].*\[lua\]/



=== TEST 5: no common version of TLS is an error
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_CA;
    lua_ssl_protocols TLSv1.2;
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_SERVER_CERT;
        ssl_certificate_key $TEST_NGINX_SERVER_KEY;
        ssl_protocols TLSv1.3;
        return 200 '{"header":{}}';
    }
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local host = "https://unix:" .. ngx.config.prefix() .. "html/tls.sock"
    local _, err, details = t.new { http_host = host }:get("/x")
    ngx.say(err:sub(#host + 1), " ", details.name)
    ngx.say(details.hint)
--- response_body
: handshake failed connect_failed
not a TLS port, no TLS version in common (see lua_ssl_protocols), or the server wants a client certificate it trusts; nginx logs more (SSL_do_handshake)
--- no_error_log eval: qr/\[error\].*\[lua\]/



=== TEST 6: an unknown host name, or no DNS server, is an error
--- http_config
    resolver 127.0.0.1:1 ipv6=off;
    resolver_timeout 1s;
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local host = "http://etcd.test:2379"
    local _, err, details = t.new { http_host = host }:get("/x")
    ngx.say(err:match("^http://etcd.test:2379: etcd.test could not be resolved") ~= nil or err, " ", details.name)
    ngx.say(details.hint)
--- response_body
true connect_failed
nginx asks the DNS server of its resolver directive; /etc/hosts is not read
--- no_error_log eval: qr/\[error\].*\[lua\]/
