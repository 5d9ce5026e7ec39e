-- A router like that of an API gateway. Routes are keys under a prefix, and each is validated separately. An invalid route
-- is reported, and the last valid version stays in use. A request costs a few lookups in Lua tables.
--
--   /routes/ID  ->  {"hosts": ["shop.example", "*"], "uri": "/cart/*", "methods": ["GET"], "priority": 1,
--                    "upstream": "127.0.0.1:8081"}
local etcd = require "resty.etcd"

local _M = {}
local routes -- the mirror
local sorted = setmetatable({}, { __mode = "k" }) -- routes of a host in the order of matching, by the mirror's array

local function is_strings(list)
    local good = type(list) == "table" and #list > 0
    for _, item in ipairs(good and list or {}) do
        good = good and type(item) == "string"
    end
    return good
end

-- Checks a route.
local function validate(route)
    if type(route) ~= "table" then
        return false, "a route must be an object"
    elseif type(route.uri) ~= "string" or route.uri:sub(1, 1) ~= "/" then
        return false, "uri must begin with /"
    elseif type(route.upstream) ~= "string" or not route.upstream:find("^[^:]+:%d+$") then
        return false, "upstream must be host:port"
    elseif route.hosts ~= nil and not is_strings(route.hosts) then
        return false, "hosts must be strings"
    elseif route.methods ~= nil and not is_strings(route.methods) then
        return false, "methods must be strings"
    end
    return true
end

-- Prepares a route for matching, once per change instead of in each request.
local function transform(route, kv)
    local methods
    for _, name in ipairs(route.methods or {}) do
        methods = methods or {}
        methods[name] = true
    end
    local path, is_prefix = route.uri:gsub("%*$", "")
    return {
        key = kv.key, hosts = route.hosts or { "*" }, methods = methods, path = path, is_prefix = is_prefix > 0,
        priority = tonumber(route.priority) or 0, upstream = route.upstream,
    }
end

-- Returns the routes of a host, sorted. Sorts again only when one of them has changed.
local function routes_of(host)
    local kvs = assert(routes:by("host", host))
    local list = sorted[kvs]
    if not list then
        list = {}
        for i, kv in ipairs(kvs) do
            list[i] = kv.value
        end
        table.sort(list, function(a, b)
            if a.priority ~= b.priority then
                return a.priority > b.priority
            end
            return #a.path > #b.path
        end)
        sorted[kvs] = list
    end
    return list
end

local function find(host, path, method)
    for _, route in ipairs(routes_of(host)) do
        local matches = route.path == path or (route.is_prefix and path:sub(1, #route.path) == route.path)
        if matches and (not route.methods or route.methods[method]) then
            return route
        end
    end
end

-- For init_worker_by_lua.
function _M.start(opts)
    local index = { host = function(route) return route.hosts end }
    routes = assert(assert(etcd.new(opts)):mirror("/routes/", { validate = validate, transform = transform, index = index }))
end

-- For access_by_lua. Returns the route; or nil, and false if the routes are not known yet.
function _M.match(host, path, method)
    if not routes:ready() then
        return nil, false
    end
    return find(host, path, method) or find("*", path, method), true
end

-- For a status page.
function _M.status()
    return { state = routes:state(), invalid = routes:invalid() }
end

return _M
