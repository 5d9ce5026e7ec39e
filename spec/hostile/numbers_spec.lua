-- Registrations at a server whose numbers etcd does not send: no loop calls it more than five times a second, and none says
-- "registered" without a lease.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local discovery = require "resty.etcd.discovery"
local fake = require "spec.support.scripted_server"

local HEADER = '"header":{"cluster_id":"7","member_id":"8","revision":"5","raft_term":"2"}'
local OBSERVED = 2
-- Calls that a registration makes before its pace is steady: two steps, and the first failures.
local FIRST_CALLS = 8

local function body_of(path, grant, renewal)
    if path == "/v3/lease/grant" then
        return ("{%s%s}"):format(HEADER, grant)
    elseif path == "/v3/lease/keepalive" then
        return ('{"result":{%s,"ID":"77"%s}}'):format(HEADER, renewal)
    elseif path == "/v3/kv/txn" then
        return ('{%s,"succeeded":true}'):format(HEADER)
    end
    return ("{%s}"):format(HEADER)
end

local GOOD = ',"ID":"77","TTL":"10"'
local RENEWED = ',"TTL":"10"'

describe("registration at a server with absurd numbers", function()
    local cases = {}
    for _, ttl in ipairs {
        '"-5"', '"1e-9"', '"1e300"', '"1e999"', '"0"', '""', '"0x10"', '"9223372036854775807"', '"9000000001"', '"x"', '" 10"',
        "-5", "0.5", "1e-9", "1e300", "1e999", "true", "{}", '"99999999999999999999999"', "null", "[10]",
    } do
        cases[#cases + 1] = { "grants the TTL " .. ttl, ',"ID":"77","TTL":' .. ttl, RENEWED }
        cases[#cases + 1] = { "renews with the TTL " .. ttl, GOOD, ',"TTL":' .. ttl }
    end
    for _, id in ipairs { "", ',"ID":"0"', ',"ID":""', ',"ID":"1e5"', ',"ID":null', ',"ID":"-"' } do
        cases[#cases + 1] = { "grants a lease with" .. (id == "" and "out ID" or " " .. id:sub(2)), id .. ',"TTL":"10"', RENEWED }
    end

    it("makes few calls, and is not registered without a lease of a valid TTL", function()
        local restore, log = fake.never_ban(), captured_log.start()
        local servers, regs = fake.group(), {}
        finally(function()
            for _, reg in ipairs(regs) do
                reg:close()
            end
            ngx.sleep(0.05)
            servers.close()
            restore()
            log.stop()
        end)
        for i, case in ipairs(cases) do
            local server = servers.serve(function(request)
                return { fake.reply(body_of(request.path, case[2], case[3])) }
            end)
            local cli = assert(bed.new { http_host = server.http_host })
            regs[i] = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { ttl = 2 }))
        end
        ngx.sleep(OBSERVED)
        for i, case in ipairs(cases) do
            local calls = #servers.servers[i].requests
            local most = FIRST_CALLS + 5 * OBSERVED
            assert.is_true(calls > 0 and calls <= most, ("%s: %d calls in %g s"):format(case[1], calls, OBSERVED))
            local state = regs[i]:state()
            if case[1]:find("^grants") then
                assert.is_false(state.registered, case[1])
                assert.is_string(state.err, case[1])
            end
        end
    end)

    it("renews a lease at least every 25 s, whatever TTL the server states", function()
        local regs, servers = {}, fake.group()
        finally(function()
            for _, reg in ipairs(regs) do
                reg:close()
            end
            ngx.sleep(0.05)
            servers.close()
        end)
        local long = ',"ID":"77","TTL":"9000000000"'
        for i, case in ipairs { { long, long }, { GOOD, long } } do
            local server = servers.serve(function(request)
                return { fake.reply(body_of(request.path, case[1], case[2])) }
            end)
            local cli = assert(bed.new { http_host = server.http_host })
            regs[i] = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { ttl = 3 }))
            assert(fake.eventually(function() return regs[i]:state().registered end))
        end
        ngx.sleep(4.5) -- the second one is renewed first after a third of 10 s
        for _, reg in ipairs(regs) do
            local state = reg:state()
            assert.is_true(state.registered)
            assert.equals(75, state.ttl)
            assert.is_true(state.expires_in > 70 and state.expires_in <= 75, state.expires_in)
        end
        assert.equals(1, regs[2]:state().renewals)
    end)

    it("renews a lease with a TTL of 1 s in time, with at most five calls a second", function()
        local server = fake.new(function(request)
            return { fake.reply(body_of(request.path, ',"ID":"77","TTL":"1"', ',"TTL":"1"')) }
        end)
        local cli = assert(bed.new { http_host = server.http_host })
        local reg = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { ttl = 1 }))
        finally(function()
            reg:close()
            ngx.sleep(0.05)
            server.close()
        end)
        ngx.sleep(OBSERVED)
        assert.is_true(reg:state().registered)
        assert.is_true(#server.requests <= FIRST_CALLS + 5 * OBSERVED, #server.requests .. " calls")
    end)
end)
