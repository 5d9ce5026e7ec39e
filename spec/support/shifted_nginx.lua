-- A private nginx whose wall clock can be set, while its monotonic clock runs on.
--
--   local nginx, missing = shifted_nginx.start()   nil and what is missing, if there is no C compiler
--   nginx.lua("return ngx.now()")                  runs code in a request; returns its result as a string
--   nginx.set_clock(-3600)                         sets the wall clock, in seconds from the true time
--   nginx.stop()
local ffi = require "ffi"
local ports = require "spec.support.ports"

local shifted_nginx = {}

local root = os.getenv("PWD")

local function shell(command)
    local pipe = assert(io.popen(command))
    local output = pipe:read("*a")
    pipe:close()
    return (output:gsub("%s+$", ""))
end

local function put(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

local function config(dir, port)
    local modules = os.getenv("RESTY_MODULES") or "/usr/lib/nginx/modules"
    local load = ""
    if io.open(modules .. "/ngx_http_lua_module.so") then
        load = ("load_module %s/ndk_http_module.so; load_module %s/ngx_http_lua_module.so;"):format(modules, modules)
    end
    return ([[
        $load
        user root;
        daemon off; master_process off; pid $dir/nginx.pid; error_log $dir/error.log notice;
        events { worker_connections 256; }
        http {
            access_log off;
            client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
            uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
            lua_package_path "$path;$root/lua/?.lua;$root/lua/?/init.lua;;";
            lua_socket_log_errors off;
            lua_shared_dict health 1m; lua_shared_dict tokens 1m; lua_shared_dict watch_log 8m;
            server {
                listen 127.0.0.1:$port;
                location = /lua { content_by_lua_block {
                    ngx.req.read_body()
                    local result = assert(loadstring(ngx.req.get_body_data()))()
                    ngx.print(tostring(result))
                } }
            }
        }
    ]]):gsub("$(%l+)", { load = load, dir = dir, port = port, root = root, path = os.getenv("RESTY_LUA_PATH") or "" })
end

function shifted_nginx.start()
    local compiler = shell "command -v cc || command -v gcc"
    if compiler == "" then
        return nil, "no C compiler"
    end
    local dir, port = shell "mktemp -d", ports.free()
    local built = os.execute(("%s -shared -fPIC -O1 -o '%s/wall_clock.so' '%s/spec/support/wall_clock.c'"):format(compiler, dir, root))
    if built ~= 0 and built ~= true then
        return nil, "the C compiler has no headers of the C library"
    end
    local self = {}
    function self.set_clock(seconds)
        put(dir .. "/shift", ffi.string(ffi.new("int64_t[1]", seconds), 8))
    end
    -- in place, because nginx has mapped the file
    local function open_in_place(seconds)
        local file = assert(io.open(dir .. "/shift", "r+b"))
        file:write(ffi.string(ffi.new("int64_t[1]", seconds), 8))
        file:close()
    end
    self.set_clock(0)
    self.set_clock = open_in_place
    put(dir .. "/nginx.conf", config(dir, port))
    local pipe = assert(io.popen(("WALL_CLOCK_SHIFT='%s/shift' LD_PRELOAD='%s/wall_clock.so' exec setpriv --pdeathsig KILL %s -p %s/ -c %s/nginx.conf -e %s/error.log")
        :format(dir, dir, os.getenv("RESTY_NGINX") or "nginx", dir, dir, dir)))

    local function request(code)
        local sock = assert(ngx.socket.tcp())
        sock:settimeouts(1000, 30000, 30000)
        local ok, err = sock:connect("127.0.0.1", port)
        if not ok then
            return nil, err
        end
        sock:send(("POST /lua HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#code, code))
        local response = sock:receive("*a")
        sock:close()
        return response and response:match("^HTTP/1.%d 200.-\r\n\r\n(.*)$"), response
    end
    function self.log()
        return shell("cat " .. dir .. "/error.log")
    end
    function self.lua(code)
        local result = request(code)
        return result or error("no result: " .. self.log())
    end
    function self.stop()
        os.execute("kill -TERM $(cat " .. dir .. "/nginx.pid)")
        pipe:close()
        os.execute("rm -rf " .. dir)
    end
    local stop = ngx.now() + 10
    while not request "return 1" do
        assert(ngx.now() < stop, "nginx does not start")
        ngx.sleep(0.05)
        ngx.update_time()
    end
    return self
end

return shifted_nginx
