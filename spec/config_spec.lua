-- The configuration store, against a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local config = require "resty.etcd.config"
local scripted = require "spec.support.scripted_feed"

describe("configuration store", function()
    local cli, dir, conf, stores

    -- Creates another store, which the end of the test closes.
    local function create(...)
        local store = assert(config.new(...))
        stores[#stores + 1] = store
        return store
    end

    before_each(function()
        dir = bed.key("config")
        cli = assert(bed.new { key_prefix = dir })
        stores = {}
        conf = create(cli, "/conf/")
    end)

    after_each(function()
        for _, store in ipairs(stores) do
            store:close()
        end
        assert(bed.new():rmdir(dir))
    end)

    local function put(...)
        local revision = assert(conf:put(...))
        scripted.at(conf.mirror, tonumber(revision))
        return revision
    end

    -- Waits until a callback has put a number of calls into a list: changes are visible before they are reported.
    local function wait_for_calls(received, count)
        local stop = clock.now() + 3
        while #received < count and clock.now() < stop do
            ngx.sleep(0.005)
        end
        assert.equal(count, #received)
    end

    it("returns documents with their revisions", function()
        local none, why = conf:get("limits")
        assert.is_nil(none)
        assert.equal("not ready", why)
        assert(conf:wait_ready(3))
        none, why = conf:get("limits")
        assert.is_nil(none)
        assert.is_nil(why)
        local revision = put("limits", { rate = 5 })
        local document, at = conf:get("limits")
        assert.same({ rate = 5 }, document)
        assert.equal(revision, at)
        assert.same({ rate = 5 }, cli:get("/conf/limits").body.kvs[1].value)
    end)

    it("writes only at if_revision", function()
        assert(conf:wait_ready(3))
        local first = assert(conf:put("limits", 1, { if_revision = 0 }))
        local again, text, err = conf:put("limits", 2, { if_revision = 0 })
        assert.is_nil(again)
        assert.equal("conflict", err.name)
        assert.equal("the document is not at revision 0, but at " .. first, text)
        assert.equal(first, err.revision)
        local second = assert(conf:put("limits", 2, { if_revision = first }))
        again, text, err = conf:put("limits", 3, { if_revision = tonumber(first) })
        assert.is_nil(again)
        assert.equal("conflict", err.name)
        assert.equal("the document is not at revision " .. first .. ", but at " .. second, text)
        assert.equal(second, err.revision)
        scripted.at(conf.mirror, tonumber(second))
        assert.equal(2, (conf:get("limits")))
        again, text, err = conf:put("none", 1, { if_revision = first })
        assert.is_nil(again)
        assert.equal("0", err.revision)
        assert.equal("the document is not at revision " .. first .. ", but at 0", text)
    end)

    it("deletes only at if_revision, or unconditionally without it", function()
        assert(conf:wait_ready(3))
        local first = put("limits", 1)
        local second = put("limits", 2)
        local none, _, err = conf:delete("limits", { if_revision = first })
        assert.is_nil(none)
        assert.equal("conflict", err.name)
        assert.equal(second, err.revision)
        scripted.at(conf.mirror, tonumber(assert(conf:delete("limits", { if_revision = second }))))
        assert.is_nil(conf:get("limits"))
        put("limits", 3)
        scripted.at(conf.mirror, tonumber(assert(conf:delete("limits"))))
        assert.is_nil(conf:get("limits"))
        assert(conf:delete("limits"))
    end)

    it("reports invalid documents with their revision, so that they can be replaced", function()
        assert(conf:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local good = put("limits", { rate = 5 })
        local bad = raw:set("/conf/limits", "{").body.header.revision
        local alone = raw:set("/conf/alone", "{").body.header.revision
        scripted.at(conf.mirror, tonumber(alone))
        local document, at, newer = conf:get("limits")
        assert.same({ rate = 5 }, document)
        assert.equal(good, at)
        assert.equal(bad, newer.mod_revision)
        assert.is_truthy(newer.err:find("^decode: "))
        document, at, newer = conf:get("alone")
        assert.is_nil(document)
        assert.is_nil(at)
        assert.equal(alone, newer.mod_revision)
        local invalid = conf:invalid()
        assert.equal(bad, invalid.limits.mod_revision)
        assert.equal(alone, invalid.alone.mod_revision)
        assert.same({ "limits" }, conf:names())
        local none, _, err = conf:put("limits", { rate = 6 }, { if_revision = good })
        assert.is_nil(none)
        assert.equal("conflict", err.name)
        assert.equal(bad, err.revision)
        none, _, err = conf:put("alone", 1, { if_revision = 0 })
        assert.is_nil(none)
        assert.equal(alone, err.revision)
        assert(conf:put("limits", { rate = 6 }, { if_revision = bad }))
        put("alone", 1, { if_revision = alone })
        assert.equal(6, conf:get("limits").rate)
        assert.is_nil((select(3, conf:get("limits"))))
        assert.is_nil(next(conf:invalid()))
        local text
        none, text, err = conf:history("limits", bad)
        assert.is_nil(none)
        assert.equal("invalid", err.name)
        assert.equal(bad, err.revision)
        assert.is_truthy(text:find("^decode: "))
    end)

    it("validates and transforms documents of the history", function()
        local transformed = create(cli, "/conf/", {
            validate = function(value) return value.n > 0, "n is too small" end,
            transform = function(value, kv) return { n = value.n * 2, key = kv.key } end,
        })
        assert(transformed:wait_ready(3))
        local revision = assert(conf:put("limits", { n = 2 }))
        scripted.at(transformed.mirror, tonumber(revision))
        local document, at = transformed:history("limits", revision)
        assert.same({ n = 4, key = "/conf/limits" }, document)
        assert.equal(revision, at)
        assert.same(document, (transformed:get("limits")))
        local bad = assert(conf:put("limits", { n = 0 }))
        local none, text, err = transformed:history("limits", bad)
        assert.is_nil(none)
        assert.equal("invalid: validate: n is too small", err.name .. ": " .. text)
    end)

    it("lists the names of all documents in order", function()
        local none, why = conf:names()
        assert.is_nil(none)
        assert.equal("not ready", why)
        assert(conf:wait_ready(3))
        assert.same({}, conf:names())
        for _, name in ipairs { "c", "a/b", "b" } do
            put(name, 1)
        end
        local names = conf:names()
        assert.same({ "a/b", "b", "c" }, names)
        assert.equal(names, conf:names())
        scripted.at(conf.mirror, tonumber(assert(conf:delete("b"))))
        assert.same({ "a/b", "c" }, conf:names())
    end)

    it("has the ready, age and state methods of its mirror", function()
        assert.is_false(conf:ready())
        assert(conf:wait_ready(3))
        assert.is_true(conf:ready())
        assert.is_true(conf:age() < 60)
        assert.equal("ready", conf:state().status)
        conf:close()
        assert.equal("closed", conf:state().status)
    end)

    it("counts a stored null as no document, also for the functions of the user", function()
        local seen = {}
        local strict = create(cli, "/conf/", {
            validate = function(document) seen[#seen + 1] = document.n return true end,
            transform = function(document) return { n = document.n + 1 } end,
            index = { n = function(document) return document.n end },
        })
        assert(conf:wait_ready(3))
        assert(strict:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local received = {}
        assert(strict:watch("limits", function(document, revision) received[#received + 1] = { document, revision } end))
        assert(raw:set("/conf/limits", '{"n":1}'))
        local revision = raw:set("/conf/limits", " null ").body.header.revision
        scripted.at(conf.mirror, tonumber(revision))
        scripted.at(strict.mirror, tonumber(revision))
        for _, store in ipairs { conf, strict } do
            local document, at, invalid = store:get("limits")
            assert.is_nil(document)
            assert.is_nil(at)
            assert.is_nil(invalid)
            assert.same({}, store:names())
            assert.is_nil(next(store:invalid()))
            assert.equal(5, (store:get("limits", 5)))
            assert.is_nil(store:history("limits", revision))
            assert.is_nil((select(2, store:history("limits", revision))))
        end
        assert.same({ 1 }, seen)
        wait_for_calls(received, 2)
        assert.same({ n = 2 }, received[1][1])
        assert.same({}, received[2])
        local none, _, err = conf:put("limits", 1, { if_revision = 0 })
        assert.is_nil(none)
        assert.equal(revision, err.revision)
        put("limits", { n = 3 }, { if_revision = err.revision })
        assert.equal(3, conf:get("limits").n)
    end)

    it("returns defaults for absent documents, also before the first state", function()
        local with_defaults = create(cli, "/conf/", { defaults = { limits = { rate = 1 }, off = false } })
        local function check()
            local document, revision, invalid = with_defaults:get("limits")
            assert.same({ rate = 1 }, document)
            assert.is_nil(revision)
            assert.is_nil(invalid)
            assert.equal("mine", (with_defaults:get("limits", "mine")))
            assert.is_false((with_defaults:get("off")))
            assert.is_false((with_defaults:get("other", false)))
        end
        check()
        local none, why, details = with_defaults:get("other")
        assert.is_nil(none)
        assert.equal("not ready", why)
        assert.equal("not_ready", details.name)
        assert(with_defaults:wait_ready(3))
        check()
        assert.is_nil((with_defaults:get("other")))
        assert.same({}, with_defaults:names())
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local received = {}
        assert(with_defaults:watch("limits", function(...) received[#received + 1] = { ... } end))
        local stored = conf:put("limits", { rate = 7 })
        local bad = raw:set("/conf/other", "{").body.header.revision
        local gone = cli:delete("/conf/limits").body.header.revision
        scripted.at(with_defaults.mirror, tonumber(gone))
        local document, revision, invalid = with_defaults:get("other", 5)
        assert.equal(5, document)
        assert.is_nil(revision)
        assert.equal(bad, invalid.mod_revision)
        wait_for_calls(received, 2)
        assert.same({ { { rate = 7 }, stored }, { { rate = 1 } } }, received)
    end)

    it("keeps integers and empty arrays, unless the client has another serializer", function()
        assert(conf:wait_ready(3))
        local raw = assert(bed.new { key_prefix = dir, serializer = "raw" })
        local text = '{"id":9007199254740991,"list":[]}'
        scripted.at(conf.mirror, tonumber(raw:set("/conf/exact", text).body.header.revision))
        put("exact", (conf:get("exact")))
        assert.equal(text, raw:get("/conf/exact").body.kvs[1].value)
        local none, why, details = conf:put("exact", { id = 2 ^ 60 })
        assert.is_nil(none)
        assert.equal("$.id: the number is beyond 2^53, and not exact", why)
        assert.equal("bad_request", details.name)
        local bad = raw:set("/conf/exact", '{"id":9007199254740993}').body.header.revision
        scripted.at(conf.mirror, tonumber(bad))
        assert.equal("decode: $.id: the number is beyond 2^53, and not exact", select(3, conf:get("exact")).err)
        for _, case in ipairs { { raw, nil }, { cli, "raw" } } do
            local plain = create(case[1], "/plain/", { serializer = case[2] })
            assert(plain:wait_ready(3))
            local revision = assert(plain:put("text", "no JSON"))
            scripted.at(plain.mirror, tonumber(revision))
            assert.equal("no JSON", (plain:get("text")))
        end
        local shared = create(cli, "/conf/", { serializer = "json" })
        assert(shared:put("exact", { list = setmetatable({}, require("resty.etcd.serializers.json_exact").array_mt) }))
        assert.equal(require("cjson.safe").encode { list = {} }, raw:get("/conf/exact").body.kvs[1].value)
    end)

    for _, mode in ipairs { "worker", "shared" } do
        it("shows a write to the next get of the same worker, with mode " .. mode, function()
            ngx.shared.watch_log:flush_all()
            local shm_name = mode == "shared" and "watch_log" or nil
            local store = create(cli, "/conf/", { mode = mode, shm_name = shm_name })
            assert(store:wait_ready(3))
            for i = 1, 100 do
                local revision, err, details = store:put("limits", { n = i })
                assert.is_nil(err)
                assert.is_nil(details)
                local document, at = store:get("limits")
                assert.equal(i, document and document.n)
                assert.equal(revision, at)
                if i % 10 == 0 then
                    assert.is_nil((select(3, assert(store:delete("limits")))))
                    assert.is_nil((store:get("limits")))
                    assert(store:delete("limits"))
                end
            end
            local early = create(cli, "/conf/", { mode = mode, shm_name = shm_name })
            assert(early:put("limits", "first"))
            assert.equal("first", (early:get("limits"))) -- waits for the first state too
        end)
    end

    it("returns the revision of a write that get does not show before the timeout", function()
        assert(conf:wait_ready(3))
        conf:close()
        local revision, err, details = conf:put("limits", 1)
        assert.equal("1", assert(cli:get("/conf/limits")).body.kvs[1].version)
        assert.equal(cli:get("/conf/limits").body.kvs[1].mod_revision, revision)
        assert.is_nil(err)
        assert.equal("closed", details.name)
        local port = require("spec.support.ports").free()
        local proxy = require("spec.support.multi_worker_nginx").proxy(port, bed.single.http)
        finally(function() proxy.stop() end)
        local stale = assert(bed.new { key_prefix = dir, http_host = "http://127.0.0.1:" .. port })
        local store = create(stale, "/conf/")
        assert(store:wait_ready(3))
        proxy.pause()
        stale.endpoints = cli.endpoints -- writes reach etcd, the stream hangs
        local started = clock.now()
        revision, err, details = store:put("limits", 2, { timeout = 0.5 })
        assert.equal(cli:get("/conf/limits").body.kvs[1].mod_revision, revision)
        assert.is_nil(err)
        assert.equal("timeout", details.name)
        assert.equal(1, (store:get("limits")))
        assert.is_true(clock.now() - started < 3)
    end)

    it("calls a watch callback with the current document first if initial is set", function()
        assert(conf:wait_ready(3))
        local first = put("limits", 1)
        local received = {}
        local cancel = assert(conf:watch("limits", function(...) received[#received + 1] = { ... } end, { initial = true }))
        assert.same({ { 1, first } }, received)
        assert(conf:watch("none", function(...) received[#received + 1] = { select("#", ...), ... } end, { initial = true }))
        assert.same({ 2 }, received[2])
        local second = put("limits", 2)
        wait_for_calls(received, 3)
        assert.same({ 2, second }, received[3])
        cancel()
        put("limits", 3)
        assert.equal(3, #received)
        -- before the first state: with what get returns, and again when the state is there
        local early = create(cli, "/conf/", { defaults = { limits = "default" } })
        received = {}
        assert(early:watch("limits", function(document) received[#received + 1] = document end, { initial = true }))
        assert.same({ "default" }, received)
        assert(early:wait_ready(3))
        wait_for_calls(received, 2)
        assert.same({ "default", 3 }, received)
    end)

    it("does not overlap the first call of a watch callback with later ones, and loses no change meanwhile", function()
        assert(conf:wait_ready(3))
        put("limits", 1)
        local received, running, overlaps = {}, 0, 0
        assert(conf:watch("limits", function(document)
            running = running + 1
            overlaps = overlaps + (running > 1 and 1 or 0)
            if document == 1 then
                scripted.at(conf.mirror, tonumber(assert(conf:put("limits", 2))))
                scripted.at(conf.mirror, tonumber(assert(conf:put("limits", 3))))
            end
            received[#received + 1] = document
            running = running - 1
            error("a callback that fails")
        end, { initial = true }))
        assert.same({ 1, 3 }, received)
        put("limits", 4)
        wait_for_calls(received, 3)
        assert.same({ 1, 3, 4 }, received)
        assert.equal(0, overlaps)
    end)

    it("calls a watch callback for changes after its first call was killed with the light thread of its request", function()
        assert(conf:wait_ready(3))
        put("limits", 1)
        local received = {}
        local thread = ngx.thread.spawn(function()
            conf:watch("limits", function(document)
                received[#received + 1] = document
                if document == 1 then
                    ngx.sleep(3600)
                end
            end, { initial = true })
        end)
        assert.same({ 1 }, received)
        ngx.thread.kill(thread)
        put("limits", 2)
        local stop = clock.now() + 10
        while #received < 2 and clock.now() < stop do
            ngx.sleep(0.05)
        end
        assert.same({ 1, 2 }, received)
        put("limits", 3)
        wait_for_calls(received, 3)
        assert.same({ 1, 2, 3 }, received)
    end)

    it("warns once of a prefix that names are glued to", function()
        local lines = {}
        local log = ngx.log
        finally(function() ngx.log = log end) -- luacheck: ignore 122
        ngx.log = function(level, ...) -- luacheck: ignore 122
            lines[#lines + 1] = level == ngx.WARN and table.concat { ... } or nil
        end
        for _ = 1, 2 do
            assert(config.new(cli, dir .. "glued")):close()
            assert(config.new(cli, dir .. "with:")):close()
            assert(config.new(cli, "/conf/")):close()
        end
        local prefix = dir .. "glued"
        assert.same({ "configuration store of " .. prefix .. ": the prefix does not end with /: names are appended to it as they are, as in "
            .. prefix .. "name" }, lines)
    end)

    it("calls a watch callback for changes and the deletion of its document", function()
        assert(conf:wait_ready(3))
        local received = {}
        local cancel = assert(conf:watch("limits", function(document, revision)
            received[#received + 1] = { document, revision }
        end))
        put("others", 1)
        local first = put("limits", 1)
        cli:delete("/conf/limits")
        wait_for_calls(received, 2)
        assert.same({ { 1, first }, {} }, received)
        cancel()
        local last
        assert(conf:watch("limits", function(document) last = document end))
        put("limits", 2)
        local stop = clock.now() + 3
        while not last and clock.now() < stop do
            ngx.sleep(0.005)
        end
        assert.equal(2, last) -- the second callback has been called
        assert.equal(2, #received)
    end)

    it("reads a document as of a revision", function()
        local first = assert(conf:put("limits", { n = 1 }))
        local second = assert(conf:put("limits", { n = 2 }))
        local document, at = conf:history("limits", first)
        assert.equal(1, document.n)
        assert.equal(first, at)
        assert.equal(2, conf:history("limits", tonumber(second)).n)
        local none, why = conf:history("limits", tonumber(first) - 1)
        assert.is_nil(none)
        assert.is_nil(why)
        local _, _, err = conf:history("limits", tonumber(second) + 1000000)
        assert.equal("out_of_range", err.name)
    end)

    it("returns an error for invalid arguments", function()
        local function name_of(none, text, err)
            assert.is_nil(none)
            assert.equal(text, tostring(err))
            return err.name .. ": " .. text
        end
        assert.equal("bad_request: key should not be empty", name_of(conf:put("", 1)))
        assert.equal("bad_request: key must be string", name_of(conf:put(nil, 1)))
        assert.equal("bad_request: opts must be table", name_of(conf:put("a", 1, 5)))
        assert.equal("bad_request: opts.if_revision must be a revision", name_of(conf:put("a", 1, { if_revision = "x" })))
        assert.is_truthy(name_of(conf:put("a", print)):find("^bad_request: "))
        assert.equal("bad_request: revision must be a revision", name_of(conf:history("a", "x")))
        assert.equal("bad_request: revision must be a revision", name_of(conf:history("a", 0)))
        assert.equal("bad_request: opts.timeout must be number of seconds", name_of(conf:history("a", 1, "x")))
        assert.equal("bad_request: unknown option revision", name_of(conf:put("a", 1, { revision = 5 })))
        assert.equal("bad_request: document must not be nil: use delete", name_of(conf:put("a", nil)))
        assert.equal("bad_request: document must not be nil: use delete", name_of(conf:put("a", ngx.null)))
        assert.equal("bad_request: key must be string", name_of(conf:delete()))
        assert.equal("bad_request: opts.if_revision must be a revision", name_of(conf:delete("a", { if_revision = {} })))
        assert.equal("bad_request: key must be string", name_of(conf:get()))
        assert.equal("bad_request: key must be string", name_of(conf:watch(nil, print)))
        assert.equal("bad_request: cli must be table", name_of(config.new(nil, "/conf/")))
        assert.equal("bad_request: prefix must be string", name_of(config.new(cli)))
        assert.equal("bad_request: callback must be function", name_of(conf:watch("a")))
        assert.equal("bad_request: unknown option x", name_of(config.new(cli, "/conf/", { x = 1 })))
        assert.equal("bad_request: unknown option default; did you mean defaults?", name_of(config.new(cli, "/conf/", { default = {} })))
        assert.equal("bad_request: opts.defaults must be table", name_of(config.new(cli, "/conf/", { defaults = 5 })))
        assert.equal('bad_request: opts.serializer must be "json", "json_exact", "raw", or a table with serialize and deserialize',
            name_of(config.new(cli, "/conf/", { serializer = "jsno" })))
        assert.equal("bad_request: unknown option inital; did you mean initial?", name_of(conf:watch("a", print, { inital = true })))
    end)
end)
