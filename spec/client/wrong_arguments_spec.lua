-- Arguments of wrong types, for all public functions: none raises an error, and each failure has a text.
local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local config = require "resty.etcd.config"
local discovery = require "resty.etcd.discovery"
local health_check = require "resty.etcd.health_check"

local NOTHING = {}

local VALUES = {
    NOTHING, 0 / 0, 1 / 0, -1 / 0, -1, 1.5, 1e300, 2 ^ 53, "x", "", "5", {}, { {} }, { 1, 2 }, true, false, function() end,
    5LL, 18446744073709551615ULL, 1i, ngx.null, coroutine.create(function() end),
}

-- Calls a function, and checks what it returns: a value, or nil, an error text and the details. Returns the value.
local function call(what, fn, ...)
    local ok, value, err, details = pcall(fn, ...)
    assert(ok, what .. ": " .. tostring(value))
    if value == nil then
        assert.equal("string", type(err), what)
        assert.equal("table", type(details), what)
    end
    return value
end

-- Calls a function with each value instead of each argument, and after the last one.
local function call_with_values(name, fn, arguments, after)
    for position = 1, #arguments + 1 do
        for i, value in ipairs(VALUES) do
            local given = { unpack(arguments) }
            given[position] = value
            if value == NOTHING then
                given[position] = nil
            end
            local result = call(("%s, argument %d, value %d"):format(name, position, i), fn, unpack(given, 1, #arguments + 1))
            if after and result ~= nil then
                after(result)
            end
        end
    end
end

local function close(object)
    object:close()
end

describe("argument of a wrong type", function()
    local cli, dir

    before_each(function()
        dir = bed.key("wrong")
        cli = assert(bed.new { key_prefix = dir, timeout = 2 })
    end)

    after_each(function()
        assert(cli:rmdir(""))
    end)

    it("is returned as an error by the methods of a client", function()
        local row = { key = "k", target = "VERSION", result = "EQUAL", version = 0 }
        local op = { { requestRange = { key = "k" } } }
        for name, arguments in pairs {
            delete = { "k", {} }, get = { "k", {} }, grant = { 10, 77, {} }, keepalive = { "1", {} }, leases = { {} },
            metrics = { {} }, readdir = { "k", {} }, revoke = { "1", {} }, rmdir = { "k", {} }, set = { "k", "v", {} },
            setnx = { "k", "v", {} }, setx = { "k", "v", {} }, stats = {}, sync = {}, timetolive = { "1", true, {} },
            txn = { { row }, op, op, {} }, version = {}, watch = { "k", {} }, watchcancel = { {} }, watchdir = { "k", {} },
        } do
            call_with_values(name, function(...) return cli[name](cli, ...) end, arguments)
        end
        for _, name in ipairs { "mirror", "watcher" } do
            call_with_values(name, function(...) return cli[name](cli, ...) end, { "k", {} }, close)
        end
    end)

    it("is returned as an error by a watcher", function()
        local watcher = assert(cli:watcher("k"))
        assert(cli:set("k", 1))
        for i, value in ipairs(VALUES) do
            if type(value) ~= "number" or value ~= value or value <= 0 then
                call("next, value " .. i, watcher.next, watcher, value ~= NOTHING and value or nil)
                assert(cli:set("k", 1))
            end
        end
        assert.equal("timeout must be number of seconds", select(2, watcher:next("1")))
        watcher:close()
    end)

    it("is returned as an error by service discovery and the configuration store", function()
        local instance = { host = "10.0.0.1", port = 80 }
        call_with_values("register", discovery.register, { cli, "web", instance, {} }, close)
        call_with_values("discovery.new", discovery.new, { cli, {} }, close)
        call_with_values("config.new", config.new, { cli, "/conf/", {} }, close)
        local conf = assert(config.new(cli, "/conf/"))
        assert(conf:wait_ready(3))
        for name, arguments in pairs {
            delete = { "k", {} }, names = {}, put = { "k", { a = 1 }, {} }, wait_ready = { 1 }, watch = { "k", close, {} },
        } do
            call_with_values(name, function(...) return conf[name](conf, ...) end, arguments)
        end
        conf:close()
    end)

    it("is returned as an error by etcd.new", function()
        for i, value in ipairs(VALUES) do
            if value ~= NOTHING then
                call("opts, value " .. i, etcd.new, value)
            end
        end
    end)

    it("is returned as an error by the health check, and leaves its settings as they were", function()
        finally(function() assert(health_check.init()) end)
        assert(health_check.init { fail_timeout = 7, max_fails = 2 })
        for _, shm_name in ipairs { false, "etcd_health" } do
            for i, value in ipairs(VALUES) do
                for _, name in ipairs { "fail_timeout", "max_fails", "retry" } do
                    local what = ("%s, value %d"):format(name, i)
                    local before = health_check.conf
                    local opts = { shm_name = shm_name or nil, [name] = value ~= NOTHING and value or nil }
                    local ok = call(what, health_check.init, opts)
                    assert.is_true(ok ~= nil or health_check.conf == before, what)
                    local host = ("http://%s-%d"):format(name, i)
                    call(what, health_check.report_failure, host)
                    call(what, health_check.get_target_status, host)
                end
            end
        end
        for i, value in ipairs(VALUES) do
            if value ~= NOTHING then
                call("init, value " .. i, health_check.init, value)
                call("init, shm_name " .. i, health_check.init, { shm_name = value })
            end
        end
        assert.equal("opts.max_fails must be unsigned number", select(2, health_check.init { max_fails = "3" }))
        assert.equal("failed to get ngx.shared dict: 5", select(2, health_check.init { shm_name = 5 }))
    end)

    it("is returned as an error for the option idempotent", function()
        for _, err in ipairs {
            (select(2, cli:set("k", 1, { idempotent = "true" }))),
            (select(2, cli:setx("k", 1, { idempotent = 1 }))),
        } do
            assert.equal("opts.idempotent must be boolean", err)
        end
        assert.is_nil(cli:get("k").body.kvs)
    end)

    it("is returned as an error if it is the object of a method that is called with a dot", function()
        local watcher = assert(cli:watcher("k"))
        local reg = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }))
        for subject, object in pairs { client = cli, registration = reg, watcher = watcher } do
            for name, method in pairs(getmetatable(object).__index) do
                for _, first in ipairs { "k", 5, {} } do
                    local none, err = method(first, "k", {})
                    assert.is_nil(none)
                    assert.equal(name .. " must be called with a colon, as a method", err, subject)
                end
                assert.is_nil((method()))
            end
        end
        watcher:close()
        reg:close()
    end)
end)
