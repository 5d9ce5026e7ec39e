-- Generated from src/resty/etcd/endpoint.ts by TypeScriptToLua. Do not edit.
local _M = {}
local target = require("resty.etcd.target")

--- One etcd member, as users see it. They may write to its fields: calls use what stands there.
---@class resty.etcd.endpoint.Endpoint
---@field full_prefix string What unary calls are sent to: address, port, path and API prefix.
---@field http_host string The endpoint as configured, in messages and for the health check.
---@field scheme string
---@field host string Host name or address; `[v6]` with its brackets.
---@field address string Where watches connect to.
---@field port? string Decimal text; nil for a unix socket.
---@field api_prefix string

--- Makes an endpoint of its URL.
---@param url string
---@param api_prefix string `/v3`
---@return resty.etcd.endpoint.Endpoint? # the endpoint; nil if the URL is none
local function create(url, api_prefix)
    local parsed = target.parse(url)
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
_M.new = create

return _M
