-- Watchers of a user who can read a part of the keys, on watches that they share.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local tap = require "spec.support.watch_proxy"
local wire = require "spec.support.wire"

local dir = bed.key("watcher-rights")
local wide, narrow = dir .. "wide/", dir .. "wide/narrow/"

local function login(user, password)
    local status, answer = wire.post(bed.auth.http, "/v3/auth/authenticate", { name = user, password = password })
    assert.equals(200, status)
    return answer.token
end

describe("watcher of a user with limited permissions", function()
    local root, token, proxy, restore
    local name = "rights" .. ngx.worker.pid()

    local function change(path, body)
        assert.equals(200, (wire.post(bed.auth.http, "/v3/auth/" .. path, body, token)))
    end

    local function key_end(key)
        return ngx.encode_base64(key:sub(1, -2) .. "0")
    end

    local function grant(key)
        change("role/grant", { name = name, perm = { permType = "READ", key = ngx.encode_base64(key), range_end = key_end(key) } })
    end

    local function revoke(key)
        change("role/revoke", { role = name, key = ngx.encode_base64(key), range_end = key_end(key) })
    end

    setup(function()
        restore = fake.never_ban()
        token = login(bed.auth.user, bed.auth.password)
        root = assert(bed.new { http_host = bed.auth.http, user = bed.auth.user, password = bed.auth.password })
        change("role/add", { name = name })
        change("user/add", { name = name, password = name })
        change("user/grant", { user = name, role = name })
    end)

    teardown(function()
        change("user/delete", { name = name })
        change("role/delete", { role = name })
        assert(root:rmdir(dir))
        restore()
    end)

    before_each(function()
        proxy = tap.new(bed.auth.http)
        grant(narrow)
    end)

    after_each(function()
        revoke(narrow)
        proxy:close()
    end)

    local function new_client()
        return assert(bed.new { http_host = proxy.http_host, user = name, password = name, timeout = 5 })
    end

    it("continues when the wider watch that it has joined is not permitted", function()
        local cli = new_client()
        assert(root:set(narrow .. "a", 1))
        local everything = assert(cli:watcher("", { prefix = true, list = true }))
        local own = assert(cli:watcher(narrow, { prefix = true, list = true }))
        assert.equals(2, own:stats().subscribers)
        local _, _, details = everything:next(5)
        assert.equals("permission_denied", details.name)
        assert.equals("list", assert(own:next(5)).reason)
        assert(root:set(narrow .. "a", 2))
        assert.equals(2, assert(own:next(5)).events[1].kv.value)
        own:close()
        everything:close()
    end)

    it("loses nothing when the permission for the wider watch that it has joined is revoked", function()
        grant(wide)
        local cli = new_client()
        local other = assert(cli:watcher(wide, { prefix = true }))
        local own = { assert(cli:watcher(narrow, { prefix = true })), assert(cli:watcher(narrow .. "a")) }
        local shared = assert(cli:watcher(narrow .. "b/", { prefix = true, shared_prefix = wide }))
        assert(root:set(narrow .. "a", 1))
        recorder.take(other, narrow .. "a")
        assert.equals(1, proxy.watches)
        proxy.cut_after = function() return 0 end
        revoke(wide)
        proxy:cut()
        for i = 2, 5 do
            assert(root:set(narrow .. "a", i))
        end
        proxy.cut_after = nil
        local _, _, details = other:next(10)
        assert.equals("permission_denied", details.name)
        _, _, details = shared:next(10)
        assert.equals("permission_denied", details.name)
        for _, watcher in ipairs(own) do
            for i = 1, 5 do
                local batch = assert(watcher:next(10))
                assert.equals(i, batch.events[1].kv.value)
            end
            assert.equals("watching", watcher:state())
            watcher:close()
        end
        other:close()
        shared:close()
    end)
end)
