-- Responses whose fields are missing, of another type or absurd, and responses of servers that are not etcd: no call throws,
-- or reports as a success what etcd has not confirmed. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local damaged_fields = require "spec.support.damaged_fields"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.1

-- Calls that consist of several requests, or that read more of the response than others.
local CALLS = {
    { "set with idempotent", true, function(cli, key) return cli:set(key, "v", { idempotent = true }) end },
    { "setx", true, function(cli, key) return cli:setx(key, "v") end },
    { "readdir", false, function(cli, key) return cli:readdir(key) end },
    { "readdir with limit", false, function(cli, key) return cli:readdir(key, { limit = 2 }) end },
    { "sync", false, function(cli) return cli:sync() end },
}
local WRITES = { ["/v3/kv/put"] = true, ["/v3/kv/deleterange"] = true, ["/v3/kv/txn"] = true }
local READS = { get = true, readdir = true, ["readdir with limit"] = true }
local NAMES = { "get", "set", "delete", "rmdir", "setnx", "txn", "grant", "revoke", "keepalive", "timetolive", "leases", "version" }
for i, call in ipairs(garble.calls) do
    CALLS[#CALLS + 1] = { NAMES[i], i >= garble.WRITES_FROM and i <= garble.WRITES_TO, call }
end

describe("call whose response has wrong fields", function()
    local successes, failures

    -- Returns what is false in the results of a call, or nil.
    local function wrong_result(call, has_written, res, err, details)
        local wrong = hostile.wrong_result(res, err, details)
        if wrong then
            return wrong
        elseif not res then
            failures = failures + 1
            return has_written and details.name == "bad_reply" and not details.maybe_applied and "maybe_applied is not set" or nil
        end
        successes = successes + 1
        if call == "version" then
            return nil -- a response without a header, which the driver returns as it is
        end
        local header = (call == "keepalive" and res.body.result or res.body).header
        -- programs test with replies to reads that have no header
        local is_read = READS[call] and (res.body.kvs or res.body.count)
        if res.status == 200 and not is_read and type((type(header) == "table" and header or {}).revision) ~= "string" then
            return "a success without a revision"
        end
        return damaged_fields.wrong_fields(res.body)
    end

    -- Makes random calls, whose requests get the responses that `make(path, random)` returns.
    local function run(name, n, make)
        successes, failures = 0, 0
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT, slots = 8, max_cpu = 0.1,
            one = function(self, case, random)
                local call, is_write, fn = unpack(CALLS[random(#CALLS)], 1, 3)
                local has_written = false
                self.scripts[1] = function(request)
                    has_written = has_written or WRITES[request.path]
                    return { fake.reply(make(request.path, random)) }
                end
                -- the methods of `sync` replace the endpoints
                local cli = call == "sync" and self.new_client() or self.cli
                local problem, res, err, details = self.timed(TIMEOUT, fn, cli, "/bad", case)
                if call == "sync" then -- returns endpoints, not a response
                    return problem or not res and type(err) ~= "string" and "an error that is not a string" or nil
                end
                problem = problem or wrong_result(call, is_write and has_written, res, err, details)
                return problem and call .. ": " .. problem
            end,
        }
    end

    it("returns an error or true fields when fields are missing, of another type or absurd #alone", function()
        run("damaged fields", 2000, function(path, random)
            return damaged_fields.encode(damaged_fields.damage(damaged_fields.replies[path](), random))
        end)
        assert.is_true(not hostile.is_whole or successes > 100 and failures > 100)
    end)

    it("returns an error when a server that is not etcd responds with status 200 #alone", function()
        run("foreign answers", 600, function(_, random) return damaged_fields.foreign(random) end)
        assert.is_true(not hostile.is_whole or failures > 200)
    end)
end)
