-- Responses of etcd whose fields are missing, of another type, or absurd. `random(n)` returns 1 to n.
--
-- A response is a Lua table with the fields of etcd's JSON. `damage` changes one to three of its fields, at any depth.
local cjson = require "cjson.safe"

local _M = {}

local b64 = ngx.encode_base64

-- JSON as it is sent, such as a number that Lua would format in another way.
local function raw(json)
    return setmetatable({ json = json }, { __index = { is_raw = true } })
end

-- Numbers as text or as JSON numbers: out of range, not integers, or not numbers at all.
local NUMBERS = { '"-5"', '"0"', '"-0"', '"1e-9"', '"1e300"', '"1e999"', '"-1e999"', '"nan"', '"inf"', '"0x10"', '"+5"', '" 5"', '"5 "', '"5.5"',
    '""', '"9223372036854775807"', '"9223372036854775808"', '"18446744073709551616"', '"-9223372036854775809"', '"00000000000000000000007"',
    '"1,000"', '"\\u0665"', '"7\\u0000"', '"7\\r\\nX-Evil: 1"', '"' .. ("9"):rep(400) .. '"', "1e999", "-1e999", "1e300", "5.5", "-1", "0", "9007199254740993" }
local VALUES = { "null", "true", "false", "7", "1e999", '""', '"x"', '"AAAA"', '"%%%"', "{}", "[]", "[null]", "[{}]", "[[]]", "[7]", '["x"]', '{"a":1}',
    '{"1":{}}', '{"key":"AA=="}', '"\\u0000"', '"\\r\\nX-Evil: 1"', '"' .. ("/"):rep(80000) .. '"', '"' .. ("\\u0001"):rep(500) .. '"' }

local function encode(value)
    if type(value) ~= "table" then
        return cjson.encode(value)
    elseif value.is_raw then
        return value.json
    end
    local parts, is_array = {}, #value > 0
    for name, field in pairs(value) do
        parts[#parts + 1] = is_array and encode(field) or cjson.encode(name) .. ":" .. encode(field)
    end
    return is_array and "[" .. table.concat(parts, ",") .. "]" or "{" .. table.concat(parts, ",") .. "}"
end
_M.encode = encode

-- Returns all places of a table: {owner, name}.
local function places_of(value, list)
    local names = {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names, function(a, b) return tostring(a) < tostring(b) end) -- the same for a seed
    for _, name in ipairs(names) do
        local field = value[name]
        list[#list + 1] = { value, name }
        if type(field) == "table" and not field.is_raw then
            places_of(field, list)
        end
    end
    return list
end

-- Changes one to three fields of a response, and returns it.
function _M.damage(response, random)
    for _ = 1, random(3) do
        local places = places_of(response, {})
        if #places == 0 then
            break
        end
        local owner, name = unpack(places[random(#places)])
        local kind = random(3)
        if kind == 1 and type(name) == "number" then
            table.remove(owner, name)
        elseif kind == 1 then
            owner[name] = nil
        elseif kind == 2 or type(owner[name]) == "string" and owner[name]:match("^%d+$") then
            owner[name] = raw(NUMBERS[random(#NUMBERS)])
        else
            owner[name] = raw(VALUES[random(#VALUES)])
        end
    end
    return response
end

-- Returns the header of a response.
function _M.header(revision)
    return { cluster_id = "14841639068965178418", member_id = "10276657743932975437", revision = tostring(revision), raft_term = "2" }
end

-- Returns a kv.
function _M.kv(key, value, revision)
    local text = tostring(revision)
    return { key = b64(key), value = b64(value), create_revision = text, mod_revision = text, version = "1", lease = "7587848943239472601" }
end

local header, kv = _M.header, _M.kv

-- Functions that make a complete response, by path.
_M.replies = {
    ["/v3/kv/range"] = function() return { header = header(7), kvs = { kv("/bad", '"a"', 5), kv("/bad2", '"b"', 6) }, more = true, count = "9" } end,
    ["/v3/kv/put"] = function() return { header = header(7), prev_kv = kv("/bad", '"a"', 6) } end,
    ["/v3/kv/deleterange"] = function() return { header = header(7), deleted = "1", prev_kvs = { kv("/bad", '"a"', 6) } } end,
    ["/v3/kv/txn"] = function()
        local range = { response_range = { header = header(7), kvs = { kv("/bad", '"a"', 6) }, count = "1" } }
        local put = { response_put = { header = header(7), prev_kv = kv("/bad", '"a"', 6) } }
        return { header = header(7), succeeded = true, responses = { range, put, { response_txn = { header = header(7), responses = { put } } } } }
    end,
    ["/v3/lease/grant"] = function() return { header = header(7), ID = "7587848943239472601", TTL = "60" } end,
    ["/v3/lease/revoke"] = function() return { header = header(7) } end,
    ["/v3/lease/keepalive"] = function() return { result = { header = header(7), ID = "7587848943239472601", TTL = "60" } } end,
    ["/v3/lease/timetolive"] = function()
        return { header = header(7), ID = "7587848943239472601", TTL = "59", grantedTTL = "60", keys = { b64 "/k", b64 "/a" } }
    end,
    ["/v3/lease/leases"] = function() return { header = header(7), leases = { { ID = "7587848943239472601" }, { ID = "1" } } } end,
    ["/v3/cluster/member/list"] = function()
        local urls = { "http://127.0.0.1:1" }
        return { header = header(7), members = { { ID = "1", name = "a", peerURLs = urls, clientURLs = urls }, { ID = "2", clientURLs = urls } } }
    end,
    ["/v3/maintenance/status"] = function()
        return { header = header(7), version = "3.5.16", dbSize = "20480", leader = "1", raftIndex = "9", raftTerm = "2" }
    end,
    ["/version"] = function() return { etcdserver = "3.5.16", etcdcluster = "3.5.0" } end,
}

-- Responses with status 200 of servers that are not etcd, or of etcd to another call.
local FOREIGN = { '{"status":"ok"}', "{}", '{"data":null,"errors":[]}', '{"kvs":[]}', '{"kvs":[],"count":"0"}', '{"succeeded":true}', '{"succeeded":false}',
    '{"result":{}}', '{"result":{"TTL":"60"}}', '{"ID":"1","TTL":"60"}', '{"header":{}}', '{"header":{"revision":""}}', '{"header":{"revision":"0"}}',
    '{"header":null,"kvs":[]}', '{"deleted":"1"}', '{"health":"true"}', '{"code":0,"message":"success"}', '{"error":null}', '{"token":"x"}', '[{}]', '["ok"]',
    '{"etcdserver":"3.5.16"}', '{"header":{"revision":"7"},"status":"ok"}' }

function _M.foreign(random)
    return FOREIGN[random(#FOREIGN)]
end

local INT64 = {}
for name in ("revision create_revision mod_revision version lease count deleted compact_revision watch_id ID TTL grantedTTL"):gmatch("%S+") do
    INT64[name] = true
end

local function is_int64(text)
    local sign, digits = tostring(text):match("^(%-?)(%d+)$")
    if type(text) ~= "string" or not digits or #digits > 19 then
        return false
    end
    return #digits < 19 or digits <= (sign == "-" and "9223372036854775808" or "9223372036854775807")
end

-- Returns what is false in a decoded response at any depth: a number that is not the text of an int64, or a kv without key.
function _M.wrong_fields(value)
    for name, field in pairs(value) do
        if INT64[name] and not is_int64(field) then
            return ("%s is %s"):format(name, tostring(field):sub(1, 40))
        elseif (name == "kvs" or name == "prev_kvs") and type(field) == "table" then
            for _, item in ipairs(field) do
                if type(item) ~= "table" or type(item.key) ~= "string" then
                    return name .. " has an item without key"
                end
            end
        end
        local wrong = type(field) == "table" and name ~= "value" and _M.wrong_fields(field)
        if wrong then
            return wrong
        end
    end
end

return _M
