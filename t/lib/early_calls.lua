-- Calls in a phase without cosockets. Their results are printed later.
local _M = {}

-- Functions that must not be called there, by module.
local FORBIDDEN = {
    [coroutine] = { "create", "wrap", "yield", "resume" },
    [ngx] = { "sleep" },
    [ngx.timer] = { "at", "every" },
    [ngx.thread] = { "spawn", "wait" },
    [require "ngx.semaphore"] = { "new" },
}

local function forbid(used)
    local undo = {}
    for module, names in pairs(FORBIDDEN) do
        for _, name in ipairs(names) do
            local original = module[name]
            module[name] = function(...)
                used[#used + 1] = name
                return original(...)
            end
            undo[#undo + 1] = function()
                module[name] = original
            end
        end
    end
    return function()
        for _, step in ipairs(undo) do
            step()
        end
    end
end

local function run(t, say, opts)
    local cli = t.new(opts)
    local key = t.key()
    local function check(name, res, err)
        say(name, ": ", res and res.status or err)
        return res and res.body or {}
    end
    check("set", cli:set(key .. "/1", { n = 1 }))
    say("value: ", check("get", cli:get(key .. "/1")).kvs[1].value.n)
    local big = ("x"):rep(5000)
    check("set big", cli:set(key .. "/2", big))
    say("big value: ", check("get big", cli:get(key .. "/2")).kvs[1].value == big)
    local kvs = check("readdir", cli:readdir(key)).kvs
    say("keys: ", #kvs, " ", kvs[2].value == big)
    local row = { key = key .. "/1", target = "VERSION", result = "EQUAL", version = 1 }
    local body = check("txn", cli:txn({ row }, { { requestPut = { key = key .. "/3", value = 3 } } }))
    say("succeeded: ", body.succeeded)
    local id = check("grant", cli:grant(60)).ID
    check("keepalive", cli:keepalive(id))
    check("revoke", cli:revoke(id))
    say("version: ", check("version", cli:version()).etcdserver == t.bed.version)
    say("refused: ", check("get of the future", cli:get(key, { revision = "999999999" })).error)
    say("deleted: ", check("rmdir", cli:rmdir(key)).deleted)
    local _, err = cli:watch(key)
    say("watch: ", (err:gsub("^http://[%d.:]+: ", "HOST: ")))
    return cli
end

--- Creates a client with these options, and makes the calls.
function _M.run(opts)
    local lines, used = {}, {}
    local function say(...)
        local line = { ... }
        for i = 1, select("#", ...) do
            line[i] = tostring(line[i])
        end
        lines[#lines + 1] = table.concat(line)
    end
    local restore = forbid(used)
    local ok, err = pcall(function()
        _M.client = run(require "testlib", say, opts)
    end)
    restore()
    if not ok then
        say("thrown: ", err)
    end
    say("used: ", table.concat(used, " "))
    _M.lines = table.concat(lines, "\n")
end

return _M
