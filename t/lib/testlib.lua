-- Helpers of the tests in t/.
local cjson = require "cjson.safe"

local _M = {}

local file = assert(io.open(os.getenv("ETCD_BED")))
_M.bed = assert(cjson.decode(file:read("*a")))
file:close()

local started = ngx.now()
local keys = 0

--- Returns a key that no other run uses.
function _M.key(name)
    keys = keys + 1
    return string.format("/t/%s/%s/%d/%s", ngx.worker.pid(), started, keys, name or "")
end

--- Returns the URL of a location of this nginx, for use as an endpoint.
function _M.here(path)
    return "http://127.0.0.1:" .. os.getenv("TEST_NGINX_SERVER_PORT") .. (path or "")
end

--- Returns a client; default endpoint: the bed's single server.
function _M.new(opts)
    local all = { http_host = _M.bed.single.http }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return assert(require("resty.etcd").new(all))
end

--- Returns the options of a client of the server with authentication.
function _M.root(opts)
    local auth = _M.bed.auth
    local all = { http_host = auth.http, user = auth.user, password = auth.password }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return all
end

--- Counts events in locations and workers.
function _M.count(name)
    return (assert(ngx.shared.test:incr(name, 1, 0)))
end

function _M.counted(name)
    return ngx.shared.test:get(name) or 0
end

--- Returns an error in one line.
function _M.line(res, err, details)
    return tostring(res) .. " | " .. tostring(err) .. " | " .. tostring(details and details.name)
end

--- Returns the lines that Lua code has written to the error log so far.
function _M.logged()
    local log = assert(io.open(ngx.config.prefix() .. "logs/error.log"))
    local lines = {}
    for line in log:lines() do
        if line:find("[lua]", 1, true) then
            lines[#lines + 1] = line
        end
    end
    log:close()
    return table.concat(lines, "\n")
end

return _M
