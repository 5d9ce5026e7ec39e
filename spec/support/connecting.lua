-- Connections that nginx cannot open, or only after a while, for a local reason.
local _M = {}

-- Lets all attempts to connect fail with a text of nginx, and calls `on_connect` at each. Returns a function that ends that.
function _M.fail(text, on_connect)
    local tcp = ngx.socket.tcp
    ngx.socket.tcp = function() -- luacheck: ignore 122
        local sock = tcp()
        local function connect()
            on_connect()
            return nil, text
        end
        return setmetatable({ connect = connect }, { __index = function(_, name)
            return function(_, ...) return sock[name](sock, ...) end
        end })
    end
    return function()
        ngx.socket.tcp = tcp -- luacheck: ignore 122
    end
end

-- Lets names that end with ".test" be addresses of the loopback interface. `resolve()` is called before each connection,
-- and stands for the time of the DNS server; if it returns a text, connecting fails with that. Returns a function that
-- ends that.
function _M.with_names(resolve)
    local tcp = ngx.socket.tcp
    ngx.socket.tcp = function() -- luacheck: ignore 122
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
    end
    return function()
        ngx.socket.tcp = tcp -- luacheck: ignore 122
    end
end

return _M
