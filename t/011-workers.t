use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;

master_on();
workers(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a client created in init_by_lua works in every worker, each with its own start in the ring
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        package.loaded.early_client = t.new { http_host = t.bed.cluster.http }
    }
    init_worker_by_lua_block {
        assert(ngx.timer.at(0, function()
            local t = require "testlib"
            local cli = require "early_client"
            local key = t.key()
            local ok, err = pcall(function()
                assert(cli:set(key, ngx.worker.pid()))
                local value = assert(cli:get(key)).body.kvs[1].value
                assert(cli:delete(key))
                assert(value == ngx.worker.pid())
            end)
            ngx.shared.test:set("start " .. ngx.worker.id(), cli.init_count)
            ngx.shared.test:lpush("results", ok and "ok" or err)
        end))
    }
--- lua
    local dict = ngx.shared.test
    for _ = 1, 500 do
        if (dict:llen("results") or 0) == 2 then
            break
        end
        ngx.sleep(0.01)
    end
    ngx.say(dict:lpop("results"))
    ngx.say(dict:lpop("results"))
    ngx.say(dict:get("start 0") ~= dict:get("start 1"))
--- response_body
ok
ok
true



=== TEST 2: workers share the state of endpoints through a shared dict
--- http_config
    init_by_lua_block {
        assert(require("resty.etcd.health_check").init { shm_name = "etcd_health" })
    }
    init_worker_by_lua_block {
        local health_check = require "resty.etcd.health_check"
        if ngx.worker.id() == 0 then
            health_check.report_failure("http://reported.test:2379")
        end
        ngx.timer.every(0.01, function()
            if health_check.get_target_status("http://reported.test:2379") == false then
                ngx.shared.test:set("seen by " .. ngx.worker.id(), true)
            end
        end)
    }
--- lua
    local dict = ngx.shared.test
    for _ = 1, 500 do
        if dict:get("seen by 0") and dict:get("seen by 1") then
            break
        end
        ngx.sleep(0.01)
    end
    ngx.say(dict:get("seen by 0"), " ", dict:get("seen by 1"))
--- response_body
true true
