-- Valid answers with random damage: the driver may call them anything but must not throw, hang, or pass on the rest.
-- SEED=n repeats a run; each case depends on the seed and its own number only.
local bed = require "spec.support.bed"
local fake = require "spec.support.fake"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local TIMEOUT, SLACK, WORKERS = 0.25, 2, 24

local function random_of(case)
    local state = (SEED * 7919 + case * 104729) % 2147483646 + 1
    local function random(n)
        state = state * 16807 % 2147483647
        return state % n + 1
    end
    random(2)
    random(2)
    return random
end

local HEADER = '"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"7","raft_term":"2"}'
local KV = '{"key":"L2s=","create_revision":"5","mod_revision":"6","version":"2","value":"InYi","lease":"7587848943239472601"}'
local bodies = {
    ("{%s,\"kvs\":[%s, %s],\"more\":true,\"count\":\"2\"}"):format(HEADER, KV, KV),
    ("{%s,\"prev_kv\":%s}"):format(HEADER, KV),
    ("{%s,\"deleted\":\"1\",\"prev_kvs\":[%s]}"):format(HEADER, KV),
    ("{%s,\"succeeded\":true,\"responses\":[{\"response_range\":{%s,\"kvs\":[%s]}},{\"response_txn\":{\"responses\":[{\"response_put\":{}}]}}]}")
        :format(HEADER, HEADER, KV),
    ("{\"result\":{%s,\"ID\":\"7587848943239472601\",\"TTL\":\"60\"}}\n"):format(HEADER),
    ("{%s,\"ID\":\"7587848943239472601\",\"TTL\":\"59\",\"grantedTTL\":\"60\",\"keys\":[\"L2s=\",\"L2E=\"]}"):format(HEADER),
    ("{%s,\"leases\":[{\"ID\":\"7587848943239472601\"},{\"ID\":\"1\"}]}"):format(HEADER),
    '{"etcdserver":"3.5.16","etcdcluster":"3.5.0"}',
    '{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}',
}
local statuses = { "200 OK", "200 OK", "200 OK", "403 Forbidden", "503 Service Unavailable" }

local function chunked(status, body, at)
    return "HTTP/1.1 " .. status .. "\r\nContent-Type: application/json\r\nTrailer: Grpc-Trailer-Content-Type\r\nTransfer-Encoding: chunked\r\n\r\n"
        .. fake.chunk(body:sub(1, at)) .. fake.chunk(body:sub(at + 1)) .. "0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n"
end

local calls = {
    function(cli, key) return cli:get(key) end,
    function(cli, key) return cli:readdir(key) end,
    function(cli, key) return cli:set(key, "v", { prev_kv = true }) end,
    function(cli, key) return cli:delete(key, { prev_kv = true }) end,
    function(cli, key) return cli:rmdir(key) end,
    function(cli, key) return cli:setnx(key, "v") end,
    function(cli, key) return cli:txn({ { key = key, target = "VERSION", version = 0 } }, { { requestRange = { key = key } } }) end,
    function(cli, _, case) return cli:grant(60, case) end,
    function(cli, _, case) return cli:revoke(case) end,
    function(cli, _, case) return cli:keepalive(case) end,
    function(cli, _, case) return cli:timetolive(case, true) end,
    function(cli) return cli:leases() end,
    function(cli) return cli:version() end,
}

local tokens = { "\r\n", "\n", "\0", "\255", "{", "}", "[", "]", '"', "null", "-", "0", "9", "99999999999999999999", "ffffffff", "1e999", "true",
    "{}", "[]", '{"result":{"events":[{}]}}', '{"error":{"code":14}}', "Connection: close\r\n", "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "100", "204", ("a"):rep(70000), ("["):rep(2000) }

-- The text with one to four pieces of damage.
local function damage(text, random)
    for _ = 1, random(4) do
        local from = random(#text)
        local to = math.min(#text, from + random(random(2) == 1 and 3 or 60) - 1)
        local before, piece, after = text:sub(1, from - 1), text:sub(from, to), text:sub(to + 1)
        local kind = random(6)
        if kind == 1 then -- a byte is another
            text = before .. string.char(random(256) - 1) .. piece:sub(2) .. after
        elseif kind == 2 then -- some are missing
            text = before .. after
        elseif kind == 3 then -- some come twice
            text = before .. piece .. piece .. after
        elseif kind == 4 then -- something is in between
            text = before .. tokens[random(#tokens)] .. piece .. after
        elseif kind == 5 then -- something is in their place
            text = before .. tokens[random(#tokens)] .. after
        else -- a digit is another
            text = before .. text:sub(from):gsub("%d", tostring(random(10) - 1), 1)
        end
        if text == "" then
            return "x"
        end
    end
    return random(8) == 1 and text:sub(1, random(#text)) or text
end

local values = { "null", "true", "false", "-1", "1.5", "7", "1e999", '""', '"x"', '"AAAA"', '"9"', "{}", "[]", "[null]", "[{}]", "[[]]", "[7]",
    '["x"]', '{"a":1}', '{"kv":7}', '{"value":[]}' }

-- JSON in which one to three values have become others, of any type.
local function twist(json, random)
    for _ = 1, random(3) do
        local places = {}
        for at in json:gmatch('":()') do
            places[#places + 1] = at
        end
        local at = places[random(math.max(1, #places))] or 1
        local value = json:match("^%b{}", at) or json:match("^%b[]", at) or json:match('^"[^"]*"', at) or json:match("^[^,}%]]*", at)
        json = json:sub(1, at - 1) .. values[random(#values)] .. json:sub(at + #value)
    end
    return json
end

describe("random damage", function()
    local server, cli, restore, scripts

    setup(function()
        print("SEED=" .. SEED)
        restore = fake.never_ban()
        server = fake.new()
        cli = assert(bed.new { http_host = server.http_host })
        cli.timeout = TIMEOUT
    end)

    teardown(function()
        server:close()
        restore()
    end)

    before_each(function()
        scripts = {}
        server:serve(function(request)
            local key = ngx.decode_base64(request.body:match('"key":"([^"]*)"') or "")
            local good = key and key:match("^/good/(%d+)$")
            if good then
                return { fake.reply(('{%s,"kvs":[{"key":"%s","value":"%s"}]}'):format(HEADER, ngx.encode_base64(key), ngx.encode_base64(good))) }
            end
            return table.remove(scripts, 1) or { fake.CLOSE }
        end)
    end)

    -- Runs cases 1 to n, some at a time; each is followed by a good call that must have its own answer.
    local function run(n, one)
        local next_case, failed = 0, nil
        local function work()
            while next_case < n and not failed do
                next_case = next_case + 1
                local case = next_case
                local ok, wrong = pcall(one, case, random_of(case))
                local res, err = cli:get("/good/" .. case, { timeout = 5 })
                local value = res and res.body.kvs and res.body.kvs[1].value
                if not ok or wrong then
                    failed = tostring(wrong)
                elseif value ~= case then
                    failed = "the good call behind it got " .. tostring(value) .. ", " .. tostring(err)
                end
                failed = failed and "SEED=" .. SEED .. " case " .. case .. ": " .. failed
            end
        end
        local threads = {}
        for i = 1, WORKERS do
            threads[i] = ngx.thread.spawn(work)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.is_nil(failed)
        assert.equals(n, next_case)
    end

    it("of an answer never throws, never outlasts the timeout, never reaches the next caller", function()
        local results, errors = 0, 0
        run(4000, function(case, random)
            local body, status = bodies[random(#bodies)], statuses[random(#statuses)]
            local twisted = random(2) == 1
            body = twisted and twist(body, random) or body
            local whole = random(2) == 1 and fake.reply(body, status) or chunked(status, body, random(#body - 1))
            scripts[#scripts + 1] = { twisted and whole or damage(whole, random), random(3) > 1 and fake.CLOSE or nil }
            local started = ngx.now()
            local res, err, details = calls[random(#calls)](cli, "/bad", case)
            if ngx.now() - started > TIMEOUT + SLACK then
                return "took " .. ngx.now() - started
            elseif res ~= nil then
                results = results + 1
                if type(res.status) ~= "number" or type(res.headers) ~= "table" or type(res.body) ~= "table" then
                    return "a result that is none"
                elseif res.status >= 300 and type(res.body.error) ~= "string" then
                    return "a refusal without text"
                end
            else
                errors = errors + 1
                if type(err) ~= "string" or type(details) ~= "table" or type(details.name) ~= "string" then
                    return "an error that is none"
                end
            end
        end)
        assert.is_true(results > 250 and errors > 250)
    end)

    local function event(revision, rest)
        return ('{"result":{"header":{"cluster_id":"1","revision":"%d"}%s}}\n'):format(revision, rest)
    end

    local function stream(random, twisted)
        local lines = { event(5, ',"created":true') }
        for i = 1, random(5) do
            local kinds = { (',"events":[{"kv":%s},{"type":"DELETE","kv":{"key":"L2I="},"prev_kv":%s}]'):format(KV, KV), "",
                ',"canceled":true,"compact_revision":"3"', (',"events":[{"kv":%s}]'):format(KV) }
            lines[i + 1] = event(5 + i, kinds[random(#kinds)])
        end
        local errors = { '{"error":{"grpc_code":14,"http_code":503,"message":"gone","http_status":"Service Unavailable"}}', '{"error":{"code":7}}\n', "", "" }
        lines[#lines + 1] = errors[random(#errors)]
        for i = 1, twisted and #lines or 0 do
            lines[i] = random(2) == 1 and lines[i] ~= "" and twist(lines[i], random) or lines[i]
        end
        local text, chunks = table.concat(lines), {}
        while text ~= "" do
            local size = random(200)
            chunks[#chunks + 1] = fake.chunk(text:sub(1, size))
            text = text:sub(size + 1)
        end
        return fake.CHUNKED .. table.concat(chunks) .. fake.LAST_CHUNK
    end

    local function check_reply(reply, err)
        if reply == nil then
            return type(err) ~= "string" and "an error that is none" or nil
        elseif reply.error ~= nil then
            return (type(reply.error.http_code) ~= "number" or reply.error.http_code >= 500) and "an error reply that is none" or nil
        end
        for _, each in ipairs(reply.result.events or {}) do
            if type(each) ~= "table" or each.kv ~= nil and type(each.kv) ~= "table" or each.type ~= nil and each.type ~= "DELETE" then
                return "an event that is none"
            end
        end
        return type(reply.result) ~= "table" and "a reply that is none" or nil
    end

    it("of a watch never throws, never outlasts the timeout, and ends with an error that stays", function()
        local replies = 0
        run(2500, function(_, random)
            local twisted = random(2) == 1
            local bytes = stream(random, twisted)
            bytes = twisted and bytes or damage(bytes, random)
            local at = random(#bytes)
            scripts[#scripts + 1] = { bytes:sub(1, at), random(3) == 1 and 0.002 or "", bytes:sub(at + 1), random(3) > 1 and fake.CLOSE or nil }
            local reader, err = cli:watch("/bad", { progress_notify = random(2) == 1 })
            if not reader then
                return type(err) ~= "string" and "an error that is none" or nil
            end
            local reply, wrong
            for _ = 1, 100 do
                local started = ngx.now()
                reply, err = reader()
                wrong = check_reply(reply, err) or ngx.now() - started > TIMEOUT + SLACK and "too slow"
                if wrong or reply == nil then
                    local again, same = reader()
                    return wrong or (again ~= nil or same ~= err) and "an error that does not stay" or nil
                end
                replies = replies + 1
            end
            return "no end"
        end)
        assert.is_true(replies > 1000)
    end)
end)
