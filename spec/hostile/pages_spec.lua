-- A directory in pages, from a server that sends wrong pages. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04
local COMPACTED = '{"error":"x","message":"etcdserver: mvcc: required revision has been compacted","code":11}'
local counts = { "null", '"0"', '"-1"', '"9223372036854775807"', '"1"', "1e300", '"x"', "7", "{}" }

describe("readdir in pages", function()
    -- Returns a page of at most `size` keys, which are named k001 and so on.
    local function page_of(request, total, size, fault)
        local from = tonumber(ngx.decode_base64(cjson.decode(request.body).key):match("k(%d+)")) or 0
        local kvs = {}
        for i = from + 1, math.min(total, from + size) do
            kvs[#kvs + 1] = ('{"key":"%s","mod_revision":"%d","value":"MQ=="}'):format(ngx.encode_base64(("k%03d"):format(i)), i)
        end
        local list = table.concat(kvs, ",")
        if fault == "order" then
            list = #kvs > 1 and kvs[#kvs] .. "," .. kvs[1] or list
        elseif fault == "keyless" then
            list = list .. (list ~= "" and "," or "") .. "{}"
        elseif fault == "again" then
            list = '{"key":"azAwMQ==","value":"MQ=="}'
            total = total + 1000000
        end
        return ('{%s,"kvs":[%s]%s,"count":"%d"}'):format(hostile.HEADER, list, from + size < total and ',"more":true' or "", total - from)
    end

    local faults = { "damage", "twist", "twist", "order", "keyless", "again", "empty", "count", "compacted", "rejected", "cut", "noise" }

    local function script(request, random, total, size, fault)
        local body = page_of(request, total, size, fault)
        if fault == "damage" then
            return garble.steps(garble.damage(garble.answer("200 OK", body, random), random), random)
        elseif fault == "twist" then
            return { fake.reply(garble.twist(body, random)) }
        elseif fault == "empty" then
            return { fake.reply(('{%s,"more":true,"count":"100"}'):format(hostile.HEADER)) }
        elseif fault == "count" then
            return { fake.reply((body:gsub('"count":"%d+"', '"count":' .. counts[random(#counts)]))) }
        elseif fault == "compacted" then
            return { fake.reply(COMPACTED, "400 Bad Request") }
        elseif fault == "rejected" then
            local error_reply = garble.error_replies[random(#garble.error_replies)]
            return { fake.reply(error_reply[2], error_reply[1]) }
        elseif fault == "cut" then
            return { fake.reply(body):sub(1, -random(#body)), fake.CLOSE }
        end
        return { fault == "noise" and garble.noise(random, 300) or fake.reply(body), fault == "noise" and fake.CLOSE or nil }
    end

    local successes, errors = 0, 0

    it("neither throws nor reads forever nor takes longer than the timeouts of its pages", function()
        hostile.run {
            name = "pages", cases = hostile.scale(1000), timeout = TIMEOUT,
            one = function(self, _, random)
                local total, size, pages = random(40), random(20), 0
                local first_fault = random(5) > 1 and random(4) or 1000
                -- a directory without a fault must be returned, however long the event loop is blocked
                local is_good = first_fault > math.ceil(total / size)
                local seconds = is_good and 30 or TIMEOUT
                local is_permanent, fault = random(4) == 1, faults[random(#faults)]
                self.scripts[1] = function(request)
                    pages = pages + 1
                    if pages > 60 then
                        self.wrong = "the driver still requests pages after 60"
                        return { fake.CLOSE }
                    end
                    local is_faulty = pages == first_fault or is_permanent and pages > first_fault
                    return script(request, random, total, size, is_faulty and fault)
                end
                local late, res, err, details = self.timed(function() return seconds * math.max(1, pages) end, self.cli.readdir, self.cli, "k", { timeout = seconds })
                local problem = late or hostile.wrong_result(res, err, details)
                successes, errors = successes + (res and 1 or 0), errors + (res and 0 or 1)
                if problem or not is_good then
                    return problem
                elseif not res or #res.body.kvs ~= total then
                    return "a good directory of " .. total .. " keys was returned as " .. (res and #res.body.kvs or err)
                end
                for i, kv in ipairs(res.body.kvs) do
                    if kv.key ~= ("k%03d"):format(i) then
                        return "a key at the wrong position: " .. tostring(kv.key)
                    end
                end
            end,
        }
        assert.is_true(not hostile.is_whole or successes > 100 and errors > 100)
    end)
end)
