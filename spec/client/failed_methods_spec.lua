-- Every method of a client and of a watcher returns nil, an error text and the details.
local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"

-- No server listens there, and no other spec uses it.
local dead = "http://127.0.0.1:4"

-- Asserts that the results are those of a failed method. Returns the details.
local function assert_failed(what, res, err, details)
    assert.is_nil(res, what)
    assert.equal("string", type(err), what)
    assert.equal("table", type(details), what)
    assert.equal("string", type(details.name), what)
    assert.equal("string", type(details.message), what)
    assert.is_truthy(err:find(details.message, 1, true) or details.name == "login_failed", what)
    return details
end

describe("failed method", function()
    local cli

    before_each(function()
        cli = assert(bed.new { http_host = dead, timeout = 1, health = { max_fails = 1000 } })
    end)

    -- Arguments with which nothing is sent, and arguments for a server that does not exist.
    local function calls()
        local op = { { requestRange = { key = "k" } } }
        local row = { { key = "k", target = "VERSION", result = "EQUAL", version = 0 } }
        return {
            delete = { {}, { "k" } },
            get = { { {} }, { "k" } },
            grant = { {}, { 5 } },
            keepalive = { {}, { "1" } },
            leases = { { n = 0 } },
            metrics = { {} },
            mirror = { {}, { "k", { mode = "x" } } },
            readdir = { {}, { "k" } },
            revoke = { {}, { "1" } },
            rmdir = { {}, { "k" } },
            set = { {}, { "k", "v" } },
            setnx = { {}, { "k", "v" } },
            setx = { {}, { "k", "v" } },
            stats = { {} },
            sync = { {} },
            timetolive = { {}, { "1" } },
            txn = { {}, { row, op } },
            version = { {} },
            watch = { {}, { "k" } },
            watchcancel = { {} },
            watchdir = { {}, { "k" } },
            watcher = { {}, { "k", { on_batch = 1 } }, { "k" } },
        }
    end

    it("returns nil, a text and the details, for each method of a client", function()
        local rows = calls()
        for name, method in pairs(getmetatable(cli).__index) do
            if name ~= "close" then
                local cases = assert(rows[name], "no case for " .. name)
                for i, arguments in ipairs(cases) do
                    local what = ("%s, case %d"):format(name, i)
                    local res, err, details = method(cli, unpack(arguments, 1, 3))
                    assert_failed(what, res, err, details)
                end
                rows[name] = nil
            end
        end
        assert.is_nil((next(rows)))
    end)

    it("returns nil, a text and the details from etcd.new", function()
        local details = assert_failed("opts", etcd.new("http://127.0.0.1:2379"))
        assert.equal("bad_request", details.name)
        for name, opts in pairs {
            headers = { extra_headers = { ["a b"] = 1 } },
            health = { health = { max_fails = "x" } },
            host = { http_host = "nothing" },
            key = { ssl_cert_path = "c" },
            resolve = { resolve = { nonsense = 1 } },
            transport = { transport = "carrier pigeon" },
        } do
            assert.equal("bad_request", assert_failed(name, etcd.new(opts)).name)
        end
    end)

    it("returns nil, a text and the details from the health check", function()
        local details = assert_failed("init", health_check.init { shm_name = "no_such_dict" })
        assert.equal("failed to get ngx.shared dict: no_such_dict", details.message)
        assert(bed.new()) -- initializes it
        assert_failed("report_failure", health_check.report_failure(nil))
        local healthy, err
        healthy, err, details = health_check.get_target_status(nil)
        assert.is_false(healthy)
        assert.same({ "etcd host invalid", "bad_request" }, { err, details.name })
    end)
end)

describe("failed watcher", function()
    it("returns nil, a text and the details from next and batches, and passes them to on_batch", function()
        local cli = assert(bed.new())
        local dir = bed.key("failed_methods")
        local watcher = assert(cli:watcher(dir, { prefix = true }))
        assert.equal("timeout", assert_failed("timeout", watcher:next(0)).name)
        watcher:close()
        assert.equal("closed", assert_failed("closed", watcher:next()).name)
        assert_failed("batches", watcher:batches()())

        -- etcd has compacted the first revision, so the watcher ends with an error
        local revision = assert(cli:set(dir .. "a", 1)).body.header.revision
        assert(cli:set(dir .. "a", 2))
        bed.run(("'%s' --endpoints %s compact %s >/dev/null"):format(bed.etcdctl, bed.single.http, revision + 1))
        local given
        assert(cli:watcher(dir, { prefix = true, start_revision = 1, on_batch = function(...)
            given = { n = select("#", ...), ... }
        end }))
        assert(fake.eventually(function() return given end))
        assert.equal(3, given.n)
        assert.equal("compacted", assert_failed("on_batch", given[1], given[2], given[3]).name)
        assert(cli:rmdir(dir))
    end)
end)
