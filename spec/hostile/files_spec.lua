-- Snapshot files in a folder in which a local user can make, replace and damage everything. SEED=n repeats a run.
local ffi = require "ffi"
local process = require "fault.process"
local snapshot_file = require "resty.etcd.storage.snapshot_file"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local CASES = 60

pcall(ffi.cdef, [[
    int symlink(const char *target, const char *path); int link(const char *from, const char *to);
    int mkfifo(const char *path, unsigned int mode); int mkdir(const char *path, unsigned int mode);
    int chmod(const char *path, unsigned int mode); int lchown(const char *path, unsigned int uid, unsigned int gid);
]])
local C = ffi.C

local function content_of(path)
    local file = assert(io.open(path, "rb"))
    local bytes = file:read("*a")
    file:close()
    return bytes
end

local function set_content(path, bytes)
    local file = assert(io.open(path, "wb"))
    file:write(bytes)
    file:close()
end

local function snapshot_of(case)
    local kvs = {}
    for i = 1, case % 7 do
        kvs[i] = { key = ("/k/%d"):format(i), value = ("v"):rep(case * i), create_revision = "2", mod_revision = "3", version = "1" }
    end
    return { identity = "own", revision = 1000 + case, last_received_at = 1600000000, kvs = kvs }
end

local NUMBERS = { "0", "1", "9007199254740992", ("9"):rep(18), ("9"):rep(300), "-1", "4294967295" }

describe("snapshot file in a hostile folder", function()
    local folder, path, victim

    before_each(function()
        folder = os.tmpname()
        os.remove(folder)
        assert(process.run("mkdir", "-m", "777", folder))
        path, victim = folder .. "/file", folder .. "/victim"
        set_content(victim, "kept")
    end)

    after_each(function()
        process.run("rm", "-rf", folder)
    end)

    -- What a local user can put at a path, which is free.
    local function put_something(target, good, random)
        local kind = random(7)
        if kind == 1 then
            C.symlink(random(2) == 1 and victim or target .. ".none", target)
        elseif kind == 2 then
            C.link(victim, target)
        elseif kind == 3 then
            C.mkfifo(target, tonumber("600", 8))
        elseif kind == 4 then
            C.mkdir(target, tonumber("700", 8))
        elseif kind == 5 then
            set_content(target, good:sub(1, random(#good) - 1))
        elseif kind == 6 then
            local at = random(#good)
            set_content(target, good:sub(1, at - 1) .. string.char(random(256) - 1) .. good:sub(at + random(3)))
        else
            local count = random(6)
            local seen = 0
            set_content(target, (good:gsub("%d+", function()
                seen = seen + 1
                return seen == count and NUMBERS[random(#NUMBERS)] or nil
            end)))
        end
        if random(4) == 1 then
            C.lchown(target, 12345, 12345) -- does nothing unless root runs the tests
        end
    end

    it("is read as it was written or not at all, and is written without blocking or touching other files", function()
        local state = SEED % 2147483646 + 1
        local function random(n)
            state = state * 16807 % 2147483647
            return state % n + 1
        end
        local written = 0
        for case = 1, CASES do
            local what = ("SEED=%d, case %d"):format(SEED, case)
            local expected = snapshot_of(case)
            process.run("sh", "-c", "rm -rf " .. path .. "*")
            assert(snapshot_file.write(path, expected))
            local good = content_of(path)
            for slot = 1, random(16) - 1 do
                put_something(("%s.%x.tmp"):format(path, slot), good, random)
            end
            assert(os.remove(path))
            put_something(path, good, random)
            local found, err, exists = snapshot_file.read(path, "own")
            if found then
                assert.same(expected, found, what)
            else
                assert.equal("string", type(err), what)
                assert.equal("boolean", type(exists), what) -- false for a link that leads nowhere
            end
            local ok, write_err = snapshot_file.write(path, snapshot_of(case + 1))
            if ok then
                written = written + 1
                assert.same(snapshot_of(case + 1), (snapshot_file.read(path, "own")), what)
            else
                assert.equal("string", type(write_err), what)
            end
            assert.equal("kept", content_of(victim), what)
        end
        assert.is_true(written > CASES / 2, "written: " .. written)
    end)
end)
