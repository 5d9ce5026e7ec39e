-- etcd rejects the token of a watch inside the stream, after a response head with status 200.
local bed = require "spec.support.bed"

local function client(user, password)
    return assert(bed.new { http_host = bed.auth.http, user = user, password = password, timeout = 5 })
end

describe("watch with a token", function()
    it("is reopened with a new token if etcd no longer knows the old one", function()
        local cli = client(bed.auth.user, bed.auth.password)
        local key = bed.key("watched")
        assert(cli:get(key))
        cli.auth.token = "nonsense.1"
        local read = assert(cli:watch(key))
        local reply = assert(read())
        assert.is_true(reply.result.created)
        assert.is_nil(reply.result.canceled)
        assert.not_equal("nonsense.1", cli.auth.token)

        assert(cli:set(key, "seen"))
        assert.equal("seen", assert(read()).result.events[1].kv.value)
        assert(cli:delete(key))
    end)

    it("logs in again once, then returns etcd's cancel reason", function()
        local cli = client(bed.auth.user, bed.auth.password)
        local logins = 0
        cli.auth.login = {
            begin = function() end,
            finish = function()
                logins = logins + 1
                return "nonsense." .. logins
            end,
        }
        local read = assert(cli:watch("k"))
        local reply = assert(read())
        assert.is_true(reply.result.canceled)
        assert.equal("-1", reply.result.watch_id)
        assert.is_truthy(reply.result.cancel_reason:find("invalid auth token", 1, true))
        assert.equal(2, logins)
    end)

    it("keeps the token if the user lacks the permission", function()
        local cli = client(bed.auth.reader.user, bed.auth.reader.password)
        local read = assert(cli:watch("forbidden"))
        local token = cli.auth.token
        local reply = assert(read())
        assert.is_true(reply.result.created)
        assert.is_true(reply.result.canceled)
        assert.is_truthy(reply.result.cancel_reason:find("permission denied", 1, true))
        assert.equal(token, cli.auth.token)
    end)
end)
