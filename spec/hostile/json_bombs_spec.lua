-- Responses whose decoding takes much time or memory. The worker must go on with other requests meanwhile: no stretch of CPU
-- without a yield is longer than 100 ms, whether the response is accepted or rejected.
local chunked_json = require "resty.etcd.transport.gateway.chunked_json"
local clock = require "resty.etcd.base.clock"
local rpc = require "resty.etcd.protocol.rpc"

local MB = 1024 * 1024
local SIZE = 64 * MB
local LONGEST = 0.1
-- The same for millions of different strings: LuaJIT doubles its string table in one step.
local LONGEST_OF_STRINGS = 0.2
-- Lua memory in KiB, beyond the text.
local MOST_MEMORY = 4 * SIZE / 1024

local HEAD = '{"header":{"cluster_id":"7","member_id":"8","revision":"5","raft_term":"2"},'

local function fill(unit, head, tail, size)
    return HEAD .. head .. unit:rep(math.floor(((size or SIZE) - #head - #tail - #HEAD) / #unit)) .. tail
end

-- Returns a text with many different strings or members, which are made by `format`.
local function numbered(format, head, tail)
    local block = {}
    for i = 1, 2000 do
        block[i] = format:format(i)
    end
    local unit = table.concat(block)
    local parts = {}
    for i = 1, math.floor((SIZE - #head - #tail - #HEAD) / (#unit + 2000 * 5)) do
        parts[i] = unit:gsub("@", ("%05x"):format(i))
    end
    return HEAD .. head .. table.concat(parts) .. tail
end

local KV = '{"key":"QUJD","create_revision":"1","mod_revision":"1","version":"1","value":"' .. ("QUJD"):rep(30) .. '"},'

-- Name, text, whether it is accepted.
local bombs = {
    { "arrays in a list", function() return fill("[],", '"kvs":[', "[]]}") end },
    { "objects in a list", function() return fill("{},", '"kvs":[', "{}]}") end },
    { "numbers in a list of the schema", function() return fill("1,", '"kvs":[', "1]}") end },
    { "numbers in an unknown list", function() return fill("1,", '"new":[', "1]}") end },
    { "strings in an unknown list", function() return numbered('"%04d@",', '"new":[', "1]}") end, longest = LONGEST_OF_STRINGS },
    { "members of an unknown object", function() return numbered('"%04d@":1,', '"new":{', '"a":1}}') end },
    { "members of the response", function() return numbered('"%04d@":1,', "", '"a":1}') end },
    { "deep arrays", function() return fill(("["):rep(900) .. ("]"):rep(900) .. ",", '"new":[', "1]}") end },
    { "very deep arrays", function() return HEAD .. '"new":' .. ("["):rep(SIZE / 2) .. ("]"):rep(SIZE / 2) .. "}" end },
    { "very deep objects", function() return HEAD .. '"new":' .. ('{"a":'):rep(SIZE / 6) .. "1" .. ("}"):rep(SIZE / 6) .. "}" end },
    { "deep objects with long members", function()
        return HEAD .. '"new":' .. ('{"a":"' .. ("x"):rep(100000) .. '","b":'):rep(SIZE / 100100) .. "1" .. ("}"):rep(SIZE / 100100) .. "}"
    end },
    { "brackets that are never closed", function() return HEAD .. '"kvs":' .. ("[{"):rep(SIZE / 2) end },
    { "a long string", function() return HEAD .. '"new":"' .. ("QUJD"):rep(SIZE / 4 - 100) .. '"}' end, true },
    { "a long key", function() return fill("QUJD", '"kvs":[{"key":"', '"}]}') end, true },
    { "a long string with an escape", function() return HEAD .. '"new":"\\n' .. ("QUJD"):rep(SIZE / 4 - 100) .. '"}' end },
    { "escaped quotes", function() return fill('\\"', '"new":"', '"}') end },
    { "backslashes", function() return fill("\\\\", '"new":"', '"}') end },
    { "a string that never ends", function() return HEAD .. '"new":"' .. ("x"):rep(SIZE) end },
    { "an escaped string that never ends", function() return HEAD .. '"new":"' .. ('\\"'):rep(SIZE / 2) end },
    { "white space before the list", function() return HEAD .. '"kvs":' .. (" "):rep(SIZE) .. "[]}" end },
    { "white space in the list", function() return HEAD .. '"kvs":[' .. (" "):rep(SIZE) .. "]}" end },
    { "white space before the response", function() return (" "):rep(SIZE) .. HEAD .. '"kvs":[]}' end },
    { "white space after the response", function() return HEAD .. '"kvs":[]}' .. (" "):rep(SIZE) end },
    { "a long number", function() return HEAD .. '"count":' .. ("1"):rep(SIZE) .. "}" end },
    { "commas", function() return HEAD .. '"kvs":[' .. (","):rep(SIZE) .. "]}" end },
    { "closing brackets", function() return HEAD .. ("]"):rep(SIZE) end },
    { "a list that is repeated", function() return fill('"kvs":[{"key":"QQ==","mod_revision":"1"}],', "", '"count":"1"}') end },
    { "long members that are repeated", function() return fill('"new":"' .. ("x"):rep(100000) .. '",', "", '"count":"1"}') end, true },
    { "text that is no JSON", function() return ("x"):rep(SIZE) end },
    { "kvs", function() return fill(KV, '"kvs":[', KV:sub(1, -2) .. "]}") end, true },
    { "kvs in an operation of a transaction", function()
        return fill(KV, '"responses":[{"response_range":{"kvs":[', KV:sub(1, -2) .. "]}}]}")
    end, true, rpc.txn.reply },
}

-- Decodes a text, and returns the results, the longest time of CPU without a yield, all of it, and the Lua memory.
local function measure(message, text)
    local sleep, longest, all, most = ngx.sleep, 0, 0, 0
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    local since = os.clock()
    local function stop()
        local time = os.clock() - since
        longest, all = math.max(longest, time), all + time
        most = math.max(most, collectgarbage("count") - before)
    end
    ngx.sleep = function(seconds) -- luacheck: ignore 122
        stop()
        sleep(seconds)
        since = os.clock()
    end
    local ok, json, bad, failure = pcall(chunked_json.decode, message, text, nil, { max_response_size = SIZE, deadline = clock.now() + 600 })
    stop()
    ngx.sleep = sleep -- luacheck: ignore 122
    assert(ok, json)
    return json, bad, failure, longest, all, most
end

describe("a response of 64 MiB #alone", function()
    for _, bomb in ipairs(bombs) do
        it("occupies the worker for less than 100 ms if it consists of " .. bomb[1], function()
            local json, bad, failure, longest, all, most = measure(bomb[4] or rpc.range.reply, bomb[2]())
            local is_accepted = json ~= nil and bad == nil and failure == nil
            print(("%-40s %s, longest %3.0f ms, all %5.0f ms, memory %4.0f MiB"):format(
                bomb[1], is_accepted and "accepted" or "rejected", longest * 1000, all * 1000, most / 1024))
            assert.equal(bomb[3] == true, is_accepted)
            assert.is_true(longest < (bomb.longest or LONGEST), longest)
            assert.is_true(most < MOST_MEMORY, most)
        end)
    end
end)
