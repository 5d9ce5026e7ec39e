use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

# What depends on nginx's own configuration and log. All else of TLS is in spec/tls_spec.lua.
log_level('info');
repeat_each(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a CA that nginx does not trust
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_OTHER_CA;
--- lua
    local t = require "testlib"
    require("resty.etcd.health_check").init { fail_timeout = 0 }
    local host = t.bed.tls.http
    local _, err, details = t.new { http_host = host, sni = "localhost" }:get("/x")
    -- OpenSSL's number and words, or ours where nginx has none as the handshake ended at once
    local text = err:sub(#host + 1)
    ngx.say(text:find("^: 2[01]: unable to [%a ]+ certificate$") ~= nil or text == ": certificate verification failed" or err)
    ngx.say(details.name)
    ngx.say(t.new { http_host = host, ssl_verify = false }:get("/x").status)
--- response_body
true
connect_failed
200
--- no_error_log eval: qr/\[error\].*\[lua\] (?!.*lua ssl)/



=== TEST 2: trusted_ca is ignored where sockets cannot have one, with one info line for a client
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



=== TEST 3: trusted_ca is not looked at for plain endpoints
--- lua
    local t = require "testlib"
    ngx.say(t.new { trusted_ca = "/no/such/file.pem" }:get("/x").status)
--- response_body
200
--- no_error_log
trusted_ca is ignored
[error]
