use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== TEST 1: nginx runs Lua and finds cjson
--- http_config
    lua_package_path "$TEST_NGINX_ROOT/lua/?.lua;$TEST_NGINX_ROOT/lua/?/init.lua;;";
    lua_package_cpath "$TEST_NGINX_LUA_CPATH";
--- config
    location = /t {
        content_by_lua_block {
            local cjson = require "cjson"
            ngx.say(cjson.encode({ "hello" }))
        }
    }
--- request
GET /t
--- response_body
["hello"]
--- no_error_log
[error]
