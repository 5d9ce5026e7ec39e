-- Servers whose keys and events lack fields, for everything that keeps state: nothing throws, nothing is delivered, the error
-- is shown, and the first complete response ends it.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local completeness = require "resty.etcd.protocol.completeness"
local config = require "resty.etcd.config"
local fake = require "spec.support.scripted_server"
local kv_encoding = require "resty.etcd.storage.kv_encoding"
local replies = require "spec.support.etcd_replies"
local time_slice = require "resty.etcd.base.time_slice"

local b64 = ngx.encode_base64

-- Changes of a complete kv after which it is incomplete.
local DAMAGES = {
    ["no key"] = function(kv) kv.key = nil end,
    ["an empty key"] = function(kv) kv.key = "" end,
    ["no mod_revision"] = function(kv) kv.mod_revision = nil end,
    ["mod_revision 0"] = function(kv) kv.mod_revision = "0" end,
    ["a negative mod_revision"] = function(kv) kv.mod_revision = "-3" end,
    ["no create_revision"] = function(kv) kv.create_revision = nil end,
    ["a negative create_revision"] = function(kv) kv.create_revision = -1 end,
    ["no version"] = function(kv) kv.version = nil end,
    ["a null version"] = function(kv) kv.version = cjson.null end,
    ["no field at all"] = function(kv)
        for name in pairs(kv) do
            kv[name] = nil
        end
    end,
}
-- The same for an event.
local EVENT_DAMAGES = {
    ["no kv"] = function(event) event.kv = nil end,
    ["a deletion without key"] = function(event) event.type, event.kv = "DELETE", { mod_revision = "11" } end,
    ["a deletion without mod_revision"] = function(event) event.type, event.kv = "DELETE", { key = event.kv.key } end,
    ["a previous value without key"] = function(event)
        event.prev_kv = { mod_revision = "9", create_revision = "1", version = "1" }
    end,
    ["a previous value without version"] = function(event)
        event.prev_kv = { key = event.kv.key, mod_revision = "9", create_revision = "1" }
    end,
}
for name, damage in pairs(DAMAGES) do
    EVENT_DAMAGES["a put with " .. name] = function(event) damage(event.kv) end
end

local function kv(key, revision)
    return { key = b64(key), value = b64 "1", mod_revision = tostring(revision), create_revision = tostring(revision), version = "1" }
end

describe("a server with incomplete items", function()
    local server, restore, cli, list, stream, opened

    local function answer(request)
        local asked = cjson.decode(request.body)
        if request.path == "/v3/kv/range" then
            return { replies.read(10, not asked.count_only and list(asked) or nil) }
        end
        return stream()
    end

    local function open(watched)
        opened[#opened + 1] = watched
        return watched
    end

    before_each(function()
        restore = fake.never_ban()
        ngx.shared.watch_log:flush_all()
        server = fake.new(answer)
        cli = assert(bed.new { http_host = server.http_host, timeout = 1 })
        list = function() return { kv("/a/1", 5) } end
        stream = function() return { replies.created(10), 60 } end
        opened = {}
    end)

    after_each(function()
        for i = #opened, 1, -1 do
            opened[i]:close()
        end
        server.close()
        restore()
    end)

    local function eventually(check)
        return fake.eventually(check) or fake.eventually(check)
    end

    local MODES = {
        worker = {},
        shared = { mode = "shared", shm_name = "watch_log" },
        ["with a snapshot"] = { snapshot = os.tmpname(), snapshot_interval = 0.01 },
    }

    for name, damage in pairs(DAMAGES) do
        it("delivers no full state with " .. name, function()
            local is_damaged = true
            list = function()
                local second = kv("/a/2", 6)
                if is_damaged then
                    damage(second)
                end
                return { kv("/a/1", 5), second }
            end
            local watcher = open(assert(cli:watcher("/a/", { prefix = true, list = true })))
            local mirrors = {}
            for mode, opts in pairs(MODES) do
                mirrors[mode] = open(assert(cli:mirror("/a/", opts)))
            end
            local conf = open(assert(config.new(cli, "/a/")))
            for mode, m in pairs(mirrors) do
                assert(eventually(function() return (m:state().err or ""):find("malformed reply", 1, true) end), mode)
                assert.equal("retrying", m:state().status)
                assert.is_false(m:ready())
            end
            assert(eventually(function() return (conf:state().err or ""):find("malformed reply", 1, true) end))
            assert.equal("timeout", select(3, watcher:next(0)).name)
            assert.matches("malformed reply", watcher:stats().last_error)
            is_damaged = false
            assert.equal(2, #assert(watcher:next(10)).events)
            for mode, m in pairs(mirrors) do
                assert(m:wait_ready(10), mode)
                assert.equal(2, m:state().count, mode)
                assert(eventually(function() return m:state().err == nil end), mode)
            end
            assert(conf:wait_ready(10))
        end)
    end

    for name, damage in pairs(EVENT_DAMAGES) do
        it("delivers no revision with " .. name, function()
            local is_damaged = true
            stream = function()
                local event = { kv = kv("/a/2", 11) }
                if is_damaged then
                    damage(event)
                end
                return { replies.created(10), replies.events(11, { kv = kv("/a/3", 11) }, event), 60 }
            end
            local watcher = open(assert(cli:watcher("/a/", { prefix = true, start_revision = 11 })))
            local mirrors = {}
            for mode, opts in pairs(MODES) do
                mirrors[mode] = open(assert(cli:mirror("/a/", opts)))
            end
            for mode, m in pairs(mirrors) do
                assert(eventually(function() return (m:state().err or ""):find("malformed reply", 1, true) end), mode)
                assert(m:wait_ready(5), mode)
                assert.is_nil((m:get "/a/3"), mode)
                assert.is_true(m:state().revision <= 10, mode)
            end
            assert.equal("timeout", select(3, watcher:next(0)).name)
            assert.is_true(watcher:stats().close_reasons.bad_reply > 0)
            is_damaged = false
            assert.equal(2, #assert(watcher:next(10)).events)
            for mode, m in pairs(mirrors) do
                assert(m:wait_revision(11, 10), mode)
                assert.equal(1, (m:get "/a/2"), mode)
                assert.equal(1, (m:get "/a/3"), mode)
                assert(eventually(function() return m:state().err == nil end), mode)
            end
        end)

        it("lets a reader return events unless they lack their key: " .. name, function()
            local event = { kv = kv("/a/2", 11) }
            damage(event)
            local lacks_key = not event.kv or (event.kv.key or "") == "" or event.prev_kv and not event.prev_kv.key
            stream = function()
                return { replies.created(10), replies.events(11, { kv = kv("/a/1", 11) }), 0.02, replies.events(11, event), 60 }
            end
            local reader = assert(cli:watchdir("/a/", { timeout = 1 }))
            assert.is_true(assert(reader()).result.created)
            assert.equal("/a/1", assert(reader()).result.events[1].kv.key)
            for _ = 1, lacks_key and 2 or 1 do
                local reply, err, details = reader()
                if lacks_key then
                    assert.is_nil(reply)
                    assert.equal("malformed reply: watch event without key", err)
                    assert.equal("bad_reply", details.name)
                else
                    assert.equal("/a/2", reply.result.events[1].kv.key)
                end
            end
        end)
    end

    for name, kvs in pairs {
        ["out of order"] = { kv("/a/2", 5), kv("/a/1", 6) },
        ["repeated"] = { kv("/a/1", 5), kv("/a/1", 6) },
        ["outside the prefix"] = { kv("/a/1", 5), kv("/b", 6) },
        ["before the prefix"] = { kv("/", 5), kv("/a/1", 6) },
    } do
        it("delivers no full state with keys " .. name, function()
            list = function() return kvs end
            local m = open(assert(cli:mirror "/a/"))
            assert(eventually(function() return m:state().err end))
            assert.equal("malformed reply: key out of order, or outside the range that was read", m:state().err)
            list = function() return { kv("/a/1", 5), kv("/a/2", 6) } end
            assert(m:wait_ready(10))
        end)
    end

    for name, damage in pairs(DAMAGES) do
        it("makes reads of a single key return bad_reply: " .. name, function()
            local m, conf = open(assert(cli:mirror "/a/")), open(assert(config.new(cli, "/a/")))
            assert(m:wait_ready(5))
            list = function()
                local item = kv("/a/1", 5)
                damage(item)
                return { item }
            end
            for _, read in ipairs {
                function() return m:get_linearizable "/a/1" end,
                function() return conf:history("1", 5) end,
            } do
                local value, err, details = read()
                assert.is_nil(value)
                assert.matches("^malformed reply: ", err)
                assert.equal("bad_reply", details.name)
            end
            list = function() return { kv("/a/other", 5) } end
            assert.equal("bad_reply", select(3, m:get_linearizable "/a/1").name)
            assert.equal("bad_reply", select(3, conf:history("1", 5)).name)
        end)
    end

    it("is not taken for a restored etcd if the key of the last event is incomplete", function()
        local is_damaged = false
        list = function(asked)
            local item = kv("/a/1", 5)
            if is_damaged and not asked.range_end then
                item.version = nil
            end
            return { item }
        end
        local m = open(assert(cli:mirror "/a/"))
        assert(m:wait_ready(5))
        is_damaged = true
        server.rest()
        server.start()
        assert(eventually(function() return (m:state().err or ""):find("malformed reply", 1, true) end))
        is_damaged = false
        assert(eventually(function() return m:state().err == nil end))
        assert.is_nil(m:stats().full.restored)
    end)
end)

describe("stored keys and events", function()
    local complete = { key = "/k", value = "v", create_revision = "2", mod_revision = "3", version = "1", lease = "7" }

    local function with(fields)
        local copy = {}
        for name, value in pairs(complete) do
            copy[name] = value
        end
        for name, value in pairs(fields) do
            copy[name] = value
        end
        return copy
    end

    it("are rejected if a field is missing or a number is not positive", function()
        for _, fields in ipairs {
            { key = "" }, { create_revision = "" }, { mod_revision = "" }, { version = "" }, { version = "0" }, { mod_revision = "-1" },
            { create_revision = "x" },
        } do
            local bytes = kv_encoding.encode(complete, false) .. kv_encoding.encode(with(fields), false)
            assert.is_false(kv_encoding.decode_kvs(bytes, {}, time_slice.start()))
            assert.is_nil(kv_encoding.decode_events(bytes, time_slice.start()))
        end
        assert.is_nil(kv_encoding.decode_events(kv_encoding.encode(with { mod_revision = "" }, true), time_slice.start()))
        assert.is_false(kv_encoding.decode_kvs(kv_encoding.encode(complete, true), {}, time_slice.start()))
    end)

    it("are rejected wherever they are cut, and whatever the first bytes are", function()
        local bytes = kv_encoding.encode(complete, false)
        for length = 1, #bytes - 1 do
            assert.is_false(kv_encoding.decode_kvs(bytes:sub(1, length), {}, time_slice.start()))
            assert.is_nil(kv_encoding.decode_events(bytes:sub(1, length), time_slice.start()))
        end
        for at = 2, 13 do
            for _, byte in ipairs { "\1", "\127", "\255" } do
                local events = kv_encoding.decode_events(bytes:sub(1, at - 1) .. byte .. bytes:sub(at + 1), time_slice.start())
                assert.is_true(events == nil or completeness.is_complete_event(events[1]))
            end
        end
    end)

    it("are what was stored if they are complete", function()
        local kvs = {}
        assert.is_true(kv_encoding.decode_kvs(kv_encoding.encode(complete, false), kvs, time_slice.start()))
        assert.same({ complete }, kvs)
        local deletion = { key = "/k", mod_revision = "4" }
        assert.same({ { type = "DELETE", kv = deletion } }, kv_encoding.decode_events(kv_encoding.encode(deletion, true), time_slice.start()))
    end)
end)
