-- Compares docs/errors.md with the driver, which decides on retries, and with the texts of a real etcd.
local bed = require "spec.support.bed"
local errors = require "resty.etcd.protocol.errors"
local retry = require "resty.etcd.protocol.retry_policy"

local file = assert(io.open("docs/errors.md"))
local page = file:read("*a")
file:close()

-- gRPC codes by name, in the order of the page's list.
local codes, names = {}, {}
for name in page:match("\n### etcd's\n(.-)\n## "):gmatch("\n%- `([%l_]+)` %[") do
    names[#names + 1] = name
    codes[name] = #names
end

-- Returns the entries `text`, `text` [a | b]... of the lists below a heading.
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

describe("docs/errors.md", function()
    it("lists the names in the order of their gRPC codes", function()
        assert.equals(16, #names)
        for code, name in ipairs(names) do
            assert.equals(name, errors.server_error(500, code, "x").name)
        end
    end)

    it("states for each of etcd's names what the driver repeats", function()
        local checked = 0
        for line in page:match("\n### etcd's\n(.-)\n## "):gmatch("\n(%- `[%l_]+` %[[^\n]+)") do
            local name, read, write = line:match("`([%l_]+)` %[(%l+) | (%l+)%]")
            assert.equals(read, verdict_on("read", name, "x"), line)
            assert.equals(write, verdict_on("write", name, "x"), line)
            checked = checked + 1
        end
        assert.equals(#names, checked)
    end)

    for _, title in ipairs { "etcd: the cluster", "etcd: requests", "etcd: users" } do
        it("states for each text what the driver repeats: " .. title, function()
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

    describe("lists the text and the name of etcd's error", function()
        local cli, key = assert(bed.new { serializer = "raw" }), bed.key("errors")
        local put = { requestPut = { key = key, value = "v" } }
        local always = { { key = key, target = "VERSION", result = "GREATER", version = -1 } }

        -- Returns true if the page has this text with this name.
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
            ["for a put without key"] = function() return cli:txn(always, { { requestPut = { key = "", value = "v" } } }) end,
            ["for ignore_value without a value"] = function() return cli:set(key .. "none", nil, { ignore_value = true }) end,
            ["for a key that a transaction puts twice"] = function() return cli:txn(always, { put, put }) end,
            ["for too many operations"] = function() return cli:txn(always, many) end,
            ["for a large request"] = function() return cli:set(key, ("x"):rep(1600000)) end,
            ["for a very large request"] = function() return cli:set(key, ("x"):rep(2200000)) end,
            ["for a future revision"] = function() return cli:get(key, { revision = "99999999" }) end,
            ["for a lease that does not exist"] = function() return cli:revoke("4242") end,
            ["for a lease that already exists"] = function()
                cli:grant(60, 4243)
                return cli:grant(60, 4243)
            end,
            ["for a TTL that is too large"] = function() return cli:grant(9000000001, 4244) end,
            ["for a client without user"] = function() return bed.new({ http_host = bed.auth.http }):get(key) end,
            ["for a key without permission"] = function()
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
