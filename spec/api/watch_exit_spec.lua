-- A worker of a real nginx that exits while raw watches with a timeout of an hour wait: in requests and in timers, with and
-- without `need_cancel`.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local ports = require "spec.support.ports"
local shell = require("spec.support.multi_worker_nginx").shell

local CANCELLABLE_BOUND = 0.5 -- seconds: docs/api.md
local BOUND = 5 -- seconds
local MARGIN = 1 -- seconds that nginx takes to reload and to reap a worker on a busy machine

-- Runs in a request or a timer of the worker: reads until the end, and reports it in the dict, which outlives the worker.
local READ = [[
    local opts = ...
    local etcd = require "resty.etcd"
    local clock = require "resty.etcd.base.clock"
    local report = ngx.shared.report
    local cli = assert(etcd.new { http_host = opts.http_host, transport = opts.transport, timeout = 5 })
    local reader, err = cli:watchdir(opts.key, { timeout = 3600, need_cancel = opts.need_cancel })
    assert(reader, err)
    local reply
    repeat
        reply, err = reader()
        if reply and reply.result.created then
            report:incr("established", 1, 0)
        elseif reply then
            report:incr("events", 1, 0)
        end
    until not reply
    local again = select(2, reader())
    report:rpush("ends", require("cjson.safe").encode {
        err = err, again = again, name = opts.name, at = clock.now(), exiting = ngx.worker.exiting(),
    })
]]

local function config(dir, port)
    local modules = os.getenv("RESTY_MODULES") or "/usr/lib/nginx/modules"
    local load = ""
    if io.open(modules .. "/ngx_http_lua_module.so") then
        load = ("load_module %s/ndk_http_module.so; load_module %s/ngx_http_lua_module.so;"):format(modules, modules)
    end
    return ([[
        $load
        user root;
        daemon off; worker_processes 1; pid $dir/nginx.pid; error_log $dir/error.log warn;
        events { worker_connections 256; }
        http {
            access_log off;
            client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
            uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
            lua_package_path "$path;$root/lua/?.lua;$root/lua/?/init.lua;;";
            lua_shared_dict report 1m;
            server {
                listen 127.0.0.1:$port;
                location = /read { content_by_lua_block {
                    local opts = require("cjson.safe").decode(ngx.unescape_uri(ngx.var.arg_opts))
                    local read = assert(loadfile("$dir/read.lua"))
                    if opts.timer then
                        assert(ngx.timer.at(0, function() read(opts) end))
                    else
                        read(opts)
                    end
                } }
                location = /report { content_by_lua_block {
                    local report = ngx.shared.report
                    local ends = {}
                    for i = 1, report:llen("ends") do
                        ends[i] = report:lpop("ends")
                        report:rpush("ends", ends[i])
                    end
                    ngx.print(require("cjson.safe").encode {
                        established = report:get("established") or 0, events = report:get("events") or 0,
                        ends = ends, pid = ngx.worker.pid(),
                    })
                } }
            }
        }
    ]]):gsub("$(%l+)", {
        load = load, dir = dir, port = port, root = os.getenv("PWD"), path = os.getenv("RESTY_LUA_PATH") or "",
    })
end

local function put(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

describe("raw watches with a timeout of an hour #alone", function()
    local dir, port, pipe, key, direct
    local sockets = {}

    before_each(function()
        dir, port = shell("mktemp -d"):gsub("%s+$", ""), ports.free()
        key = bed.key("watch-exit")
        direct = assert(bed.new { timeout = 10 })
        put(dir .. "/nginx.conf", (config(dir, port)))
        put(dir .. "/read.lua", READ)
        pipe = assert(io.popen(("exec setpriv --pdeathsig KILL %s -p %s/ -c %s/nginx.conf -e %s/error.log")
            :format(os.getenv("RESTY_NGINX") or "nginx", dir, dir, dir)))
    end)

    local function request(path)
        local sock = assert(ngx.socket.tcp())
        sock:settimeouts(1000, 5000, 5000)
        if not sock:connect("127.0.0.1", port) then
            return nil
        end
        sock:send(("GET %s HTTP/1.0\r\n\r\n"):format(path))
        return sock
    end

    local function report()
        local sock = request("/report")
        local response = sock and sock:receive("*a")
        if sock then
            sock:close()
        end
        return cjson.decode(response and response:match("\r\n\r\n(.*)$") or "") or {}
    end

    local function wait(what, check, seconds)
        local stop = clock.now() + (seconds or 20)
        while true do
            local result = check()
            if result then
                return result
            end
            assert(clock.now() < stop, "no " .. what)
            ngx.sleep(0.02)
        end
    end

    local function signal(name)
        local file = assert(io.open(dir .. "/nginx.pid"))
        local pid = file:read("*l")
        file:close()
        os.execute("kill -" .. name .. " " .. pid)
    end

    after_each(function()
        for i = #sockets, 1, -1 do
            sockets[i]:close()
            sockets[i] = nil
        end
        pcall(signal, "TERM")
        pipe:close()
        shell("rm -rf " .. dir)
        assert(direct:rmdir(key))
    end)

    local function start_reader(timer, need_cancel)
        local opts = cjson.encode {
            http_host = bed.single.http, transport = bed.transport, key = key, timer = timer, need_cancel = need_cancel,
            name = (timer and "timer" or "request") .. (need_cancel and " need_cancel" or ""),
        }
        sockets[#sockets + 1] = request("/read?opts=" .. ngx.escape_uri(opts))
    end

    local function is_alive(pid)
        return shell("cat /proc/" .. pid .. "/stat 2>/dev/null"):match("%) [^Z]") ~= nil
    end

    -- Sends a signal to the master while the readers wait, and returns the seconds until the old worker has ended.
    local function seconds_until_end(need_cancel, name)
        local before = wait("nginx", function()
            local all = report()
            return all.pid and all
        end)
        for _ = 1, 3 do
            start_reader(false, need_cancel)
            start_reader(true, need_cancel)
        end
        wait("watches", function() return report().established == 6 end)
        assert(direct:set(key .. "a", "1"))
        wait("events", function() return report().events == 6 end)
        signal(name)
        local signaled = clock.now()
        wait("end of the old worker", function() return not is_alive(before.pid) end, 30)
        return clock.now() - signaled
    end

    for _, case in ipairs {
        { need_cancel = true, bound = CANCELLABLE_BOUND, label = "0.5 s with need_cancel" },
        { need_cancel = false, bound = BOUND, label = "5 s without need_cancel" },
    } do
        it("end with `closed` when nginx is reloaded, so that the old worker ends within " .. case.label, function()
            local took = seconds_until_end(case.need_cancel, "HUP")
            assert.is_true(took < case.bound + MARGIN, took .. " s")
            local ends = report().ends
            assert.equals(6, #ends)
            for _, text in ipairs(ends) do
                local one = cjson.decode(text)
                assert.equals("closed", one.err)
                assert.equals("closed", one.again)
                assert.is_true(one.exiting)
            end
        end)

        it("let nginx quit within " .. case.label, function()
            local took = seconds_until_end(case.need_cancel, "QUIT")
            assert.is_true(took < case.bound + MARGIN, took .. " s")
        end)
    end
end)
