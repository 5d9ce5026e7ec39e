-- Shared dicts in which another plugin changes values and types. SEED=n CASE=n repeats a case: see
-- spec/support/hostile_cases.lua.
local damaged_etcd = require "spec.support.damaged_etcd"
local dict_poison = require "spec.support.dict_poison"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"
local nginx_log = require "spec.support.nginx_log"
local resource_usage = require "spec.support.resource_usage"

local TIMEOUT = 0.5
local GOOD = fake.reply(("{%s,\"kvs\":[%s],\"count\":\"1\"}"):format(hostile.HEADER, garble.KV))
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")
-- Seconds in which mirrors must follow etcd again. A worker takes the log over after 2 s.
local RECOVERY = 20

describe("poisoned shared dict", function()
    local log

    before_each(function() log = nginx_log.start("dict poison") end)
    after_each(function()
        log.stop()
        for _, name in ipairs { "test", "watch_log", "etcd_health" } do
            ngx.shared[name]:flush_all()
        end
    end)

    it("neither makes calls throw, nor changes requests, nor keeps calls from succeeding later #alone", function()
        local dict = ngx.shared.test
        hostile.run {
            name = "dict of calls", cases = hostile.scale(150), timeout = TIMEOUT, slots = 1, pooled = 4, max_cpu = 0.1,
            one = function(self, case, random)
                dict:flush_all()
                local opts = { health = { shm_name = "test", fail_timeout = 0.01, max_fail_timeout = 0.02, max_fails = random(3) } }
                if random(2) == 1 then
                    opts.user, opts.password, opts.auth_shm_name = "u", "p", "test"
                end
                self.scripts[1] = function() return { random(3) == 1 and DOWN or GOOD } end
                local problem
                for _ = 1, 6 do
                    local cli = self.new_client(opts)
                    local late, res, err, details = self.timed(TIMEOUT + 0.1, cli.get, cli, "/bad")
                    problem = problem or late or hostile.wrong_result(res, err, details)
                    dict_poison.poison(dict, random)
                end
                self.scripts[1] = function() return { GOOD } end
                local cli, res, err = self.new_client(opts), nil, nil
                for _ = 1, 50 do
                    res, err = cli:get("/good/" .. case, { timeout = 5 })
                    if res then
                        break
                    end
                    ngx.sleep(0.02)
                end
                return problem or not res and "no call succeeds any more: " .. tostring(err) or nil
            end,
        }
        assert.equal("", log.lua_errors())
    end)

    it("neither stops nor falsifies mirrors in shared mode #alone", function()
        local dict = ngx.shared.watch_log
        hostile.run {
            name = "dict of mirrors", cases = hostile.scale(4, 0.1), timeout = 5, slots = 4, pooled = 8, max_cpu = 0.1,
            one = function(self, case, random)
                local dir = "/bad" .. case .. "/"
                local server = damaged_etcd.new(random, dir, '"v"', true)
                self.scripts[1] = server.script
                local mirrors = {}
                for i = 1, 2 do
                    local cli = self.new_client { health = { max_fails = 1e6 } }
                    mirrors[i] = assert(cli:mirror(dir, { mode = "shared", shm_name = "watch_log" }))
                end
                for _ = 1, 8 do
                    ngx.sleep(random(30) / 100)
                    dict_poison.poison(dict, random)
                end
                local problem
                local stop = resource_usage.now() + RECOVERY
                for i, mirror in ipairs(mirrors) do
                    local target = mirror:revision() + 3
                    while (not mirror:ready() or mirror:revision() < target) and resource_usage.now() < stop do
                        ngx.sleep(0.05)
                    end
                    local state = mirror:state()
                    if not mirror:ready() or mirror:revision() < target then
                        problem = ("mirror %d: no new revision in %d s, %s at %s: %s"):format(i, RECOVERY, state.status, state.revision, state.err)
                    end
                    for _, kv in ipairs(mirror:all() or {}) do
                        if kv.value ~= "v" or kv.key:sub(1, #dir) ~= dir then
                            problem = problem or ("%s is %s"):format(kv.key, tostring(kv.value))
                        end
                    end
                end
                for _, mirror in ipairs(mirrors) do
                    mirror:close()
                end
                return problem
            end,
        }
        assert.equal("", log.lua_errors())
    end)
end)
