-- Long replies are decoded in parts. The result must equal that of decoding the whole text.
--   SEED=n repeats the cases of a run, SOAK=n makes n times as many.
local bed = require "spec.support.bed"
local cjson = require "resty.etcd.base.private_cjson"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local json_codec = require "resty.etcd.transport.gateway.json_codec"
local long_json = require "resty.etcd.transport.gateway.chunked_json"
local rpc = require "resty.etcd.protocol.rpc"
local turns = require "spec.support.event_loop_probe"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local CASES = 400 * (tonumber(os.getenv("SOAK")) or 1)
-- Longest part of a list in bytes that is decoded without a yield: a part and the rest of an item.
local PART = 4096
local LIMITS = { max_response_size = 64 * 1024 * 1024 }

local decode = cjson.decode
local lengths = {}

-- Records the lengths of the decoded texts from now on.
local function watch_decoding()
    lengths = {}
    cjson.decode = function(text)
        lengths[#lengths + 1] = #text
        return decode(text)
    end
end

local function longest()
    return math.max(0, unpack(lengths))
end

-- Asserts that no decoded text is longer than `most`, and that all of them together are at least `least` bytes.
local function assert_short(most, least)
    assert.is_true(longest() <= most, longest() .. " bytes in one part")
    local sum = 0
    for _, length in ipairs(lengths) do
        sum = sum + length
    end
    assert.is_true(sum >= least, "only " .. sum .. " bytes were decoded")
end

after_each(function()
    cjson.decode = decode
end)

local function inside(json, envelope)
    if envelope and type(json) == "table" then
        return json[envelope]
    end
    return json
end

-- NaN equals NaN: cjson accepts it.
local function is_same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b or a ~= a and b ~= b
    end
    for key, value in pairs(a) do
        if not is_same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

-- Returns the difference between both ways of decoding, or nil, and whether the text is valid.
local function compare(message, text, envelope)
    local wanted = decode(text)
    local wanted_bad = json_codec.decode(message, inside(wanted, envelope))
    local json, bad = long_json.decode(message, text, envelope, LIMITS)
    local is_repeated = text:find('"kvs":.*"kvs":') or text:find('"result":.*"result":')
    if bad and is_repeated then
        return nil, wanted_bad == nil -- a malformed field counts, even if it is repeated, and the last one is good
    elseif (bad == nil) ~= (wanted_bad == nil) then
        return ("malformed: %s, but as a whole: %s"):format(tostring(bad), tostring(wanted_bad))
    elseif not bad and not is_same(wanted, json) then
        return "the messages are not the same"
    end
    return nil, wanted_bad == nil
end

local HEADER = '"header":{"cluster_id":"14841639068965178418","revision":"7","raft_term":"2"}'

local function texts_of(random)
    local space = ({ "", " ", "\n\t " })[random(3)]
    local extras = { '', '', ',"new":{"a":[{"b":1},{"b":2}]}', ',"new":"},{"', ',"new":"\\"},{\\""', ',"new":[[{}],[{}]]', ',"lease":null', ',"lease":"0"' }
    local function kv(i)
        local value = ngx.encode_base64(("v"):rep(random(400)))
        return ('{"key":"%s",%s"mod_revision":"%d",%s"value":%s"%s"%s}'):format(
            ngx.encode_base64("k" .. i), space, i, space, space, value, random(40) == 1 and extras[random(#extras)] or "")
    end
    local function list(item)
        local all, bytes = {}, 0
        while bytes < long_json.LONG do
            all[#all + 1] = item(#all + 1)
            bytes = bytes + #all[#all]
        end
        return "[" .. table.concat(all, "," .. space) .. "]"
    end
    local function event(i)
        local kinds = { '{"kv":%s}', '{"type":"PUT",%s"kv":%s}', '{"type":"DELETE","kv":%s}', '{"kv":%s,"prev_kv":%s}', '{"prev_kv":%s,"type":"DELETE","kv":%s}' }
        local kind = kinds[random(#kinds)]
        return kind == kinds[2] and kind:format(space, kv(i)) or kind:format(kv(i), kv(i))
    end
    local kinds = {
        function() return rpc.range.reply, ('{%s,%s"kvs":%s%s,"more":true,%s"count":"9"}'):format(HEADER, space, space, list(kv), space) end,
        function() return rpc.range.reply, ('{"kvs":[],"kvs":%s,%s}'):format(list(kv), HEADER) end,
        function() return rpc.range.reply, ('{"kvs":%s,"kvs":[]}'):format(list(kv)) end,
        function() return rpc.range.reply, ('{"new":{"kvs":%s},"kvs":[%s]}'):format(list(kv), kv(1)) end,
        function() return rpc.range.reply, ('{"new":"\\"kvs\\":[{","kvs":%s}'):format(list(kv)) end,
        function() return rpc.range.reply, ('{"new":"\'kvs\':[{","kvs":%s,"end":[{}]}'):format(list(kv)) end,
        function() return rpc.range.reply, ('{"kvs":%s,"end":"}]"}'):format(list(kv)) end,
        function() return rpc.range.reply, ('{"other":%s,"count":"1"}'):format(list(kv)) end,
        function() return rpc.range.reply, ('{"kvs":%s,"count":"9"}'):format(list(function(i) return i % 50 == 0 and "null" or kv(i) end)) end,
        function() return rpc.range.reply, ('{"kvs":%s,"count":"9"}'):format(list(function(i) return i % 50 == 0 and "[" .. kv(i) .. "]" or kv(i) end)) end,
        function() return rpc.watch.reply, ('{"result":{%s,"fragment":true,"events":%s}}\n'):format(HEADER, list(event)), "result" end,
        function() return rpc.watch.reply, ('{"result":{%s,%s"events":%s,"canceled":true}}'):format(HEADER, space, list(event)), "result" end,
        function() return rpc.watch.reply, ('{"result":{"events":%s},"result":{%s}}'):format(list(event), HEADER), "result" end,
        function() return rpc.watch.reply, ('{"result":{"events":%s},"error":{"code":14}}'):format(list(event)), "result" end,
    }
    return kinds[random(#kinds)]()
end

describe("long reply", function()
    it("is decoded in parts with the same result as the whole text, whatever it contains", function()
        print("long replies: SEED=" .. SEED)
        local good, bad = 0, 0
        for case = 1, CASES do
            local state = (SEED * 7919 + case * 104729) % 2147483646 + 1
            local function random(n)
                state = state * 16807 % 2147483647
                return state % n + 1
            end
            random(2)
            local message, text, envelope = texts_of(random)
            if random(2) == 1 then -- damage is likely at both ends and at a random position
                local at = ({ 0, #text - 200, random(#text) })[random(3)]
                local before, piece, after = text:sub(1, at), text:sub(at + 1, at + 200), text:sub(at + 201)
                if #piece > 1 then
                    text = before .. garble[random(2) == 1 and "damage" or "twist"](piece, random) .. after
                end
            end
            local problem, is_good = compare(message, text, envelope)
            if problem then
                error(("case %d: %s (SEED=%d repeats it)"):format(case, problem, SEED))
            end
            good, bad = good + (is_good and 1 or 0), bad + (is_good and 0 or 1)
        end
        assert.is_true(good > 100 and bad > 20, good .. " good, " .. bad .. " bad")
    end)

    local function kvs(n, value)
        local list = {}
        for i = 1, n do
            list[i] = ('{"key":"%s","mod_revision":"%d","value":"%s"}'):format(ngx.encode_base64("k" .. i), i, ngx.encode_base64(value or "v" .. i))
        end
        return list
    end

    it("is decoded in short parts", function()
        watch_decoding()
        local json, bad = long_json.decode(rpc.range.reply, ('{%s,"kvs":[%s],"count":"9"}'):format(HEADER, table.concat(kvs(5000), ", ")), nil, LIMITS)
        assert.is_nil(bad)
        assert.equal(5000, #json.kvs)
        assert.same({ key = "k5000", mod_revision = "5000", value = "v5000" }, json.kvs[5000])
        assert.is_true(#lengths > 50 and longest() <= PART, longest() .. " bytes in one part")
    end)

    it("is decoded in short parts when its values are large", function()
        watch_decoding()
        local value = ("x"):rep(100000)
        local json = long_json.decode(rpc.range.reply, ('{"kvs":[%s]}'):format(table.concat(kvs(20, value), ",")), nil, LIMITS)
        for i = 1, 20 do
            assert.equal(value, json.kvs[i].value)
        end
        assert_short(PART, 0)
    end)

    it("yields between parts #alone", function()
        local text = ('{"kvs":[%s]}'):format(table.concat(kvs(20000), ","))
        cjson.decode = function(part) return decode(turns.work(part)) end
        local most = turns.most(function() long_json.decode(rpc.range.reply, text, nil, LIMITS) end)
        assert.is_true(most > 0 and most <= turns.FEW, most .. " parts without a yield")
    end)

    it("is decoded in phases that cannot yield", function()
        local sleep = ngx.sleep
        ngx.sleep = function() error("API disabled in the current context") end -- luacheck: ignore 122
        local ok, json = pcall(long_json.decode, rpc.range.reply, ('{"kvs":[%s]}'):format(table.concat(kvs(5000), ",")), nil, LIMITS)
        ngx.sleep = sleep -- luacheck: ignore 122
        assert.is_true(ok)
        assert.equal(5000, #json.kvs)
    end)
end)

describe("long reply of etcd", function()
    local cli = assert(bed.new { timeout = 20 })
    local dir = bed.key("long")
    local revisions = {}

    -- Least bytes decoded per key: its value in base64.
    local BYTES = 1000 * 4 / 3

    local function value(i)
        return { number = i, text = ("x"):rep(1000) }
    end

    setup(function()
        for from = 1, 1000, 100 do
            local ops = {}
            for i = from, from + 99 do
                ops[#ops + 1] = { requestPut = { key = ("%s%05d"):format(dir, i), value = value(i) } }
            end
            local res = assert(cli:txn({ { key = dir, target = "VERSION", result = "EQUAL", version = 0 } }, ops))
            revisions[#revisions + 1] = tonumber(res.body.header.revision)
        end
    end)

    teardown(function()
        assert(cli:rmdir(dir))
    end)

    local function assert_all(list)
        assert.equal(1000, #list)
        for i, kv in ipairs(list) do
            assert.equal(("%s%05d"):format(dir, i), kv.key)
            assert.same(value(i), kv.value)
            assert.equal(tostring(revisions[math.ceil(i / 100)]), kv.mod_revision)
        end
    end

    it("is complete and decoded in parts when all keys are read in one request", function()
        watch_decoding()
        local body = assert(cli:readdir(dir, { limit = 100000 })).body
        assert_all(body.kvs)
        assert.equal("1000", body.count)
        assert.is_nil(body.more)
        assert_short(PART, 1000 * BYTES)
    end)

    it("is complete and decoded in parts when a directory is read in pages", function()
        watch_decoding()
        assert_all(assert(cli:readdir(dir)).body.kvs)
        assert_short(long_json.LONG, 1000 * BYTES)
    end)

    it("is complete and decoded in parts when it has the deleted keys", function()
        local other = bed.key("gone")
        local ops = {}
        for i = 1, 100 do
            ops[i] = { requestPut = { key = ("%s%03d"):format(other, i), value = value(i) } }
        end
        assert(cli:txn({ { key = other, target = "VERSION", result = "EQUAL", version = 0 } }, ops))
        watch_decoding()
        local body = assert(cli:rmdir(other, { prev_kv = true })).body
        assert.equal(100, #body.prev_kvs)
        assert.same(value(100), body.prev_kvs[100].value)
        assert_short(PART, 100 * BYTES)
    end)

    for _, opts in ipairs { {}, { fragment = true } } do
        it("has each past event of a watch once" .. (opts.fragment and " when the watch has fragment" or ""), function()
            local reader = assert(cli:watchdir(dir, { start_revision = revisions[1], fragment = opts.fragment }))
            assert.is_true(assert(reader()).result.created)
            watch_decoding()
            local list = {}
            while #list < 1000 do
                for _, event in ipairs(assert(reader()).result.events) do
                    list[#list + 1] = event.kv
                end
            end
            assert_all(list)
            assert_short(PART, 1000 * BYTES)
        end)
    end

    it("has each past event of a watcher once", function()
        local watcher = assert(cli:watcher(dir, { prefix = true, start_revision = revisions[1] }))
        watch_decoding()
        local list = {}
        while #list < 1000 do
            for _, event in ipairs(assert(watcher:next(10)).events) do
                list[#list + 1] = event.kv
            end
        end
        watcher:close()
        assert_all(list)
        assert_short(PART, 1000 * BYTES)
    end)
end)

describe("long message of a watch", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({})
        cli = assert(bed.new { http_host = server.http_host, timeout = 5 })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function line(revision, n)
        local events = {}
        for i = 1, n do
            events[i] = ('{"kv":{"key":"%s","mod_revision":"%d","value":"MQ=="}}'):format(ngx.encode_base64("/k" .. i), revision)
        end
        return fake.chunk(('{"result":{%s,"events":[%s]}}\n'):format(HEADER, table.concat(events, ",")))
    end

    local function open()
        server:serve({ fake.CHUNKED .. fake.chunk('{"result":{' .. HEADER .. ',"created":true}}\n') .. line(8, 1) .. line(9, 5000) .. line(10, 1) })
        local reader = assert(cli:watchdir("/k"))
        assert.is_true(assert(reader()).result.created)
        return reader
    end

    local function read_all(reader, n)
        local keys = {}
        while #keys < n do
            for _, event in ipairs(assert(reader()).result.events) do
                keys[#keys + 1] = event.kv.key .. "@" .. event.kv.mod_revision
            end
        end
        return keys
    end

    it("keeps its position among other messages", function()
        local keys = read_all(open(), 5002)
        assert.equal("/k1@8", keys[1])
        for i = 1, 5000 do
            assert.equal("/k" .. i .. "@9", keys[i + 1])
        end
        assert.equal("/k1@10", keys[5002])
    end)

    it("is not lost when the light thread that decodes it is killed", function()
        local reader = open()
        local first = read_all(reader, 1)
        assert.same({ "/k1@8" }, first)
        local parts = 0
        cjson.decode = function(text)
            parts = parts + 1
            return decode(text)
        end
        local kills = 0
        while kills < 20 do
            local done
            local thread = ngx.thread.spawn(function()
                done = reader()
            end)
            local before = parts
            while parts == before and not done do
                ngx.sleep(0.001)
            end
            assert.is_nil(done) -- decoding is in progress
            assert(ngx.thread.kill(thread))
            kills = kills + 1
        end
        assert.equal(5001, #read_all(reader, 5001))
    end)
end)
