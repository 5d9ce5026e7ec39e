-- A directory in pages, from a server that gets them wrong. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04
local COMPACTED = '{"error":"x","message":"etcdserver: mvcc: required revision has been compacted","code":11}'
local counts = { "null", '"0"', '"-1"', '"9223372036854775807"', '"1"', "1e300", '"x"', "7", "{}" }

describe("a directory in pages", function()
    -- Keys k001 and on, `size` to a page.
    local function serve(request, total, size, wrong)
        local from = tonumber(ngx.decode_base64(cjson.decode(request.body).key):match("k(%d+)")) or 0
        local kvs = {}
        for i = from + 1, math.min(total, from + size) do
            kvs[#kvs + 1] = ('{"key":"%s","mod_revision":"%d","value":"MQ=="}'):format(ngx.encode_base64(("k%03d"):format(i)), i)
        end
        local list = table.concat(kvs, ",")
        if wrong == "order" then
            list = #kvs > 1 and kvs[#kvs] .. "," .. kvs[1] or list
        elseif wrong == "keyless" then
            list = list .. (list ~= "" and "," or "") .. "{}"
        elseif wrong == "again" then
            list = '{"key":"azAwMQ==","value":"MQ=="}'
            total = total + 1000000
        end
        return ('{%s,"kvs":[%s]%s,"count":"%d"}'):format(hostile.HEADER, list, from + size < total and ',"more":true' or "", total - from)
    end

    local mischiefs = { "damage", "twist", "twist", "order", "keyless", "again", "empty", "count", "compacted", "refusal", "cut", "noise" }

    local function script(request, random, total, size, mischief)
        local body = serve(request, total, size, mischief)
        if mischief == "damage" then
            return garble.steps(garble.damage(garble.answer("200 OK", body, random), random), random)
        elseif mischief == "twist" then
            return { fake.reply(garble.twist(body, random)) }
        elseif mischief == "empty" then
            return { fake.reply(('{%s,"more":true,"count":"100"}'):format(hostile.HEADER)) }
        elseif mischief == "count" then
            return { fake.reply((body:gsub('"count":"%d+"', '"count":' .. counts[random(#counts)]))) }
        elseif mischief == "compacted" then
            return { fake.reply(COMPACTED, "400 Bad Request") }
        elseif mischief == "refusal" then
            local refusal = garble.error_replies[random(#garble.error_replies)]
            return { fake.reply(refusal[2], refusal[1]) }
        elseif mischief == "cut" then
            return { fake.reply(body):sub(1, -random(#body)), fake.CLOSE }
        end
        return { mischief == "noise" and garble.noise(random, 300) or fake.reply(body), mischief == "noise" and fake.CLOSE or nil }
    end

    local wholes, errors = 0, 0

    it("never makes the driver throw, go on for ever, or take longer than its pages may", function()
        hostile.run {
            name = "pages", cases = hostile.scale(1000), timeout = TIMEOUT,
            one = function(self, _, random)
                local total, size, pages = random(40), random(20), 0
                local first_wrong = random(5) > 1 and random(4) or 1000
                -- nothing is wrong with it: then it must come, however long the worker stands still
                local is_good = first_wrong > math.ceil(total / size)
                local seconds = is_good and 30 or TIMEOUT
                local for_ever, mischief = random(4) == 1, mischiefs[random(#mischiefs)]
                self.scripts[1] = function(request)
                    pages = pages + 1
                    if pages > 60 then
                        self.wrong = "still asking after 60 pages"
                        return { fake.CLOSE }
                    end
                    local now_wrong = pages == first_wrong or for_ever and pages > first_wrong
                    return script(request, random, total, size, now_wrong and mischief)
                end
                local late, res, err, details = self.timed(function() return seconds * math.max(1, pages) end, self.cli.readdir, self.cli, "k", { timeout = seconds })
                local wrong = late or hostile.wrong_result(res, err, details)
                wholes, errors = wholes + (res and 1 or 0), errors + (res and 0 or 1)
                if wrong or not is_good then
                    return wrong
                elseif not res or #res.body.kvs ~= total then
                    return "a good directory of " .. total .. " came as " .. (res and #res.body.kvs or err)
                end
                for i, kv in ipairs(res.body.kvs) do
                    if kv.key ~= ("k%03d"):format(i) then
                        return "a key at the wrong place: " .. tostring(kv.key)
                    end
                end
            end,
        }
        assert.is_true(not hostile.is_whole or wholes > 100 and errors > 100)
    end)
end)
