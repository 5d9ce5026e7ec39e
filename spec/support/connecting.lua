-- Connections that nginx cannot open, or only after a while, for a local reason.
local _M = {}

-- Returns the number of the upvalue in which lua-resty-http, where it is the transport, keeps `ngx.socket.tcp`.
local function upvalue_of(new)
    for i = 1, 20 do
        local name = debug.getupvalue(new, i)
        if name == "ngx_socket_tcp" then
            return i
        end
    end
    error "lua-resty-http has no upvalue ngx_socket_tcp"
end

-- Replaces `ngx.socket.tcp`. Returns a function that restores it.
local function replace_tcp(fn)
    local tcp = ngx.socket.tcp
    local is_library = os.getenv "ETCD_TRANSPORT" == "resty_http"
    local new = is_library and require "resty.http".new
    local function set(value)
        ngx.socket.tcp = value -- luacheck: ignore 122
        if new then
            debug.setupvalue(new, upvalue_of(new), value)
            jit.flush() -- compiled code holds the former value as a constant
        end
    end
    set(fn)
    return function() set(tcp) end
end

-- Lets all attempts to connect fail with a text of nginx, and calls `on_connect` at each. Returns a function that ends that.
function _M.fail(text, on_connect)
    local tcp = ngx.socket.tcp
    return replace_tcp(function()
        local sock = tcp()
        local function connect()
            on_connect()
            return nil, text
        end
        return setmetatable({ connect = connect }, { __index = function(_, name)
            return function(_, ...) return sock[name](sock, ...) end
        end })
    end)
end

-- Lets names that end with ".test" be addresses of the loopback interface. `resolve()` is called before each connection,
-- and stands for the time of the DNS server; if it returns a text, connecting fails with that. Returns a function that
-- ends that.
function _M.with_names(resolve)
    local tcp = ngx.socket.tcp
    return replace_tcp(function()
        local sock = tcp()
        local function connect(_, host, ...)
            local is_name = host:find("%.test$") ~= nil
            local failure = is_name and resolve() or nil
            if failure then
                return nil, failure
            end
            return sock:connect(is_name and "127.0.0.1" or host, ...)
        end
        return setmetatable({ connect = connect }, { __index = function(_, name)
            return function(_, ...) return sock[name](sock, ...) end
        end })
    end)
end

return _M
