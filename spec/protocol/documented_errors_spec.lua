-- What docs/errors.md says of repeating a call is what the driver does; and its texts are etcd's.
local bed = require "spec.support.bed"
local errors = require "resty.etcd.protocol.errors"
local retry = require "resty.etcd.protocol.retry_policy"

local file = assert(io.open("docs/errors.md"))
local page = file:read("*a")
file:close()

-- Codes by their names, in the order of the page's list.
local codes, names = {}, {}
for name in page:match("\n### etcd's\n(.-)\n## "):gmatch("\n%- `([%l_]+)` %[") do
    names[#names + 1] = name
    codes[name] = #names
end

-- Entries `text`, `text` [a | b]... of the lists below a heading.
local function entries(title)
    local found = {}
    local list = assert(page:match("\n### " .. title .. "\n(.-)\n##"), title)
    for item in list:gmatch("\n%- ([^\n]*)") do
        local texts, rest = item:match("^(`[^%[]-)(%[.*)$")
        assert.is_string(texts, item)
        local before = #found
        for text in texts:gmatch("`([^`]+)`") do
            for verdict in rest:gmatch("%[([%l_]+ | %l+ | %l+)%]") do
                found[#found + 1] = { text = text, verdict = verdict }
            end
        end
        assert.is_true(#found > before, item)
    end
    return found
end

local function verdict_on(semantics, name, message)
    local err = retry.classify_server_error(semantics, errors.server_error(400, codes[name], message))
    if retry.is_token_error(err) then
        assert.is_false(err.maybe_applied)
        return "login"
    end
    return err.maybe_applied and (err.retryable and "both" or "unknown") or err.retryable and "again" or "no"
end

describe("the page of errors", function()
    it("has the names in the order of their codes", function()
        assert.equals(16, #names)
        for code, name in ipairs(names) do
            assert.equals(name, errors.server_error(500, code, "x").name)
        end
    end)

    it("says of each of etcd's names what may be repeated", function()
        local judged = 0
        for line in page:match("\n### etcd's\n(.-)\n## "):gmatch("\n(%- `[%l_]+` %[[^\n]+)") do
            local name, read, write = line:match("`([%l_]+)` %[(%l+) | (%l+)%]")
            assert.equals(read, verdict_on("read", name, "x"), line)
            assert.equals(write, verdict_on("write", name, "x"), line)
            judged = judged + 1
        end
        assert.equals(#names, judged)
    end)

    for _, title in ipairs { "etcd: the cluster", "etcd: requests", "etcd: users" } do
        it("says of each text what may be repeated: " .. title, function()
            local list = entries(title)
            assert.is_true(#list >= 4)
            for _, entry in ipairs(list) do
                local name, read, write = entry.verdict:match("^(%S+) | (%l+) | (%l+)$")
                assert.is_number(codes[name], entry.text)
                assert.equals(read, verdict_on("read", name, entry.text), entry.text)
                assert.equals(write, verdict_on("write", name, entry.text), entry.text)
            end
        end)
    end

    describe("knows what etcd says, and its name,", function()
        local cli, key = assert(bed.new { serializer = "raw" }), bed.key("errors")
        local put = { requestPut = { key = key, value = "v" } }
        local always = { { key = key, target = "VERSION", result = "GREATER", version = -1 } }

        -- The page has this text with this name; nil if not.
        local function listed(message, name)
            for _, title in ipairs { "etcd: the cluster", "etcd: requests", "etcd: users" } do
                for _, entry in ipairs(entries(title)) do
                    if message:sub(1, #entry.text) == entry.text and entry.verdict:match("^%S+") == name then
                        return true
                    end
                end
            end
        end

        local many = {}
        for i = 1, 129 do
            many[i] = { requestPut = { key = key .. i, value = "v" } }
        end
        for what, call in pairs {
            ["of a key that is missing"] = function() return cli:txn(always, { { requestPut = { key = "", value = "v" } } }) end,
            ["of a value to be kept that is not there"] = function() return cli:set(key .. "none", nil, { ignore_value = true }) end,
            ["of a key that is put twice"] = function() return cli:txn(always, { put, put }) end,
            ["of too many operations"] = function() return cli:txn(always, many) end,
            ["of a large request"] = function() return cli:set(key, ("x"):rep(1600000)) end,
            ["of a very large request"] = function() return cli:set(key, ("x"):rep(2200000)) end,
            ["of the future"] = function() return cli:get(key, { revision = "99999999" }) end,
            ["of a lease that is gone"] = function() return cli:revoke("4242") end,
            ["of a lease that is there"] = function()
                cli:grant(60, 4243)
                return cli:grant(60, 4243)
            end,
            ["of a long lease"] = function() return cli:grant(9000000001, 4244) end,
            ["of a client without user"] = function() return bed.new({ http_host = bed.auth.http }):get(key) end,
            ["of a key that is not allowed"] = function()
                local reader = bed.auth.reader
                return bed.new({ http_host = bed.auth.http, user = reader.user, password = reader.password }):get("/secret")
            end,
        } do
            it(what, function()
                local results = { call() }
                local res = results[1]
                local details = results[#results]
                if type(res) == "table" and res.status ~= 200 then
                    details = errors.server_error(res.status, res.body.code, res.body.error)
                end
                assert.is_true(listed(details.message, details.name), details.name .. ": " .. details.message)
            end)
        end
    end)
end)
