-- Connections that nginx cannot open, for a local reason.
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

return _M
