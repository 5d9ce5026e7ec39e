-- Generated from src/resty/etcd/endpoint/endpoint.ts by TypeScriptToLua. Do not edit.
local _M = {}
local urls = require("resty.etcd.endpoint.url")
local find = string.find

--- An endpoint, as users see it in `client.endpoints`. They can write to its fields: calls use the current values.
---@class resty.etcd.endpoint.endpoint.Endpoint
---@field full_prefix string Base URL of unary calls: scheme, address, port, path and API prefix.
---@field http_host string The endpoint as configured: used in messages and by the health checks.
---@field scheme string
---@field host string Host name or address; IPv6 in brackets.
---@field address string Host that watches connect to.
---@field port? string Decimal text; nil for a unix socket.
---@field api_prefix string
---@field dns_name? string Name that was resolved to `host`, used for the `Host` header and TLS; nil unless the driver resolved it.

--- Creates the endpoint of a URL.
---@param url string
---@param api_prefix string `/v3`
---@return resty.etcd.endpoint.endpoint.Endpoint? # the endpoint, or nil if the URL is invalid
local function create(url, api_prefix)
    local parsed = urls.parse(url)
    if parsed == nil then
        return nil
    end
    local authority = parsed.port ~= nil and parsed.authority or parsed.host .. ":"
    local endpoint = {
        full_prefix = parsed.scheme .. "://" .. authority .. parsed.path .. api_prefix,
        http_host = urls.without_trailing_slashes(url),
        scheme = parsed.scheme,
        host = parsed.host,
        address = parsed.host,
        api_prefix = parsed.path .. api_prefix
    }
    if parsed.port ~= nil then
        endpoint.port = tostring(parsed.port)
    end
    return endpoint
end

--- Returns a copy of an endpoint that connects to an address of its host.
---@param named resty.etcd.endpoint.endpoint.Endpoint
---@param address string IPv6 without brackets
---@param api_prefix string `/v3`
---@return resty.etcd.endpoint.endpoint.Endpoint
local function at_address(named, address, api_prefix)
    local v6 = find(address, ":", 1, true)
    local host = v6 ~= nil and "[" .. address .. "]" or address
    local path = string.sub(named.api_prefix, 1, -1 - #api_prefix)
    local endpoint = create(
        named.scheme .. "://" .. host .. ":" .. tostring(named.port) .. path,
        api_prefix
    )
    if endpoint == nil then
        return named
    end
    endpoint.dns_name = named.host
    return endpoint
end
_M.at_address = at_address
_M.new = create

return _M
