-- Generated from src/resty/etcd/endpoint/endpoint.ts by TypeScriptToLua. Do not edit.
local _M = {}
local urls = require("resty.etcd.endpoint.url")
local find = string.find

--- One etcd member, as users see it. They may write to its fields: calls use what stands there.
---@class resty.etcd.endpoint.endpoint.Endpoint
---@field full_prefix string What unary calls are sent to: address, port, path and API prefix.
---@field http_host string The endpoint as configured, in messages and for the health check.
---@field scheme string
---@field host string Host name or address; `[v6]` with its brackets.
---@field address string Where watches connect to.
---@field port? string Decimal text; nil for a unix socket.
---@field api_prefix string
---@field dns_name? string The name of which `host` is an address: it stays in `Host` and TLS. Nil unless the driver resolved it.

--- Makes an endpoint of its URL.
---@param url string
---@param api_prefix string `/v3`
---@return resty.etcd.endpoint.endpoint.Endpoint? # the endpoint; nil if the URL is none
local function create(url, api_prefix)
    local parsed = urls.parse(url)
    if parsed == nil then
        return nil
    end
    local http_host = string.match(url, "^(.-)/*$")
    local authority = parsed.port ~= nil and parsed.authority or parsed.host .. ":"
    local endpoint = {
        full_prefix = parsed.scheme .. "://" .. authority .. parsed.path .. api_prefix,
        http_host = http_host or url,
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

--- The endpoint at an address of its host.
---@param named resty.etcd.endpoint.endpoint.Endpoint
---@param address string IPv6 without brackets
---@param api_prefix string `/v3`
---@return resty.etcd.endpoint.endpoint.Endpoint
local function at_address(named, address, api_prefix)
    local v6 = find(address, ":", 1, true)
    local host = v6 ~= nil and "[" .. address .. "]" or address
    local path = string.sub(named.api_prefix, 1, -1 - #api_prefix)
    local made = create(
        named.scheme .. "://" .. host .. ":" .. tostring(named.port) .. path,
        api_prefix
    )
    if made == nil then
        return named
    end
    made.dns_name = named.host
    return made
end
_M.at_address = at_address
_M.new = create

return _M
