-- Snapshot files: a state to begin with while etcd is away.
local process = require "fault.process"
local slices = require "resty.etcd.base.time_slice"
local snapshot = require "resty.etcd.storage.snapshot_file"
local snapshot_feed = require "resty.etcd.storage.snapshot_feed"
local turns = require "spec.support.event_loop_probe"

describe("a snapshot file", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    local function content()
        local file = assert(io.open(path, "rb"))
        local bytes = file:read("*a")
        file:close()
        return bytes
    end

    local function put(bytes)
        local file = assert(io.open(path, "wb"))
        file:write(bytes)
        file:close()
    end

    local function kvs(n)
        local all = {}
        for i = 1, n do
            all[i] = {
                key = ("/k/%06d"):format(i), value = ("\n\0\255"):rep(i % 50), create_revision = "2",
                mod_revision = tostring(i + 1), version = "1", lease = i % 3 == 0 and "9007199254740993" or nil,
            }
        end
        return all
    end

    local function state(n)
        return { identity = "me", revision = 4503599627370497, last_received_at = 1600000000, kvs = kvs(n) }
    end

    it("gives back what was written, and leaves nothing beside", function()
        for _, n in ipairs { 0, 1, 3000 } do
            assert(snapshot.write(path, state(n)))
            assert.same(state(n), (assert(snapshot.read(path, "me"))))
        end
        local _, _, code = io.open(path .. "." .. ngx.worker.pid() .. ".tmp")
        assert.equal(2, code)
    end)

    it("is refused when it is cut off anywhere, or longer than it was", function()
        assert(snapshot.write(path, state(8)))
        local whole = content()
        for n = 0, #whole - 2 do -- without its last newline all of it can still be checked
            put(whole:sub(1, n))
            local got, err, is_there = snapshot.read(path, "me")
            assert.is_nil(got, n)
            assert.is_true(is_there)
            assert.is_truthy(err:find(path, 1, true))
        end
        put(whole .. "\n")
        assert.is_nil((snapshot.read(path, "me")))
        put(whole)
        assert.is_truthy(snapshot.read(path, "me"))
    end)

    it("is refused when any byte of it is another", function()
        assert(snapshot.write(path, state(8)))
        local whole = content()
        for n = 1, #whole do
            put(whole:sub(1, n - 1) .. string.char((whole:byte(n) + 1) % 256) .. whole:sub(n + 1))
            assert.is_nil((snapshot.read(path, "me")), n)
        end
    end)

    it("is refused with its reason: of others, of another version, not there", function()
        assert(snapshot.write(path, state(8)))
        assert.equal(path .. ": a snapshot of other endpoints or keys", (select(2, snapshot.read(path, "you"))))
        put((content():gsub("snapshot 1", "snapshot 2")))
        assert.equal(path .. ": not a snapshot, or one of another version", (select(2, snapshot.read(path, "me"))))
        os.remove(path)
        local got, err, is_there = snapshot.read(path, "me")
        assert.same({ nil, path .. ": No such file or directory", false }, { got, err, is_there })
    end)

    it("stays as it was when a new one cannot be written", function()
        assert(snapshot.write(path, state(8)))
        local bad = state(9)
        bad.kvs[9].key = nil -- throws in the middle
        assert.is_false((pcall(snapshot.write, path, bad)))
        assert.same(state(8), (snapshot.read(path, "me")))
        os.remove(path .. "." .. ngx.worker.pid() .. ".tmp")
        local ok, err = snapshot.write("/nowhere/at/all", state(1))
        assert.is_nil(ok)
        assert.is_truthy(err:find("No such file", 1, true))
    end)

    it("is written and read with others running, who may have a turn after each key", function()
        local keys, breathe = 0, slices.yield_if_due
        finally(function() slices.yield_if_due = breathe end)
        slices.yield_if_due = function(slice)
            keys = keys + 1
            turns.work()
            breathe(slice)
        end
        local got
        for name, run in pairs {
            write = function() assert(snapshot.write(path, state(400))) end,
            read = function() got = assert(snapshot.read(path, "me")) end,
        } do
            assert(snapshot.write(path, state(400)))
            keys = 0
            local most = turns.most(run)
            assert.is_true(keys >= 400, name)
            assert.is_true(most > 0 and most <= turns.FEW, name .. ": " .. most .. " in one go")
        end
        assert.equal(400, #got.kvs)
    end)

    it("is written and read in parts of 64 KB and a key", function()
        assert(snapshot.write(path, state(3000)))
        local parts = 0
        for size in content():gmatch("chunk %d+ (%d+) %x+ %x+\n") do
            parts = parts + 1
            assert.is_true(tonumber(size) < 65536 + 1024, size)
        end
        assert.is_true(parts > 2)
    end)

    describe("in front of a feed", function()
        local inner, file

        -- A feed that gives what is pushed.
        local function scripted()
            local feed = { batches = {} }
            function feed.next(_, timeout)
                local stop = ngx.now() + timeout
                repeat
                    local batch = table.remove(feed.batches, 1)
                    if batch and batch.name then
                        return nil, batch
                    elseif batch then
                        return batch
                    end
                    ngx.sleep(0.001)
                until ngx.now() >= stop
                return nil, { name = "timeout", message = "timeout" }
            end
            function feed.age()
                return 7
            end
            function feed.close()
                feed.closed = true
            end
            return feed
        end

        local function full(revision, n, reason)
            return { revision = revision, events = {}, full = kvs(n), reason = reason or "list" }
        end

        local function put_event(revision, key, value)
            local kv = { key = key, value = value, create_revision = "9", mod_revision = tostring(revision), version = "1" }
            return { revision = revision, events = { { type = "PUT", kv = kv } } }
        end

        local function eventually(check)
            local stop = ngx.now() + 3
            while not check() and ngx.now() < stop do
                ngx.sleep(0.005)
            end
            return not not check()
        end

        before_each(function()
            inner = scripted()
            file = snapshot_feed.file_of(path, "me", 0.05)
        end)

        it("is not read while etcd answers at once", function()
            assert(snapshot.write(path, state(8)))
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(9, 2) }
            assert.equal("list", feed:next(1).reason)
            assert.is_nil((feed:next(0.2)))
            assert.equal(7, feed:age())
        end)

        it("is told once when etcd does not answer, with its age, and then what etcd says", function()
            local stored = state(8)
            stored.last_received_at = math.floor(ngx.now()) - 100
            assert(snapshot.write(path, stored))
            local feed = snapshot_feed.wrap(inner, file)
            local asked = ngx.now()
            local batch
            for _ = 1, 20 do
                batch = batch or feed:next(0.03)
            end
            assert.same({ "snapshot", 4503599627370497 }, { batch.reason, batch.revision })
            assert.same(kvs(8), batch.full)
            assert.is_true(ngx.now() - asked < 1)
            assert.is_true(feed:age() >= 100 and feed:age() < 110)
            assert.is_nil((feed:next(0.15)))
            inner.batches = { full(9, 2), put_event(10, "/k/x", "y") }
            assert.equal("list", feed:next(1).reason)
            assert.equal(10, feed:next(1).revision)
            assert.equal(7, feed:age())
            -- a later feed has no use for it
            feed = snapshot_feed.wrap(inner, file)
            assert.is_nil((feed:next(0.2)))
        end)

        it("is told when etcd refuses at once, before the error is", function()
            assert(snapshot.write(path, state(8)))
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { { name = "permission_denied", message = "no" }, { name = "permission_denied" } }
            assert.equal("snapshot", feed:next(1).reason)
            assert.equal("permission_denied", (select(2, feed:next(1))).name)
        end)

        it("is kept up to date with what went by", function()
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(9, 2), put_event(10, "/k/0", "zero"), put_event(11, "/k/x", "y") }
            for _ = 1, 3 do
                assert(feed:next(1))
            end
            assert.is_true(eventually(function()
                local got = snapshot.read(path, "me")
                return got and got.revision == 11
            end))
            local expected = kvs(2)
            table.insert(expected, 1, put_event(10, "/k/0", "zero").events[1].kv)
            table.insert(expected, put_event(11, "/k/x", "y").events[1].kv)
            assert.same(expected, snapshot.read(path, "me").kvs)
            inner.batches = { { revision = 12, events = { { type = "DELETE", kv = { key = "/k/x", mod_revision = "12" } } } } }
            assert(feed:next(1))
            table.remove(expected)
            assert.is_true(eventually(function() return snapshot.read(path, "me").revision == 12 end))
            assert.same(expected, snapshot.read(path, "me").kvs)
            inner.batches = { full(5, 1, "restored") }
            assert(feed:next(1))
            assert.is_true(eventually(function() return snapshot.read(path, "me").revision == 5 end))
            assert.same(kvs(1), snapshot.read(path, "me").kvs)
        end)

        it("whose values are others at the same revisions is of another history; one that agrees is not", function()
            for _, other in ipairs { false, true } do
                file = snapshot_feed.file_of(path, "me", 5)
                assert(snapshot.write(path, state(8)))
                local feed = snapshot_feed.wrap(inner, file)
                assert.equal("snapshot", feed:next(1).reason)
                local batch = full(4503599627370500, 9)
                table.remove(batch.full, 2) -- what is gone, or new, or younger, says nothing
                batch.full[3].value, batch.full[3].mod_revision = "younger", "4503599627370499"
                if other then
                    batch.full[6].value = "other"
                end
                local again = full(4503599627370501, 1)
                inner.batches = { batch, again }
                local got = feed:next(1)
                assert.equal(other and "restored" or "list", got.reason)
                assert.equal(batch.full, got.full)
                assert.is_nil(file.last_reported) -- and is not kept any longer
                assert.equal(again, feed:next(1))
            end
        end)

        it("that cannot be written is given up with its feed, and its keys are let go", function()
            local real, writes = snapshot.write, 0
            snapshot.write = function(...)
                writes = writes + 1
                return real(...)
            end
            file = snapshot_feed.file_of("/nowhere/at/all", "me", 0.02)
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(9, 2) }
            assert(feed:next(1))
            local goes_on = eventually(function() return writes >= 3 end)
            feed:close()
            eventually(function() return not file.writer.kvs and not file.writer.is_planned end)
            local before = writes
            ngx.sleep(0.1)
            snapshot.write = real
            assert.is_true(goes_on)
            assert.equal(before, writes)
            assert.is_nil(file.writer.kvs)
            assert.is_false(file.writer.is_planned)
        end)

        it("is still written when its feed has ended, and lets go of the keys then", function()
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(9, 2) }
            assert(feed:next(1))
            feed:close()
            assert.is_true(eventually(function() return (snapshot.read(path, "me")) end))
            assert.is_true(eventually(function() return file.writer.kvs == nil end))
            -- and goes on with the next one
            feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(11, 3), put_event(12, "/k/x", "y") }
            assert(feed:next(1))
            assert(feed:next(1))
            assert.is_true(eventually(function() return snapshot.read(path, "me").revision == 12 end))
            assert.equal(4, #snapshot.read(path, "me").kvs)
        end)

        it("is written by who removes what a killed worker left, and nothing else", function()
            local dead = process.start("sh", "-c", "echo $$")
            assert.is_true(eventually(function() return process.read(dead .. ".status") ~= "" end))
            local pid = assert(process.read(dead):match("^(%d+)\n"))
            local strange = path .. "[a]*" -- not a pattern
            local kept = { strange .. ".1.tmp", strange .. ".tmp", strange .. ".x1.tmp", path .. "[a]x." .. pid .. ".tmp" }
            local left = strange .. "." .. pid .. ".tmp"
            for _, name in ipairs { left, unpack(kept) } do
                assert(io.open(name, "wb")):close()
            end
            file = snapshot_feed.file_of(strange, "me", 0.02)
            local feed = snapshot_feed.wrap(inner, file)
            inner.batches = { full(9, 2) }
            assert(feed:next(1))
            assert.is_true(eventually(function() return (snapshot.read(strange, "me")) end))
            local there = {}
            for i, name in ipairs { left, unpack(kept) } do
                there[i] = io.open(name) ~= nil
                os.remove(name)
            end
            os.remove(strange)
            process.forget(dead)
            assert.same({ false, true, true, true, true }, there)
        end)
    end)
end)
