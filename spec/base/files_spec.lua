local file_status = require "resty.etcd.base.file_status"
local files = require "resty.etcd.base.files"

local function run(command)
    local status = os.execute(command)
    assert(status == 0 or status == true, command)
end

describe("files", function()
    local dir

    setup(function()
        dir = os.tmpname()
        os.remove(dir)
        run(("mkdir '%s' && mkfifo '%s/fifo' && printf 'text\\nmore' > '%s/file' && : > '%s/empty'"):format(dir, dir, dir, dir))
    end)

    teardown(function()
        run(("rm -rf '%s'"):format(dir))
    end)

    it("reads a regular file, also through a symbolic link", function()
        run(("ln -sf file '%s/link'"):format(dir))
        assert.equal("text\nmore", files.read(dir .. "/file"))
        assert.equal("text\nmore", files.read(dir .. "/link"))
    end)

    it("returns an error instead of blocking at a FIFO, whether or not something writes to it", function()
        for _ = 1, 2 do
            local text, err = files.read(dir .. "/fifo")
            assert.is_nil(text)
            assert.equal(dir .. "/fifo: not a regular file", err)
            run(("(exec 3<>'%s/fifo'; sleep 5) >/dev/null 2>&1 &"):format(dir))
        end
    end)

    it("returns an error for folders, devices, large files and missing files", function()
        run(("ln -sf loop '%s/loop' && truncate -s 4194305 '%s/large'"):format(dir, dir))
        for path, expected in pairs {
            [dir] = "not a regular file", [dir .. "/empty"] = "empty", [dir .. "/none"] = "No such file or directory",
            [dir .. "/file/x"] = "Not a directory", ["/dev/null"] = "not a regular file", ["/dev/zero"] = "not a regular file",
            [dir .. "/loop"] = "Too many levels of symbolic links", [dir .. "/large"] = "longer than 4194304 bytes",
        } do
            local text, err = files.read(path)
            assert.is_nil(text)
            assert.equal(path .. ": " .. expected, err)
        end
    end)

    it("leaves no descriptor open, not even of a file whose reader was killed", function()
        local function count()
            local pipe = io.popen("ls /proc/" .. ngx.worker.pid() .. "/fd | wc -l")
            local n = pipe:read("*n")
            pipe:close()
            return n
        end
        local before = count()
        for _ = 1, 20 do
            for _, name in ipairs { "file", "fifo", "empty", "none", "large" } do
                files.read(dir .. "/" .. name)
            end
        end
        assert.equal(before, count())
        local thread = ngx.thread.spawn(function()
            local file = assert(files.open_regular(dir .. "/file", true))
            ngx.sleep(60)
            return file
        end)
        assert.equal(before + 1, count())
        ngx.thread.kill(thread)
        thread = nil -- luacheck: ignore 311
        collectgarbage()
        collectgarbage()
        assert.equal(before, count())
    end)

    it("does not find a file's status without statx, and then still rejects what has no size", function()
        local status_of = file_status.of_file
        finally(function() file_status.of_file = status_of end)
        file_status.of_file = function() end
        assert.equal("text\nmore", files.read(dir .. "/file"))
        assert.equal(dir .. "/fifo: not a regular file", (select(2, files.read(dir .. "/fifo"))))
        assert.equal(dir .. "/empty: empty", (select(2, files.read(dir .. "/empty"))))
    end)

    it("reports what exists without opening it", function()
        for path, expected in pairs {
            [dir .. "/fifo"] = true, [dir .. "/file"] = true, [dir] = true, [dir .. "/none"] = false,
            [dir .. "/file/x"] = true, -- connecting to it fails with this path's error
        } do
            assert.equal(expected, files.exists(path), path)
        end
    end)
end)
