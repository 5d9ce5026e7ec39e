-- Responses of etcd, and random damage to them. `random(n)` returns 1 to n.
local fake = require "spec.support.scripted_server"
local hostile = require "spec.support.hostile_cases"

local _M = {}

local HEADER = hostile.HEADER
local KV = '{"key":"L2s=","create_revision":"5","mod_revision":"6","version":"2","value":"InYi","lease":"7587848943239472601"}'
_M.KV = KV

_M.bodies = {
    ("{%s,\"kvs\":[%s, %s],\"more\":true,\"count\":\"2\"}"):format(HEADER, KV, KV),
    ("{%s,\"prev_kv\":%s}"):format(HEADER, KV),
    ("{%s,\"deleted\":\"1\",\"prev_kvs\":[%s]}"):format(HEADER, KV),
    ("{%s,\"succeeded\":true,\"responses\":[{\"response_range\":{%s,\"kvs\":[%s]}},{\"response_txn\":{\"responses\":[{\"response_put\":{}}]}}]}")
        :format(HEADER, HEADER, KV),
    -- these two have another header, so that undamaged they are results of every call
    ("{%s,\"result\":{%s,\"ID\":\"7587848943239472601\",\"TTL\":\"60\"}}\n"):format(HEADER, HEADER),
    ("{%s,\"etcdserver\":\"3.5.16\",\"etcdcluster\":\"3.5.0\"}"):format(HEADER),
    ("{%s,\"ID\":\"7587848943239472601\",\"TTL\":\"59\",\"grantedTTL\":\"60\",\"keys\":[\"L2s=\",\"L2E=\"]}"):format(HEADER),
    ("{%s,\"leases\":[{\"ID\":\"7587848943239472601\"},{\"ID\":\"1\"}]}"):format(HEADER),
    hostile.TOKEN,
}

-- Error responses in both dialects of the gateway, and of proxies.
_M.error_replies = {
    { "403 Forbidden", '{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}' },
    { "400 Bad Request", '{"error":"etcdserver: user name is empty","code":3,"message":"etcdserver: user name is empty"}' },
    { "401 Unauthorized", '{"code":16,"message":"etcdserver: invalid auth token"}' },
    { "503 Service Unavailable", '{"code":14,"message":"etcdserver: no leader","details":[{"@type":"x","value":"eA=="}]}' },
    { "500 Internal Server Error", '{"error":{"grpc_code":2,"http_code":500,"message":"x","http_status":"Internal Server Error"}}' },
    { "429 Too Many Requests", '{"code":8,"message":"etcdserver: too many requests"}' },
    { "400 Bad Request", '{"code":11,"message":"etcdserver: mvcc: required revision has been compacted"}' },
    { "404 Not Found", "404 page not found\n" },
    { "502 Bad Gateway", "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502</h1></center></body></html>" },
}

local CALLS = {
    function(cli, key) return cli:get(key) end,
    function(cli, key) return cli:set(key, "v", { prev_kv = true }) end,
    function(cli, key) return cli:delete(key, { prev_kv = true }) end,
    function(cli, key) return cli:rmdir(key) end,
    function(cli, key) return cli:setnx(key, "v") end,
    function(cli, key) return cli:txn({ { key = key, target = "VERSION", version = 0 } }, { { requestPut = { key = key, value = "v" } } }, { { requestRange = { key = key } } }) end,
    function(cli, _, case) return cli:grant(60, case) end,
    function(cli, _, case) return cli:revoke(case) end,
    function(cli, _, case) return cli:keepalive(case) end,
    function(cli, _, case) return cli:timetolive(case, true) end,
    function(cli) return cli:leases() end,
    function(cli) return cli:version() end,
}
-- Calls of one request each: call(cli, key, number). WRITES_FROM to WRITES_TO are the indexes of the writes.
_M.calls, _M.WRITES_FROM, _M.WRITES_TO = CALLS, 2, 6

-- Returns a complete response, in one of the two framings that etcd uses.
function _M.answer(status, body, random, fields)
    fields = fields or ""
    if random(2) == 1 then
        return fake.reply(body, status, fields)
    end
    local at = random(#body)
    local rest = at < #body and fake.chunk(body:sub(at + 1)) or ""
    return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sTrailer: Grpc-Trailer-Content-Type\r\nTransfer-Encoding: chunked\r\n\r\n%s%s0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n")
        :format(status, fields, fake.chunk(body:sub(1, at)), rest)
end

-- Returns steps that send the text in up to four pieces, with random pauses, and close or keep the connection.
function _M.steps(text, random)
    local steps = {}
    for _ = 2, random(4) do
        local at = random(#text)
        steps[#steps + 1] = text:sub(1, at)
        steps[#steps + 1] = random(2) == 1 and random(3) / 1000 or nil
        text = text:sub(at + 1)
        if text == "" then
            break
        end
    end
    steps[#steps + 1] = text
    steps[#steps + 1] = random(3) > 1 and fake.CLOSE or nil
    return steps
end

local tokens = { "\r\n", "\n", "\0", "\255", "{", "}", "[", "]", '"', "null", "-", "0", "9", "99999999999999999999", "ffffffff", "1e999", "true",
    "nan", "inf", "1e9", "0x1", " ", ":", ",", "{}", "[]", '{"result":{"events":[{}]}}', '{"error":{"code":14}}', "Connection: close\r\n",
    "Content-Length: 3\r\n", "content-length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 100 Continue\r\n\r\n", "100", "204", ("a"):rep(70000), ("["):rep(2000) }

-- Returns the text with one to four random changes.
function _M.damage(text, random)
    for _ = 1, random(4) do
        local from = random(#text)
        local to = math.min(#text, from + random(random(2) == 1 and 3 or 60) - 1)
        local before, piece, after = text:sub(1, from - 1), text:sub(from, to), text:sub(to + 1)
        local kind = random(6)
        if kind == 1 then -- replace a byte
            text = before .. string.char(random(256) - 1) .. piece:sub(2) .. after
        elseif kind == 2 then -- delete a piece
            text = before .. after
        elseif kind == 3 then -- repeat a piece
            text = before .. piece .. piece .. after
        elseif kind == 4 then -- insert a token
            text = before .. tokens[random(#tokens)] .. piece .. after
        elseif kind == 5 then -- replace a piece by a token
            text = before .. tokens[random(#tokens)] .. after
        else -- replace a digit
            text = before .. text:sub(from):gsub("%d", tostring(random(10) - 1), 1)
        end
        if text == "" then
            return "x"
        end
    end
    return random(8) == 1 and text:sub(1, random(#text)) or text
end

local values = { "null", "true", "false", "-1", "1.5", "7", "1e999", "-1e999", "nan", '""', '"x"', '"AAAA"', '"9"', "{}", "[]", "[null]", "[{}]",
    "[[]]", "[7]", '["x"]', '{"a":1}', '{"kv":7}', '{"value":[]}', '{"1":{}}', '"9223372036854775808"', '"\\u0000"', '"\\r\\nX-Evil: 1"' }

-- Returns the JSON with one to three values replaced by values of any type.
function _M.twist(json, random)
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

-- Returns a response of a watch.
function _M.event(revision, rest)
    return ('{"result":{"header":{"cluster_id":"1","revision":"%d"}%s}}\n'):format(revision, rest)
end

local stream_errors = { '{"error":{"grpc_code":14,"http_code":503,"message":"gone","http_status":"Service Unavailable"}}', '{"error":{"code":7}}\n',
    '{"error":{"code":14,"message":"etcdserver: no leader"}}\n', "", "" }

-- Returns the complete response to a watch in chunks of random sizes; with `twisted`, some values are replaced.
function _M.stream(random, twisted)
    local lines = { _M.event(5, ',"created":true') }
    for i = 1, random(5) do
        local kinds = { (',"events":[{"kv":%s},{"type":"DELETE","kv":{"key":"L2I="},"prev_kv":%s}]'):format(KV, KV), "",
            ',"canceled":true,"compact_revision":"3"', (',"events":[{"kv":%s}]'):format(KV) }
        lines[i + 1] = _M.event(5 + i, kinds[random(#kinds)])
    end
    lines[#lines + 1] = stream_errors[random(#stream_errors)]
    for i = 1, twisted and #lines or 0 do
        lines[i] = random(2) == 1 and lines[i] ~= "" and _M.twist(lines[i], random) or lines[i]
    end
    local text, chunks = table.concat(lines), {}
    while text ~= "" do
        local size = random(200)
        chunks[#chunks + 1] = fake.chunk(text:sub(1, size))
        text = text:sub(size + 1)
    end
    return fake.CHUNKED .. table.concat(chunks) .. fake.LAST_CHUNK
end

-- Returns 1 to n random bytes.
function _M.noise(random, n)
    local bytes = {}
    for i = 1, random(n) do
        bytes[i] = string.char(random(256) - 1)
    end
    return table.concat(bytes)
end

return _M
