-- A member that accepts connections and never responds, as a stopped process does.
local bed = require "spec.support.bed"
local health_check = require "resty.etcd.health_check"

local function signal(name)
    local command = ("node tools/bed.mjs signal --dir '%s' m1 %s"):format(bed.dir, name)
    assert(os.execute(command) == 0)
end

describe("client with retry enabled whose first member is stopped", function()
    local cli, attempts
    local key = bed.key("unresponsive")

    setup(function()
        assert(health_check.init { retry = true, fail_timeout = 0 })
        signal("STOP")
    end)

    teardown(function()
        signal("CONT")
        assert(health_check.init())
        assert(bed.new({ http_host = bed.cluster.http[2], timeout = 20 }):rmdir(key))
    end)

    before_each(function()
        cli = assert(bed.new {
            http_host = bed.cluster.http, timeout = 8, init_count = -1,
            on_call = function(info) attempts = info.tries end,
        })
    end)

    it("retries a read on another member before the deadline", function()
        ngx.update_time()
        local started = ngx.now()
        local res = assert(cli:get(key))
        ngx.update_time()
        assert.equal(200, res.status)
        assert.is_true(attempts > 1)
        assert.is_true(ngx.now() - started < 6)
    end)

    it("opens a watch on another member", function()
        local read = assert(cli:watchdir(key))
        assert.is_true(assert(read()).result.created)
        assert.is_true(attempts > 1)
    end)

    it("gives a write the whole time budget, does not repeat it, and sets maybe_applied", function()
        ngx.update_time()
        local started = ngx.now()
        local res, err, details = cli:set(key .. "1", 1, { timeout = 2 })
        ngx.update_time()
        assert.is_nil(res)
        assert.equal(bed.cluster.http[1] .. ": timeout", err)
        assert.is_true(details.maybe_applied)
        assert.is_false(details.retryable)
        assert.equal(1, attempts)
        assert.is_true(ngx.now() - started > 1.9)
    end)
end)
