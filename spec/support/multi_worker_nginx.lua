-- A private nginx with several workers. Each has a mirror of the keys "k0" to "k49" and checks it: the values of each key
-- count up by 50, so that every worker notices changes that are lost, repeated or out of order.
local cjson = require "cjson.safe"
local ports = require "spec.support.ports"

local rig = {}

local root = os.getenv("PWD")

local function shell(command)
    local pipe = assert(io.popen(command))
    local output = pipe:read("*a")
    pipe:close()
    return output
end
rig.shell = shell

-- Runs in each worker. The dict `report` gets its findings.
local WATCH = [[
    local path = ngx.config.prefix() .. "options.lua"
    local opts = dofile(path)
    local report = ngx.shared.report
    local pid = ngx.worker.pid()
    local function count(name, n)
        report:incr(name, n or 1, 0)
    end
    local etcd = require "resty.etcd"
    local clock = require "resty.etcd.base.clock"
    local logs = require "resty.etcd.shared_log.log"
    local started = clock.now()
    local cli = assert(etcd.new { http_host = opts.http_host, serializer = "raw", timeout = 5 })
    local m = assert(cli:mirror(opts.prefix, opts.mirror))
    for i = 2, opts.mirrors or 1 do
        assert(cli:mirror(opts.prefix .. "k" .. i, opts.mirror))
    end
    assert(ngx.timer.at(0, function()
        if not m:wait_ready(30) then
            return count("not ready")
        end
        local took = clock.now() - started
        if took > (report:get("longest start") or 0) then
            report:set("longest start", took)
        end
        count("ready")
        report:set("ready " .. pid, true)
    end))
    local full_states, revision, counts = 0, 0, {}
    m:on_change(function(changes)
        -- a full state replaces the changes that led to it
        local n, reasons = 0, {}
        for reason, number in pairs(m:stats().full) do
            n = n + number
            if number > (counts[reason] or 0) then
                reasons[#reasons + 1] = reason
            end
            counts[reason] = number
        end
        local is_full_state = n > full_states
        if is_full_state and full_states > 0 then
            count("repeated full states")
            count("repeated full states of " .. pid)
            report:set("reasons of the last repeated full state", table.concat(reasons, " "))
        end
        full_states = n
        if changes.revision <= revision then
            count("regressions")
        end
        revision = changes.revision
        for _, change in ipairs(changes.changes) do
            count("events")
            local new = change.kv and tonumber(change.kv.value)
            local old = change.old and tonumber(change.old.value)
            if new and old and new <= old then
                count("regressions")
            elseif new and old and new ~= old + 50 and not is_full_state then
                count("lost changes")
            end
            if not change.kv then
                count("deletions")
            end
            if change.kv and change.kv.key == opts.prefix .. "clock" then
                report:rpush("latencies", clock.now() - tonumber(change.kv.value))
            end
        end
        report:set("revision " .. pid, changes.revision)
    end)
    -- Notes a reader that has not reached the end of the log for as long as the log is kept for slow readers.
    local caught_up_at
    local function note_backlog(feed)
        local cursor, time = feed.cursor, clock.now()
        if caught_up_at and time - caught_up_at > 5 then
            report:set("left behind " .. pid, true)
        end
        if cursor and cursor.epoch == feed.coordinator.tail and cursor.position >= (logs.head(cursor.log, cursor.epoch) or 0) then
            caught_up_at = time
        end
    end
    local function check(premature)
        if premature then return end
        local ppid = io.open("/proc/self/stat"):read("*l"):match("%) %u (%d+)")
        if ppid == "1" then
            os.exit(1) -- the master was killed together with the spec
        end
        local feed = m.loop.feed and (m.loop.feed.inner or m.loop.feed)
        if feed and feed.coordinator then
            note_backlog(feed)
        end
        if m:ready() then
            for i = 0, 49 do
                if m:get(opts.prefix .. "k" .. i) == nil then
                    count("missing keys")
                end
            end
            report:set("at " .. pid, m:revision())
            report:set("age " .. pid, m:age() or -1)
        end
        if feed and feed.coordinator then
            local source = feed.coordinator.writer and feed.coordinator.writer.source or feed.direct
            if source and source.stats then
                report:set("lists " .. pid, source:stats().lists)
            end
            if feed.coordinator.writer then
                if report:get("writer") ~= pid then
                    report:set("writer since", clock.now())
                    report:set("writer", pid)
                end
            end
            report:set("direct " .. pid, feed.direct ~= nil)
        end
    end
    assert(opts.quiet or ngx.timer.every(0.01, check))
]]

local REPORT = [[
    local report = ngx.shared.report
    local all = {}
    for _, name in ipairs(report:get_keys(0)) do
        local value = report:get(name)
        all[name] = value
    end
    all.latencies = nil
    ngx.print(require("cjson.safe").encode(all))
]]

local LATENCIES = [[
    local report = ngx.shared.report
    local all = {}
    repeat
        local latency = report:lpop("latencies")
        all[#all + 1] = latency
    until not latency
    ngx.print(require("cjson.safe").encode(all))
]]

local function config(dir, workers, port, dict_size)
    local modules = os.getenv("RESTY_MODULES") or "/usr/lib/nginx/modules"
    local load = ""
    if io.open(modules .. "/ngx_http_lua_module.so") then
        load = ("load_module %s/ndk_http_module.so; load_module %s/ngx_http_lua_module.so;"):format(modules, modules)
    end
    local path = os.getenv("RESTY_LUA_PATH") or ""
    return ([[
        $load
        user root;
        daemon off; worker_processes $workers; pid $dir/nginx.pid; error_log $dir/error.log warn;
        worker_shutdown_timeout 5;
        env PWD;
        events { worker_connections 256; }
        http {
            access_log off;
            client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
            uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
            lua_package_path "$path;$root/lua/?.lua;$root/lua/?/init.lua;;";
            lua_socket_log_errors off;
            lua_shared_dict watch_log $size;
            lua_shared_dict report 10m;
            lua_max_running_timers 1024; lua_max_pending_timers 1024;
            init_worker_by_lua_file $dir/watch.lua;
            server {
                listen 127.0.0.1:$port;
                location = /report { content_by_lua_file $dir/report.lua; }
                location = /latencies { content_by_lua_file $dir/latencies.lua; }
                location = /lua { content_by_lua_block {
                    ngx.req.read_body()
                    ngx.print(tostring(assert(loadstring(ngx.req.get_body_data()))()))
                } }
            }
        }
    ]]):gsub("$(%l+)", {
        load = load, dir = dir, workers = workers, port = port, size = dict_size, root = root, path = path,
    })
end

local function put(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

-- Starts a proxy that forwards connections from a port to an etcd.
function rig.proxy(port, http_host)
    local to = http_host:match(":(%d+)$")
    local script = ("const net = require('net'); net.createServer(a => { const b = net.connect(%d, '127.0.0.1');"
        .. " a.pipe(b).pipe(a); a.on('error', () => b.destroy()); b.on('error', () => a.destroy()); })"
        .. ".listen(%d, '127.0.0.1', () => console.log(process.pid))"):format(to, port)
    local pipe = assert(io.popen(('exec setpriv --pdeathsig KILL node -e "%s"'):format(script)))
    local pid = assert(pipe:read("*l"))
    return {
        -- from now on it accepts connections and forwards nothing
        pause = function()
            os.execute("kill -STOP " .. pid)
        end,
        stop = function()
            os.execute("kill -KILL " .. pid)
            pipe:close()
        end,
    }
end

-- Starts nginx. Options: workers, http_host, prefix, mirror (options of the mirrors), dict_size; quiet: the workers do not
-- check their mirrors; mirrors: number of mirrors in each worker; init_worker: code that each worker runs too.
function rig.start(opts)
    local self = { dir = shell("mktemp -d"):gsub("%s+$", ""), port = ports.free(), opts = opts }
    local dir = self.dir
    put(dir .. "/nginx.conf", config(dir, opts.workers, self.port, opts.dict_size or "10m"))
    put(dir .. "/watch.lua", WATCH .. (opts.init_worker or ""))
    put(dir .. "/report.lua", REPORT)
    put(dir .. "/latencies.lua", LATENCIES)

    function self.set_options(_, changes)
        for name, value in pairs(changes or {}) do
            opts[name] = value
        end
        local function quote(value)
            if type(value) ~= "table" then
                return type(value) == "string" and ("%q"):format(value) or tostring(value)
            end
            local parts = {}
            for name, field in pairs(value) do
                parts[#parts + 1] = ("[%q] = %s"):format(name, quote(field))
            end
            return "{ " .. table.concat(parts, ", ") .. " }"
        end
        put(dir .. "/options.lua", "return " .. quote(opts))
    end
    self:set_options()
    local nginx = os.getenv("RESTY_NGINX") or "nginx"
    self.pipe = assert(io.popen(("exec setpriv --pdeathsig KILL %s -p %s/ -c %s/nginx.conf -e %s/error.log")
        :format(nginx, dir, dir, dir)))

    function self.request(_, path, body, timeout)
        local sock = assert(ngx.socket.tcp())
        sock:settimeouts(1000, timeout or 5000, timeout or 5000)
        local ok, err = sock:connect("127.0.0.1", self.port)
        if not ok then
            return nil, err
        end
        body = body or ""
        sock:send(("POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body))
        local response = sock:receive("*a")
        sock:close()
        return response and response:match("\r\n\r\n(.*)$")
    end

    -- Returns the findings of all workers; an empty table if the request times out, because its worker was just stopped.
    function self.report()
        return cjson.decode(self:request("/report", nil, 1000) or "") or {}
    end

    -- Returns and forgets the seconds from each put of the key "clock" to the call of `on_change` in a worker.
    function self.latencies()
        return cjson.decode(self:request("/latencies") or "") or {}
    end

    function self.lua(_, code)
        return self:request("/lua", code)
    end

    -- Returns the master's process ID.
    function self.master()
        local file = io.open(dir .. "/nginx.pid")
        local pid = file and tonumber(file:read("*l"))
        if file then
            file:close()
        end
        return pid
    end

    -- Returns the process IDs of the workers, including those that are exiting.
    function self.workers()
        local pids = {}
        for pid in shell("cat /proc/" .. self:master() .. "/task/*/children"):gmatch("%d+") do
            pids[#pids + 1] = tonumber(pid)
        end
        return pids
    end

    function self.kill(_, signal, pid)
        assert(os.execute(("kill -%s %d"):format(signal, pid)) == 0)
    end

    function self.wait(_, check, seconds)
        local stop = ngx.now() + (seconds or 20)
        local report
        repeat
            report = self:report()
            if check(report) then
                return report
            end
            ngx.sleep(0.02)
        until ngx.now() > stop
        return nil, cjson.encode(report)
    end

    function self.wait_ready(_, n, seconds)
        return assert(self:wait(function(report) return (report.ready or 0) >= n end, seconds))
    end

    -- Waits until all current workers are at a revision.
    function self.all_at(_, revision, seconds)
        return self:wait(function(report)
            for _, pid in ipairs(self:workers()) do
                if (report["at " .. pid] or 0) < revision then
                    return false
                end
            end
            return true
        end, seconds)
    end

    function self.log()
        return shell("cat " .. dir .. "/error.log")
    end

    function self.stop()
        local pid = self:master()
        if pid then
            for _, worker in ipairs(self:workers()) do
                os.execute("kill -CONT " .. worker .. " 2>/dev/null")
            end
            os.execute("kill -TERM " .. pid)
        end
        self.pipe:close()
        shell("rm -rf " .. dir)
    end

    return self
end

return rig
