-- Generated from src/resty/etcd/client/settings.ts by TypeScriptToLua. Do not edit.
local _M = {}
local digest = require("resty.etcd.base.digest")
local endpoint = require("resty.etcd.endpoint.endpoint")
local masked_url = require("resty.etcd.endpoint.masked_url")
local url_hints = require("resty.etcd.endpoint.url_hints")
local shown_headers = require("resty.etcd.client.shown_headers")
local find = string.find
local floor = math.floor
local lower = string.lower

--- What the transport and the calls of a client need, derived from its options.
---@class resty.etcd.client.settings.Settings
---@field endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@field connection_options resty.etcd.transport.http.types.ConnectionOptions
---@field extra_headers resty.etcd.transport.http.types.ExtraHeaders
---@field extra_json string? The extra headers as JSON for log lines, without secrets; nil without `opts.extra_headers`.
---@field api_prefix string

--- Header fields that the driver sets itself.
local RESERVED = {
    authorization = true,
    ["content-length"] = true,
    ["transfer-encoding"] = true,
    connection = true,
    upgrade = true
}
local TLS_NAMES = {
    "ssl_cert_path",
    "ssl_key_path",
    "ssl_cert",
    "ssl_key",
    "trusted_ca"
}

--- Default of `keepalive_pool`: as many connections as a worker can have with nginx's default `worker_connections`, 512. A
-- worker that makes calls in bursts thus reuses its connections; with 32, a burst of 128 calls dialed for 96 of them.
local KEEPALIVE_POOL = 512
local HOSTS_PROBLEM = "opts.http_host must be string or string array"

--- Returns the path prefix of today's gateway for those of etcd 3.2 (/v3alpha) and 3.3 (/v3beta).
---@param prefix string
---@return string
local function modern_prefix(prefix)
    return (prefix == "/v3alpha" or prefix == "/v3beta") and "/v3" or prefix
end

local function make_endpoints(http_host, api_prefix)
    local ____temp_0
    if type(http_host) == "table" then
        ____temp_0 = http_host
    else
        ____temp_0 = {http_host}
    end
    local urls = ____temp_0
    local endpoints = {}
    for ____, url in ipairs(urls) do
        if type(url) ~= "string" then
            return nil, HOSTS_PROBLEM
        end
        local parsed = endpoint.new(url, api_prefix)
        if parsed == nil then
            return nil, "invalid http host: " .. masked_url.mask(url) .. ", err: not matched", url_hints.of(url)
        end
        endpoints[#endpoints + 1] = parsed
    end
    if #endpoints == 0 then
        return nil, HOSTS_PROBLEM
    end
    return endpoints
end

--- Returns a digest of all options of a TLS session but `sni`: connections with different ones must not share a pool.
---@param opts resty.etcd.client.options.Options
---@return string
local function tls_identity(opts)
    local identity = digest.field(
        "ssl_verify",
        tostring(opts.ssl_verify ~= false)
    )
    for ____, name in ipairs(TLS_NAMES) do
        identity = identity .. digest.field(name, opts[name])
    end
    return digest.of(identity)
end

local function make_connection_options(opts)
    local has_cert = opts.ssl_cert ~= nil or opts.ssl_cert_path ~= nil
    local has_key = opts.ssl_key ~= nil or opts.ssl_key_path ~= nil
    if has_cert ~= has_key then
        return nil, "a client certificate and its key must be given together"
    end
    local tls = {
        verify = opts.ssl_verify ~= false,
        sni = opts.sni,
        cert_path = opts.ssl_cert_path,
        key_path = opts.ssl_key_path,
        cert = opts.ssl_cert,
        key = opts.ssl_key,
        trusted_ca = opts.trusted_ca,
        identity = tls_identity(opts)
    }
    return {
        tls = tls,
        keepalive_ms = floor((opts.keepalive_timeout or 60) * 1000),
        pool_size = opts.keepalive_pool or KEEPALIVE_POOL
    }
end

--- Returns the user's header fields without the reserved ones.
---@param opts resty.etcd.client.options.Options
---@return resty.etcd.transport.http.types.ExtraHeaders? res
---@return string? err
local function make_extra_headers(opts)
    local fields = {}
    local block = ""
    local host
    local content_type = "Content-Type: application/json\r\n"
    for key, value in pairs(opts.extra_headers or ({})) do
        local name = tostring(key)
        local text = tostring(value)
        local control = find(name .. text, "[^%C\t]")
        local separator = find(name, "[:%s]")
        local is_text = type(key) == "string" and (type(value) == "string" or type(value) == "number")
        if not is_text or control ~= nil or separator ~= nil or name == "" then
            return nil, "opts.extra_headers: bad header: " .. name
        end
        local lower_name = lower(name)
        if RESERVED[lower_name] ~= true then
            if lower_name == "host" then
                fields.Host = text
                host = text
            elseif lower_name == "content-type" then
                fields["Content-Type"] = text
                content_type = "Content-Type: " .. text .. "\r\n"
            else
                fields[name] = text
                block = block .. name .. ": " .. text .. "\r\n"
            end
        end
    end
    return {fields = fields, block = content_type .. block, host = host}
end

--- Derives the settings from options that `options.check` has accepted.
---@param opts resty.etcd.client.options.Options
---@return resty.etcd.client.settings.Settings? value # nil, an error text and a hint on failure
---@return string? err
---@return string? hint
local function create(opts)
    local api_prefix = modern_prefix(opts.api_prefix or "/v3")
    local endpoints, host_err, hint = make_endpoints(opts.http_host or "http://127.0.0.1:2379", api_prefix)
    if endpoints == nil then
        return nil, host_err, hint
    end
    local connection_options, connection_err = make_connection_options(opts)
    if connection_options == nil then
        return nil, connection_err
    end
    local extra_headers, header_err = make_extra_headers(opts)
    if extra_headers == nil then
        return nil, header_err
    end
    local extra_json
    if opts.extra_headers ~= nil then
        extra_json = shown_headers.to_json(extra_headers.fields)
    end
    return {
        endpoints = endpoints,
        connection_options = connection_options,
        extra_headers = extra_headers,
        extra_json = extra_json,
        api_prefix = api_prefix
    }
end
_M.new = create

return _M
