-- Tokens, users and authentication itself change while clients of a real cluster make calls.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local cluster = require "fault.cluster"
local health_check = require "resty.etcd.health_check"
local history = require "fault.history"
local Load = require "fault.load"
local settings = require "fault.settings"
local wire = require "spec.support.wire"

local REFUSED = "authenticate refresh token fail"
local TOKEN_LIFE = 2 -- seconds, as configured in the bed's cluster; etcd checks once per second

describe("authentication", function()
    local key, load

    setup(function()
        settings.announce("authentication")
        cluster.heal()
    end)

    teardown(function()
        settings.finish()
    end)

    before_each(function()
        assert(health_check.init())
        key = bed.key("auth")
    end)

    after_each(function()
        if load then
            load:kill()
            load = nil
        end
        cluster.heal()
        cluster.forgive(bed.cluster.http)
        assert(bed.new { http_host = bed.cluster.http[1] }:rmdir(key))
    end)

    local function client(opts)
        local all = { http_host = bed.cluster.http, timeout = 10, serializer = "raw" }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    -- Returns the number of logins that the members have served since their start.
    local function logins()
        local sum = 0
        for _, name in ipairs(cluster.names) do
            local status, text = wire.exchange(cluster.url[name], "GET", "/metrics", "", 5)
            assert.equal(200, status)
            local line = 'grpc_server_started_total{grpc_method="Authenticate"'
            local from = assert(text:find(line, 1, true), "no count of logins")
            sum = sum + tonumber(text:match("^[^\n]* (%d+)\n", from))
        end
        return sum
    end

    local function assert_no_bans()
        for _, host in ipairs(bed.cluster.http) do
            assert.is_true((health_check.get_target_status(host)))
        end
    end

    local function assert_refused(cli)
        for _, value in ipairs { false, "refused" } do
            local res, err, details
            if value then
                res, err, details = cli:set(key, value)
            else
                res, err, details = cli:get(key)
            end
            assert.is_nil(res)
            assert.equal(REFUSED, err)
            assert.equal("login_failed", details.name)
            assert.is_string(details.hint)
            assert.is_false(details.maybe_applied)
        end
    end

    it("costs one login and no failed call when a member has lost all tokens", function()
        cluster.enable_auth()
        local cli = client(cluster.root)
        assert.equal(200, cli:set(key, "before").status)
        ngx.sleep(1.5) -- a restarted member applies its last entries again, tokens included
        cluster.restart(cluster.others(cluster.wait_for_leader())[1])
        cluster.wait_for_leader()
        local before = logins()
        for i = 1, 9 do
            assert.equal(200, cli:set(key, "value " .. i).status)
            assert.equal("value " .. i, cli:get(key).body.kvs[1].value)
        end
        assert.equal(before + 1, logins())
        assert_no_bans()
    end)

    it("costs one login when 1000 concurrent calls find an expired token", function()
        cluster.enable_auth()
        local cli = client { user = cluster.root.user, password = cluster.root.password, timeout = 30 }
        assert.equal(200, cli:set(key, "value").status)
        for _ = 1, settings.scaled(1) do
            ngx.sleep(TOKEN_LIFE + 2)
            local before = logins()
            local threads, values = {}, {}
            for i = 1, 1000 do
                threads[i] = ngx.thread.spawn(function()
                    local res, err = cli:get(key)
                    local value = res and (res.body.error or res.body.kvs[1].value) or err
                    values[value] = (values[value] or 0) + 1
                end)
            end
            for _, thread in ipairs(threads) do
                assert(ngx.thread.wait(thread))
            end
            assert.same({ value = 1000 }, values)
            assert.equal(before + 1, logins())
        end
        assert_no_bans()
    end)

    it("fails with one text while the password differs from etcd's", function()
        cluster.enable_auth()
        cluster.add_user("app", "old")
        local old = client { user = "app", password = "old" }
        assert.equal(200, old:set(key, "old").status)
        cluster.admin("/v3/auth/user/changepw", { name = "app", password = "new" })
        assert_refused(old)
        assert_no_bans()
        local new = client { user = "app", password = "new" }
        assert.equal("old", new:get(key).body.kvs[1].value)
        assert.equal(200, new:set(key, "new").status)
        cluster.admin("/v3/auth/user/changepw", { name = "app", password = "old" })
        assert.equal("new", old:get(key).body.kvs[1].value)
    end)

    it("fails with the same text while the user does not exist", function()
        cluster.enable_auth()
        cluster.add_user("app", "secret")
        local cli = client { user = "app", password = "secret" }
        assert.equal(200, cli:set(key, "kept").status)
        cluster.admin("/v3/auth/user/delete", { name = "app" })
        assert_refused(cli)
        assert_no_bans()
        cluster.add_user("app", "secret")
        assert.equal("kept", cli:get(key).body.kvs[1].value)
        assert.equal(200, cli:set(key, "mine").status)
    end)

    it("is handled according to the options of each client when it is enabled and disabled", function()
        local with_user, without = client(cluster.root), client()
        local either = client { user = cluster.root.user, password = cluster.root.password, auth_optional = true }
        assert.equal(200, without:set(key, "open").status)
        assert.equal(200, either:set(key, "open").status)
        assert_refused(with_user)

        cluster.enable_auth()
        assert.equal(200, with_user:set(key, "closed").status)
        assert.equal(200, either:set(key, "closed").status)
        local res = without:set(key, "refused")
        assert.equal(400, res.status)
        assert.equal("etcdserver: user name is empty", res.body.error)

        cluster.disable_auth()
        assert.equal("closed", without:get(key).body.kvs[1].value)
        assert.equal("closed", either:get(key).body.kvs[1].value)
        if bed.version:find("3.4.", 1, true) == 1 then
            assert_refused(with_user) -- etcd 3.4 still checks tokens, but has none left
        else
            assert.equal("closed", with_user:get(key).body.kvs[1].value)
        end
        assert_refused(client(cluster.root))
        assert_no_bans()
    end)

    it("fails no later call, and applies no rejected one, when it is enabled and disabled under load", function()
        local cli = client { user = cluster.root.user, password = cluster.root.password, auth_optional = true }
        local switches = {}
        local function switch(change)
            local from = clock.now()
            change()
            switches[#switches + 1] = { from = from, to = clock.now() }
            ngx.sleep(0.3)
        end
        load = Load.start { cli = cli, key = key, readers = 4, writers = 2 }
        for _ = 1, settings.scaled(3) do
            switch(cluster.enable_auth)
            switch(cluster.disable_auth)
        end
        load:stop()
        assert.is_true(#load.reads > 4 and #load.writes > 2)
        -- members apply the change at different times: a call logs in again once, and two of them can reject it
        for _, call in ipairs(Load.failures(load)) do
            local is_during = false
            for _, one in ipairs(switches) do
                is_during = is_during or (one.from < call.ended and one.to > call.started)
            end
            assert.is_true(is_during, call.err or call.res.body.error)
            assert.is_true(call.res.status == 400 or call.res.status == 401, call.err)
        end
        assert.same({}, history.violations(load.writes, history.read(bed.cluster.http[1], key)))
    end)
end)
