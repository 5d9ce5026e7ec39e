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
        assert.is_nil(files.check_readable(dir .. "/file"))
    end)

    it("returns an error instead of blocking at a FIFO, whether or not something writes to it", function()
        for _ = 1, 2 do
            local text, err = files.read(dir .. "/fifo")
            assert.is_nil(text)
            assert.equal(dir .. "/fifo: not a regular file", err)
            run(("(exec 3<>'%s/fifo'; sleep 5) >/dev/null 2>&1 &"):format(dir))
        end
    end)

    it("returns an error for folders, devices, sockets and missing files", function()
        for path, expected in pairs {
            [dir] = "cannot be read", [dir .. "/empty"] = "cannot be read", [dir .. "/none"] = "No such file or directory",
            [dir .. "/file/x"] = "Not a directory", ["/dev/null"] = "cannot be read", ["/dev/zero"] = "longer than 4194304 bytes",
        } do
            local text, err = files.read(path)
            assert.is_nil(text)
            assert.equal(path .. ": " .. expected, err)
        end
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
