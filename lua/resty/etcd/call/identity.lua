-- Generated from src/resty/etcd/call/identity.ts by TypeScriptToLua. Do not edit.
local _M = {}
local digest = require("resty.etcd.base.digest")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local field = digest.field

--- Returns where the calls and the watches of an endpoint go. Programs can have written anything to its fields.
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@return string
local function of_endpoint(endpoint)
    local ____endpoint_0 = endpoint
    local scheme = ____endpoint_0.scheme
    local address = ____endpoint_0.address
    local port = ____endpoint_0.port
    local api_prefix = ____endpoint_0.api_prefix
    local watches = tostring(scheme) .. "://" .. tostring(address) .. ":" .. tostring(port) .. tostring(api_prefix)
    return field(
        "calls",
        tostring(endpoint.full_prefix)
    ) .. field("watches", watches)
end

--- Returns the endpoints that the program gave, in the order of their texts.
---@param core resty.etcd.call.client_state.Core
---@return string
local function of_endpoints(core)
    local texts = {}
    for ____, endpoint in ipairs(dns_endpoints.given(core)) do
        texts[#texts + 1] = of_endpoint(endpoint)
    end
    table.sort(texts)
    local all = ""
    for ____, text in ipairs(texts) do
        all = all .. field("endpoint", text)
    end
    return all
end

--- Returns the name of how a client reaches an endpoint, whichever it is. It contains a path: only for names in memory.
---@param core resty.etcd.call.client_state.Core
---@return string
local function of_route(core)
    return field("transport", core.transport.identity) .. field("proxy", core.unix_socket_proxy)
end

--- Returns the name of the client's login, or of none.
---@param core resty.etcd.call.client_state.Core
---@return string
local function of_login(core)
    local auth = core.auth
    if auth == nil then
        return field("user", nil)
    end
    return field("user", auth.user) .. field("password", auth.password) .. field(
        "optional",
        tostring(auth.is_optional)
    )
end

--- Returns the name of what the servers of a client answer to it: for tokens.
---@param core resty.etcd.call.client_state.Core
---@return string
local function of_client(core)
    local ____digest_slow_4 = digest.slow
    local ____field_result_3 = field(
        "endpoints",
        of_endpoints(core)
    )
    local ____opt_1 = core.dns
    return ____digest_slow_4(____field_result_3 .. field("resolver", ____opt_1 and ____opt_1.identity) .. field(
        "route",
        of_route(core)
    ) .. field(
        "login",
        of_login(core)
    ))
end

--- Returns the name of the state of a range as a client sees it: for logs and snapshot files.
---@param core resty.etcd.call.client_state.Core
---@param key string
---@param range_end string?
---@return string
local function of_range(core, key, range_end)
    return digest.of(field(
        "client",
        of_client(core)
    ) .. field("key", key) .. field("range_end", range_end))
end

--- Returns the name of the health of endpoints, as a client sees it: logins do not matter for it.
---@param core resty.etcd.call.client_state.Core
---@return string
local function of_health(core)
    return digest.slow(of_route(core))
end
_M.of_client = of_client
_M.of_health = of_health
_M.of_range = of_range
_M.of_route = of_route

return _M
