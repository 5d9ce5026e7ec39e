-- auth_optional, for an etcd whose authentication can be disabled, and tokens that clients share.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local wire = require "spec.support.wire"

local LOGIN = "/v3/auth/authenticate"
local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'

-- Runs `fn` and returns the lines that were logged at level warn meanwhile.
local function warnings_of(fn)
    local log, lines = ngx.log, {}
    ngx.log = function(level, ...) -- luacheck: ignore 122
        if level == ngx.WARN then
            local parts = { ... }
            for i = 1, select("#", ...) do
                parts[i] = tostring(parts[i])
            end
            lines[#lines + 1] = table.concat(parts)
        end
        return log(level, ...)
    end
    local ok, err = pcall(fn)
    ngx.log = log -- luacheck: ignore 122
    assert(ok, err)
    return lines
end

describe("etcd with authentication disabled", function()
    local auth = bed.auth

    local function client(opts)
        local all = { http_host = auth.http, user = auth.user, password = auth.password, timeout = 5 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function switch(to)
        local token = to == "disable" and wire.token(auth.http, auth.user, auth.password) or nil
        assert(wire.post(auth.http, "/v3/auth/" .. to, {}, token) == 200)
    end

    before_each(function()
        switch "disable"
    end)

    after_each(function()
        wire.post(auth.http, "/v3/auth/enable", {}) -- rejected if it is enabled already
    end)

    it("fails the login with etcd's reason as the hint unless auth_optional is set", function()
        local res, err, details = client():get "/k"
        assert.is_nil(res)
        assert.equal("authenticate refresh token fail", err)
        assert.equal("login_failed", details.name)
        assert.equal("etcdserver: authentication is not enabled; user and password are set, but etcd's auth is off", details.hint)
    end)

    it("accepts calls without a token, logged once, when auth_optional is set", function()
        local lines = warnings_of(function()
            local cli, key = client { auth_optional = true }, bed.key "off"
            assert.equal(200, assert(cli:set(key, "v")).status)
            assert.equal("v", assert(cli:get(key)).body.kvs[1].value)
            local read = assert(cli:watch(key))
            assert.is_true(assert(read()).result.created)
            assert.equal("1", assert(cli:delete(key)).body.deleted)
        end)
        assert.same({ auth.http .. ": authentication is not enabled, calls are made without token" }, lines)
    end)

    it("is served with and without a token when authentication is enabled and disabled repeatedly", function()
        local cli, key = client { auth_optional = true }, bed.key "switch"
        for _ = 1, 2 do -- the second time with a token, which some versions accept and others reject
            assert.equal(200, assert(cli:set(key, "off")).status)
            switch "enable"
            assert.equal(200, assert(cli:set(key, "on")).status)
            assert.is_true(#cli.auth.token > 1)
            local read = assert(cli:watch(key))
            assert.is_true(assert(read()).result.created)
            switch "disable"
        end
        assert.equal("1", assert(cli:delete(key)).body.deleted)
    end)

    it("gets a token from the client when authentication was enabled before a watch", function()
        local cli = client { auth_optional = true }
        assert.equal(200, assert(cli:get "/k").status)
        switch "enable"
        local read = assert(cli:watch(bed.key "watch"))
        assert.is_true(assert(read()).result.created)
        assert.is_true(#cli.auth.token > 1)
    end)

    it("rejects a wrong password when authentication was enabled meanwhile", function()
        local cli = client { auth_optional = true, password = "wrong" }
        assert.equal(200, assert(cli:get "/k").status)
        switch "enable"
        local res, err = cli:get "/k"
        assert.is_nil(res)
        assert.equal("authenticate refresh token fail", err)
    end)
end)

describe("client with auth_shm_name", function()
    local server, valid, logins

    -- Accepts only the token `valid`, and returns it from logins.
    local function serve(request)
        if request.path == LOGIN then
            logins = logins + 1
            valid = "token" .. logins
            return { 0.05, fake.reply('{"header":{},"token":"' .. valid .. '"}') }
        elseif request.headers.authorization ~= valid then
            return { fake.reply('{"code":16,"message":"etcdserver: invalid auth token"}', "401 Unauthorized") }
        end
        return { OK }
    end

    before_each(function()
        server, valid, logins = fake.new(serve), nil, 0
    end)

    after_each(function()
        server:close()
        ngx.shared.test:flush_all()
    end)

    local function client(opts)
        local all = {
            http_host = server.http_host, user = "u", password = "p/word", auth_shm_name = "test", timeout = 3, health = {},
        }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function get(cli)
        return assert(cli:get "/k").status
    end

    it("logs in once for all workers", function()
        for _ = 1, 3 do
            assert.equal(200, get(client()))
        end
        assert.equal(1, logins)
    end)

    it("replaces a rejected token once for all workers", function()
        local a, b, c = client(), client(), client()
        get(a)
        get(b)
        valid = "another"
        assert.equal(200, get(a)) -- replaces the token
        assert.equal(200, get(b)) -- still has the old token
        assert.equal(200, get(c)) -- has no token yet
        assert.equal(2, logins)
    end)

    it("logs in when the token of another worker is rejected too", function()
        local a, b = client(), client()
        assert.equal(200, get(a))
        local own = valid
        ngx.shared.test:flush_all() -- as if both had logged in concurrently
        assert.equal(200, get(b))
        a.auth.token = own
        valid = "another"
        local threads, statuses = {}, {}
        for i = 1, 20 do
            threads[i] = ngx.thread.spawn(function()
                local status = get(a)
                statuses[status] = (statuses[status] or 0) + 1
            end)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.same({ [200] = 20 }, statuses)
        assert.equal(3, logins)
    end)

    it("returns the error when the token of a second login is rejected too", function()
        server:serve(function(request)
            if request.path ~= LOGIN then
                request.headers.authorization = nil
            end
            return serve(request)
        end)
        local res = assert(client():get "/k")
        assert.equal(401, res.status)
        assert.equal(2, logins) -- the first one and one more
    end)

    it("does not use the tokens of other users, passwords or clusters", function()
        get(client())
        assert.is_nil(client({ password = "another" }).auth.token)
        get(client { password = "another" })
        get(client { user = "v" })
        get(client { http_host = { server.http_host, server.http_host .. "/" } })
        assert.equal(4, logins)
    end)

    it("stores neither user nor password in the dict", function()
        get(client { user = "a-user" })
        local has_token = false
        for _, key in ipairs(ngx.shared.test:get_keys(0)) do
            local value = tostring(ngx.shared.test:get(key))
            has_token = has_token or value == valid
            for _, secret in ipairs { "a-user", "p/word" } do
                for _, text in ipairs { secret, ngx.encode_base64(secret) } do
                    assert.is_nil((key .. " " .. value):find(text, 1, true))
                end
            end
        end
        assert.is_true(has_token)
    end)

    it("does not share that authentication is disabled", function()
        local off = true
        server:serve(function(request)
            if request.path == LOGIN and off then
                logins = logins + 1
                return { fake.reply('{"code":9,"message":"etcdserver: authentication is not enabled"}', "400 Bad Request") }
            end
            return off and { OK } or serve(request)
        end)
        get(client { auth_optional = true })
        off = false
        assert.equal(200, get(client { auth_optional = true }))
        assert.equal(2, logins)
    end)
end)
