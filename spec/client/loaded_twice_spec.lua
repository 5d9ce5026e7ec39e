-- Modules that are loaded more than once in one Lua VM: by two names, or because a program has cleared `package.loaded`.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

local ENTRIES = { "resty.etcd", "resty.etcd.config", "resty.etcd.discovery", "resty.etcd.health_check", "resty.etcd.utils",
    "resty.etcd.serializers.json", "resty.etcd.serializers.json_exact", "resty.etcd.serializers.raw" }

-- Calls a function while `package.loaded` has none of the driver's modules, and restores it.
local function without_loaded(fn)
    local saved = {}
    for name, module in pairs(package.loaded) do
        saved[name] = name:find("^resty%.etcd") and module or nil
    end
    for name in pairs(saved) do
        package.loaded[name] = nil
    end
    local ok, result = pcall(fn)
    for name in pairs(package.loaded) do
        if name:find("^resty%.etcd") then
            package.loaded[name] = nil
        end
    end
    for name, module in pairs(saved) do
        package.loaded[name] = module
    end
    return assert(ok and result, result)
end

describe("module loaded again in one Lua VM", function()
    it("raises no error, whichever module it is", function()
        for _ = 1, 3 do
            local names = without_loaded(function()
                for _, name in ipairs(ENTRIES) do
                    assert(type(require(name)) == "table")
                end
                local names = {}
                for name in pairs(package.loaded) do
                    names[#names + 1] = name:match("^resty%.etcd.*")
                end
                return names
            end)
            assert.is_true(#names > 100)
        end
        for name in pairs(package.loaded) do -- by a second name
            local path = name:find("^resty%.etcd") and package.searchpath(name, package.path)
            if path then
                assert(loadfile(path))(name .. " again")
            end
        end
    end)

    it("works next to the first one, and its timers end", function()
        local dir = bed.key "loaded-twice"
        local timers = ngx.timer.running_count()
        local mirrors, watchers, clients = {}, {}, {}
        for i = 1, 3 do
            local cli = without_loaded(function()
                return assert(require("resty.etcd").new { http_host = bed.single.http, transport = bed.transport })
            end)
            clients[i] = cli
            mirrors[i] = assert(cli:mirror(dir, { mode = "shared", shm_name = "test" }))
            watchers[i] = assert(cli:watcher(dir, { prefix = true }))
            assert(mirrors[i]:wait_ready(10))
        end
        assert(clients[2]:set(dir .. "a", "1"))
        for i = 1, 3 do
            local batch = assert(watchers[i]:next(10))
            assert.equal(1, #batch.events)
            assert(fake.eventually(function() return mirrors[i]:get(dir .. "a") == "1" end))
            assert.same({}, { (watchers[i]:next(0.01)) })
        end
        for i = 1, 3 do
            mirrors[i]:close()
            watchers[i]:close()
        end
        assert(clients[1]:rmdir(dir))
        local stop = ngx.now() + 15
        while ngx.timer.running_count() > timers and ngx.now() < stop do
            ngx.sleep(0.1)
        end
        assert.is_true(ngx.timer.running_count() <= timers, ngx.timer.running_count() .. " timers, before " .. timers)
    end)
end)
