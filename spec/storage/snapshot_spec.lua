-- Snapshot files: a state to start with while etcd is unreachable.
local ffi = require "ffi"
local event_loop_probe = require "spec.support.event_loop_probe"
local kv_encoding = require "resty.etcd.storage.kv_encoding"
local log_lines = require "spec.support.log_lines"
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

-- Returns the temporary files that are next to `path`.
local function temp_files()
    local pipe = assert(io.popen("ls -d " .. path .. ".*.tmp 2>/dev/null"))
    local names = {}
    for name in pipe:lines() do
        names[#names + 1] = name
    end
    pipe:close()
    return names
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
        assert.equal(0, #temp_files())
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

    it("is rejected as damaged when its sizes, numbers or keys are absurd, although the checksums match", function()
        assert(snapshot_file.write(path, new_snapshot(2)))
        local function with_sum(line)
            return ("%s %08x\n"):format(line, ngx.crc32_long(line))
        end
        local function damaged(what, bytes)
            set_content(bytes)
            collectgarbage()
            local before = collectgarbage("count")
            local snapshot, err, exists = read_own()
            assert.same({ nil, path .. ": damaged or truncated", true }, { snapshot, err, exists }, what)
            assert.is_true(collectgarbage("count") - before < 1024, what)
        end
        local magic, rest = content():match("^([^\n]*\n)(.*)$")
        local header = rest:match("^[^\n]*")
        local md5, revision, time = header:match("^(%x+) (%d+) (%d+)")
        local head = magic .. header .. "\n"
        for _, number in ipairs { "9007199254740993", ("9"):rep(20), ("9"):rep(150), ("9"):rep(400) } do
            damaged(number, magic .. with_sum(("%s %s %s"):format(md5, number, time)) .. with_sum("end 0 0"))
            damaged(number, magic .. with_sum(("%s %s %s"):format(md5, revision, number)) .. with_sum("end 0 0"))
            damaged(number, head .. with_sum(("chunk 1 %s 00000000"):format(number)) .. "x")
            damaged(number, head .. with_sum(("chunk %s 0 00000000"):format(number)))
        end
        for _, size in ipairs { "1000000000", "4294967295", "9007199254740992" } do
            damaged(size, head .. with_sum(("chunk 1 %s 00000000"):format(size)) .. "x")
        end
        damaged("a long line", magic .. ("x"):rep(3 * 1024 * 1024))
        local one = kv_encoding.encode(new_kvs(1)[1], false)
        local function chunk(bytes)
            local line = ("chunk 1 %d %08x"):format(#bytes, ngx.crc32_long(bytes))
            return head .. with_sum(line) .. bytes .. with_sum("end 1 1")
        end
        set_content(chunk(one))
        assert.equal(1, #assert(read_own()).kvs)
        for n = 1, #one - 1 do
            damaged("a part of a key", chunk(one:sub(1, n)))
        end
        damaged("a long key", chunk(one:sub(1, 1) .. ("\255"):rep(8) .. one:sub(10)))
        damaged("a deletion", chunk(kv_encoding.encode({ key = "a", mod_revision = "1" }, true)))
        for field, values in pairs {
            key = { "" }, version = { "", "x", "-1" }, create_revision = { "", "0x1", "1e5" },
            mod_revision = { "", "-5", "1.5", "9223372036854775808", "99999999999999999999", "nan", "1\n" },
            lease = { "", "-", "--1", "9223372036854775808" },
        } do
            for _, value in ipairs(values) do
                local kv = new_kvs(1)[1]
                kv[field] = value
                damaged(field .. " " .. value, chunk(kv_encoding.encode(kv, false)))
            end
        end
        local kv = new_kvs(1)[1]
        kv.lease, kv.mod_revision = "-9223372036854775807", "9007199254740991"
        set_content(chunk(kv_encoding.encode(kv, false)))
        assert.same({ kv }, assert(read_own()).kvs)
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

    it("can be read and written by its owner only, whatever the umask", function()
        local before = ffi.C.umask(0)
        finally(function() ffi.C.umask(before) end)
        assert(snapshot_file.write(path, new_snapshot(3)))
        ffi.C.umask(tonumber("777", 8))
        assert(snapshot_file.write(path, new_snapshot(4)))
        assert.equal("600 regular file", output("stat -c '%a %F' " .. path))
        assert.equal(4, #assert(read_own()).kvs)
    end)

    it("is written next to links, FIFOs, folders and files of other users that have every name of its temporary file", function()
        local folder = path .. ".folder"
        local inner, victim = folder .. "/file", folder .. "/victim"
        finally(function() process.run("rm", "-rf", folder) end)
        assert(process.run("mkdir", "-m", "1777", folder))
        assert(process.run("sh", "-c", "echo kept > " .. victim))
        local kinds = {
            "ln -s %s.none %s", "ln -s " .. victim .. " %s", "mkfifo %s", "mkdir %s", "touch %s", "ln " .. victim .. " %s",
        }
        for slot = 0, 15 do
            local kind = kinds[slot % #kinds + 1]
            local name = ("%s.%x.tmp"):format(inner, slot)
            assert(process.run("sh", "-c", kind:find("none", 1, true) and kind:format(name, name) or kind:format(name)))
        end
        local is_root = output("id -u") == "0"
        if is_root then
            assert(process.run("sh", "-c", "chown -h 12345 " .. folder .. "/*.tmp"))
        end
        assert(snapshot_file.write(inner, new_snapshot(3)))
        assert.equal(3, #assert(snapshot_file.read(inner, "own")).kvs)
        assert.equal("kept", output("cat " .. victim))
        assert.equal(is_root and "16" or "15", output("ls " .. folder .. "/*.tmp -d | wc -l"))
        assert.equal("0", output("ls " .. folder .. "/*.none 2>/dev/null | wc -l"))
    end)

    it("replaces a link at its path, and is not read through one", function()
        local target = path .. ".target"
        finally(function() os.remove(target) end)
        assert(snapshot_file.write(target, new_snapshot(2)))
        assert(process.run("ln", "-s", target, path))
        assert.same({ nil, path .. ": a symbolic link", true }, { read_own() })
        assert(snapshot_file.write(path, new_snapshot(3)))
        assert.equal(3, #assert(read_own()).kvs)
        assert.equal(2, #assert(snapshot_file.read(target, "own")).kvs)
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
        assert.equal(3, error_after("chmod", "644", inner))
        if output("id -u") == "0" then
            assert.equal("the file belongs to another user: uid 12345", error_after("chown", "12345", inner))
            assert.equal("the file belongs to another user: uid 12345", error_after("chown", "12345", folder))
        end
        os.remove(inner)
        assert.equal("not a regular file", error_after("mkdir", inner))
        assert(process.run("rmdir", inner))
        assert.equal("not a regular file", error_after("mkfifo", "-m", "600", inner))
    end)

    it("is read in a folder that everyone can write, as an emptyDir of Kubernetes, but not when another user has put it there", function()
        local folder = path .. ".folder"
        local inner = folder .. "/file"
        assert(process.run("mkdir", "-m", "777", folder))
        finally(function() process.run("rm", "-rf", folder) end)
        for _, mode in ipairs { "777", "1777", "2777", "770" } do
            assert(process.run("chmod", mode, folder))
            assert(snapshot_file.write(inner, new_snapshot(3)))
            assert.equal(3, #assert(snapshot_file.read(inner, "own")).kvs)
        end
        if output("id -u") == "0" then
            assert(process.run("chown", "12345", inner))
            assert.same({ nil, inner .. ": the file belongs to another user: uid 12345", true }, { snapshot_file.read(inner, "own") })
        end
    end)

    it("is read with a warning when its group can write it, as after a mount with fsGroup of Kubernetes", function()
        assert(snapshot_file.write(path, new_snapshot(3)))
        assert(process.run("chmod", "660", path))
        local lines = log_lines.of(function()
            for _ = 1, 2 do
                assert.equal(3, #assert(read_own()).kvs)
            end
        end)
        assert.same({ "warn: snapshot: its group can write the file, which is used: it has mode 0660: " .. path }, lines)
    end)

    it("keeps its content when a new snapshot cannot be written", function()
        assert(snapshot_file.write(path, new_snapshot(8)))
        local invalid = new_snapshot(9)
        invalid.kvs[9].key = nil -- raises an error after eight keys
        local written, why = snapshot_file.write(path, invalid)
        assert.is_nil(written)
        assert.is_truthy(why:find(path .. ": ", 1, true))
        assert.same(new_snapshot(8), (read_own()))
        assert.equal(0, #temp_files())
        local ok, err = snapshot_file.write("/nowhere/at/all", new_snapshot(1))
        assert.is_nil(ok)
        assert.equal("/nowhere/at/all: No such file or directory", err)
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

    it("leaves at most 16 temporary files of killed workers, and removes them when they are old", function()
        finally(function() process.run("sh", "-c", "rm -f " .. path .. ".*.tmp") end)
        local rename = os.rename
        os.rename = function() error("killed", 0) end -- luacheck: ignore 122
        for _ = 1, 100 do
            pcall(snapshot_file.write, path, new_snapshot(1))
        end
        os.rename = rename -- luacheck: ignore 122
        assert.equal(16, #temp_files())
        assert(snapshot_file.write(path, new_snapshot(2))) -- with the name of one of them
        assert.equal(15, #temp_files())
        assert(process.run("sh", "-c", "touch -d '11 minutes ago' " .. path .. ".*.tmp"))
        for _ = 1, 200 do
            assert(snapshot_file.write(path, new_snapshot(2)))
        end
        assert.equal(0, #temp_files())
    end)

    it("gives up a file whose temporary file was removed while it was written", function()
        assert(snapshot_file.write(path, new_snapshot(1)))
        local write = kv_encoding.encode
        finally(function() kv_encoding.encode = write end)
        kv_encoding.encode = function(...)
            for _, name in ipairs(temp_files()) do
                os.remove(name)
                io.open(name, "wb"):close() -- another worker uses the name
            end
            return write(...)
        end
        assert.same({ nil, path .. ": the temporary file was removed meanwhile" }, { snapshot_file.write(path, new_snapshot(2)) })
        assert.equal(1, #assert(read_own()).kvs)
    end)

    it("reports a full disk, and keeps the old file and no other", function()
        local folder = path .. ".full"
        assert(process.run("mkdir", folder))
        finally(function() process.run("sh", "-c", ("umount %s; rmdir %s"):format(folder, folder)) end)
        if not process.run("mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", folder) then
            pending("no tmpfs can be mounted")
            return
        end
        local file = folder .. "/file"
        assert(snapshot_file.write(file, new_snapshot(8)))
        assert.same({ nil, file .. ": No space left on device" }, { snapshot_file.write(file, new_snapshot(3000)) })
        assert.equal("1", output("ls -A " .. folder .. " | wc -l"))
        assert.equal(8, #assert(snapshot_file.read(file, "own")).kvs)
    end)

    it("warns once when other users can replace the file", function()
        local folder = path .. ".shared"
        assert(process.run("mkdir", "-m", "770", folder))
        finally(function() process.run("rmdir", folder) end)
        local lines = log_lines.of(function()
            for _ = 1, 2 do
                snapshot_feed.new_state(folder .. "/file", "own", 5)
            end
        end)
        assert.same({ "warn: snapshot: other users can remove or replace the file: its folder has mode 0770: " .. folder .. "/file" },
            lines)
    end)
end)
