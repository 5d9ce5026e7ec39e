-- Snapshot files: a state to start with while etcd is unreachable.
local ffi = require "ffi"
local event_loop_probe = require "spec.support.event_loop_probe"
local process = require "fault.process"
local snapshot_feed = require "resty.etcd.storage.snapshot_feed"
local snapshot_file = require "resty.etcd.storage.snapshot_file"
local time_slice = require "resty.etcd.base.time_slice"

ffi.cdef "unsigned int umask(unsigned int);"

local path

local function new_path()
    path = os.tmpname()
    os.remove(path)
end

local function remove_file()
    os.remove(path)
end

local function output(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read("*l")
    pipe:close()
    return text
end

local function read_own()
    return snapshot_file.read(path, "own")
end

local function new_kvs(n)
    local kvs = {}
    for i = 1, n do
        kvs[i] = {
            key = ("/k/%06d"):format(i), value = ("\n\0\255"):rep(i % 50), create_revision = "2",
            mod_revision = tostring(i + 1), version = "1", lease = i % 3 == 0 and "9007199254740993" or nil,
        }
    end
    return kvs
end

local function new_snapshot(n)
    return { identity = "own", revision = 4503599627370497, last_received_at = 1600000000, kvs = new_kvs(n) }
end

local function eventually(check)
    local stop = ngx.now() + 3
    while not check() and ngx.now() < stop do
        ngx.sleep(0.005)
    end
    return not not check()
end

describe("snapshot file", function()
    before_each(new_path)
    after_each(remove_file)

    local function content()
        local file = assert(io.open(path, "rb"))
        local bytes = file:read("*a")
        file:close()
        return bytes
    end

    local function set_content(bytes)
        local file = assert(io.open(path, "wb"))
        file:write(bytes)
        file:close()
    end

    it("returns what was written, and leaves no temporary file", function()
        for _, n in ipairs { 0, 1, 3000 } do
            assert(snapshot_file.write(path, new_snapshot(n)))
            assert.same(new_snapshot(n), (assert(read_own())))
        end
        local _, _, code = io.open(path .. "." .. ngx.worker.pid() .. ".tmp")
        assert.equal(2, code)
    end)

    it("is rejected when it is truncated anywhere, or when data follows its end", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local whole = content()
        for n = 0, #whole - 2 do -- without its last line break it can still be verified
            set_content(whole:sub(1, n))
            local snapshot, err, exists = read_own()
            assert.is_nil(snapshot, n)
            assert.is_true(exists)
            assert.is_truthy(err:find(path, 1, true))
        end
        set_content(whole .. "\n")
        assert.is_nil((read_own()))
        set_content(whole)
        assert.is_truthy(read_own())
    end)

    it("is rejected when any byte has changed", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local whole = content()
        for n = 1, #whole do
            set_content(whole:sub(1, n - 1) .. string.char((whole:byte(n) + 1) % 256) .. whole:sub(n + 1))
            assert.is_nil((read_own()), n)
        end
    end)

    it("is rejected with the cause when it has another identity or version, or does not exist", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        assert.equal(path .. ": snapshot of other keys, or of a client with other options",
            (select(2, snapshot_file.read(path, "other"))))
        set_content((content():gsub("snapshot 1", "snapshot 2")))
        assert.equal(path .. ": not a snapshot file of this version", (select(2, read_own())))
        os.remove(path)
        local snapshot, err, exists = read_own()
        assert.same({ nil, path .. ": No such file or directory", false }, { snapshot, err, exists })
    end)

    it("can be read and written by its owner only, whatever the umask, and follows no link of another user", function()
        local before = ffi.C.umask(0)
        local target = path .. ".target"
        assert(process.run("ln", "-s", target, ("%s.%d.tmp"):format(path, ngx.worker.pid())))
        assert(snapshot_file.write(path, new_snapshot(3)))
        ffi.C.umask(tonumber("777", 8))
        assert(snapshot_file.write(path, new_snapshot(4)))
        ffi.C.umask(before)
        assert.equal("600 regular file", output("stat -c '%a %F' " .. path))
        assert.equal(4, #assert(read_own()).kvs)
        assert.is_nil(io.open(target))
    end)

    it("is rejected with the cause when another user can have written it", function()
        assert(snapshot_file.write(path, new_snapshot(3)))
        local folder = path .. ".folder"
        local inner = folder .. "/file"
        assert(process.run("mkdir", folder))
        finally(function() process.run("rm", "-rf", folder) end)
        assert(process.run("cp", "-p", path, inner))
        local function error_after(command, ...)
            assert(process.run(command, ...))
            local snapshot, err, exists = snapshot_file.read(inner, "own")
            assert.is_true(exists)
            return snapshot == nil and err:gsub("^" .. inner:gsub("%p", "%%%0") .. ": ", "") or #snapshot.kvs
        end
        assert.equal(3, error_after("true"))
        assert.equal("others can write the file: it has mode 0666", error_after("chmod", "666", inner))
        assert.equal("others can write the file: it has mode 0660", error_after("chmod", "660", inner))
        assert.equal(3, error_after("chmod", "644", inner))
        assert.equal("others can replace the file: its folder has mode 0777", error_after("chmod", "777", folder))
        assert.equal(3, error_after("chmod", "1777", folder))
        assert.equal(3, error_after("chmod", "770", folder))
        if output("id -u") == "0" then
            assert.equal("the file belongs to another user: uid 12345", error_after("chown", "12345", inner))
            assert.equal(3, error_after("chown", "12345", folder))
        end
        os.remove(inner)
        assert.equal("not a regular file", error_after("mkfifo", "-m", "600", inner))
    end)

    it("keeps its content when a new snapshot cannot be written", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local invalid = new_snapshot(9)
        invalid.kvs[9].key = nil -- raises an error after eight keys
        assert.is_false((pcall(snapshot_file.write, path, invalid)))
        assert.same(new_snapshot(8), (read_own()))
        os.remove(path .. "." .. ngx.worker.pid() .. ".tmp")
        local ok, err = snapshot_file.write("/nowhere/at/all", new_snapshot(1))
        assert.is_nil(ok)
        assert.is_truthy(err:find("No such file", 1, true))
    end)

    it("is written and read with a chance to yield after each key #alone", function()
        local keys, yield_if_due = 0, time_slice.yield_if_due
        finally(function() time_slice.yield_if_due = yield_if_due end)
        time_slice.yield_if_due = function(slice)
            keys = keys + 1
            event_loop_probe.work()
            yield_if_due(slice)
        end
        local snapshot
        for name, run in pairs {
            write = function() assert(snapshot_file.write(path, new_snapshot(400))) end,
            read = function() snapshot = assert(read_own()) end,
        } do
            assert(snapshot_file.write(path, new_snapshot(400)))
            keys = 0
            local most = event_loop_probe.most(run)
            assert.is_true(keys >= 400, name)
            assert.is_true(most > 0 and most <= event_loop_probe.FEW, name .. ": " .. most .. " keys without a yield")
        end
        assert.equal(400, #snapshot.kvs)
    end)

    it("is written in chunks of at most 64 KiB and one key", function()
        assert(snapshot_file.write(path, new_snapshot(3000)))
        local chunks = 0
        for size in content():gmatch("chunk %d+ (%d+) %x+ %x+\n") do
            chunks = chunks + 1
            assert.is_true(tonumber(size) < 65536 + 1024, size)
        end
        assert.is_true(chunks > 2)
    end)
end)

-- A feed that returns the batches and errors in its table `batches`.
local function scripted_feed()
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
    return { revision = revision, events = {}, full = new_kvs(n), reason = reason or "list" }
end

local function put_event(revision, key, value)
    local kv = { key = key, value = value, create_revision = "9", mod_revision = tostring(revision), version = "1" }
    return { revision = revision, events = { { type = "PUT", kv = kv } } }
end

describe("snapshot feed", function()
    local inner, state

    before_each(function()
        new_path()
        inner = scripted_feed()
        state = snapshot_feed.new_state(path, "own", 0.05)
    end)
    after_each(remove_file)

    it("does not read the file when etcd responds within its head start", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(9, 2) }
        assert.equal("list", feed:next(1).reason)
        assert.is_nil((feed:next(0.2)))
        assert.equal(7, feed:age())
    end)

    it("delivers the file's state once, with its age, and then etcd's, when etcd does not respond #alone", function()
        local stored = new_snapshot(8)
        stored.last_received_at = math.floor(ngx.now()) - 100
        assert(snapshot_file.write(path, stored))
        local feed = snapshot_feed.wrap(inner, state)
        local started_at = ngx.now()
        local batch
        for _ = 1, 20 do
            batch = batch or feed:next(0.03)
        end
        assert.same({ "snapshot", 4503599627370497 }, { batch.reason, batch.revision })
        assert.same(new_kvs(8), batch.full)
        assert.is_true(ngx.now() - started_at < 1)
        assert.is_true(feed:age() >= 100 and feed:age() < 110)
        assert.is_nil((feed:next(0.15)))
        inner.batches = { full(9, 2), put_event(10, "/k/x", "y") }
        assert.equal("list", feed:next(1).reason)
        assert.equal(10, feed:next(1).revision)
        assert.equal(7, feed:age())
        -- a later feed does not read the file
        feed = snapshot_feed.wrap(inner, state)
        assert.is_nil((feed:next(0.2)))
    end)

    it("delivers the file's state before the error when etcd responds with an error", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { { name = "permission_denied", message = "no" }, { name = "permission_denied" } }
        assert.equal("snapshot", feed:next(1).reason)
        assert.equal("permission_denied", (select(2, feed:next(1))).name)
    end)

    it("returns the error of the feed behind it", function()
        local feed = snapshot_feed.wrap(inner, state)
        assert.is_nil(feed:current_error())
        inner.current_error = function() return { name = "connect_failed" } end
        assert.equal("connect_failed", feed:current_error().name)
    end)

    it("reports a restore only when etcd has other values than the file at the same revisions", function()
        for _, has_other_value in ipairs { false, true } do
            state = snapshot_feed.new_state(path, "own", 5)
            assert(snapshot_file.write(path, new_snapshot(8)))
            local feed = snapshot_feed.wrap(inner, state)
            assert.equal("snapshot", feed:next(1).reason)
            local first = full(4503599627370500, 9)
            table.remove(first.full, 2) -- keys that were deleted, created or changed prove nothing
            first.full[3].value, first.full[3].mod_revision = "changed", "4503599627370499"
            if has_other_value then
                first.full[6].value = "other"
            end
            local second = full(4503599627370501, 1)
            inner.batches = { first, second }
            local batch = feed:next(1)
            assert.equal(has_other_value and "restored" or "list", batch.reason)
            assert.equal(first.full, batch.full)
            assert.is_nil(state.delivered_kvs) -- freed
            assert.equal(second, feed:next(1))
        end
    end)
end)

describe("snapshot writer", function()
    local inner, state

    before_each(function()
        new_path()
        inner = scripted_feed()
        state = snapshot_feed.new_state(path, "own", 0.05)
    end)
    after_each(remove_file)

    it("keeps the file up to date with the batches of the feed", function()
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(9, 2), put_event(10, "/k/0", "zero"), put_event(11, "/k/x", "y") }
        for _ = 1, 3 do
            assert(feed:next(1))
        end
        assert.is_true(eventually(function()
            local snapshot = read_own()
            return snapshot and snapshot.revision == 11
        end))
        local expected = new_kvs(2)
        table.insert(expected, 1, put_event(10, "/k/0", "zero").events[1].kv)
        table.insert(expected, put_event(11, "/k/x", "y").events[1].kv)
        assert.same(expected, read_own().kvs)
        inner.batches = { { revision = 12, events = { { type = "DELETE", kv = { key = "/k/x", mod_revision = "12" } } } } }
        assert(feed:next(1))
        table.remove(expected)
        assert.is_true(eventually(function() return read_own().revision == 12 end))
        assert.same(expected, read_own().kvs)
        inner.batches = { full(5, 1, "restored") }
        assert(feed:next(1))
        assert.is_true(eventually(function() return read_own().revision == 5 end))
        assert.same(new_kvs(1), read_own().kvs)
    end)

    it("retries a failed write until the feed is closed, and frees the keys then", function()
        local write, writes = snapshot_file.write, 0
        snapshot_file.write = function(...)
            writes = writes + 1
            return write(...)
        end
        finally(function() snapshot_file.write = write end)
        state = snapshot_feed.new_state("/nowhere/at/all", "own", 0.02)
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(9, 2) }
        assert(feed:next(1))
        assert.is_true(eventually(function() return writes >= 3 end))
        feed:close()
        assert.is_true(eventually(function() return not state.writer.kvs end))
        local before = writes
        ngx.sleep(0.1)
        assert.equal(before, writes)
        assert.is_nil(state.writer.kvs)
    end)

    it("writes the last changes when the feed is closed, and frees the keys then", function()
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(9, 2) }
        assert(feed:next(1))
        feed:close()
        assert.is_true(eventually(function() return (read_own()) end))
        assert.is_true(eventually(function() return state.writer.kvs == nil end))
        -- it continues with the next feed
        feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(11, 3), put_event(12, "/k/x", "y") }
        assert(feed:next(1))
        assert(feed:next(1))
        assert.is_true(eventually(function() return read_own().revision == 12 end))
        assert.equal(4, #read_own().kvs)
    end)

    it("removes the temporary files of killed workers, and no others", function()
        local dead = process.start("sh", "-c", "echo $$")
        assert.is_true(eventually(function() return process.read(dead .. ".status") ~= "" end))
        local pid = assert(process.read(dead):match("^(%d+)\n"))
        local glob_path = path .. "[a]*" -- must not be taken for a pattern
        local kept = {
            glob_path .. ".1.tmp", glob_path .. ".tmp", glob_path .. ".x1.tmp", path .. "[a]x." .. pid .. ".tmp",
        }
        local removed = glob_path .. "." .. pid .. ".tmp"
        for _, name in ipairs { removed, unpack(kept) } do
            assert(io.open(name, "wb")):close()
        end
        state = snapshot_feed.new_state(glob_path, "own", 0.02)
        local feed = snapshot_feed.wrap(inner, state)
        inner.batches = { full(9, 2) }
        assert(feed:next(1))
        assert.is_true(eventually(function() return (snapshot_file.read(glob_path, "own")) end))
        local exist = {}
        for i, name in ipairs { removed, unpack(kept) } do
            exist[i] = io.open(name) ~= nil
            os.remove(name)
        end
        os.remove(glob_path)
        process.forget(dead)
        assert.same({ false, true, true, true, true }, exist)
    end)
end)
