-- Generated from src/resty/etcd/client/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local cjson = require("cjson.safe")
local endpoint = require("resty.etcd.endpoint.endpoint")
local client_health = require("resty.etcd.endpoint.client_health")
local find = string.find
local lower = string.lower
local floor = math.floor

--- Options of `new`. Others are ignored.
---@class resty.etcd.client.options.Options
---@field protocol? string Only "v3".
---@field http_host? (string|string[]) Endpoint or endpoints: `http://host`, `https://host:port`, `http://[v6]:port`, `unix:/path`. Default `http://127.0.0.1:2379`; default port 2379.
---@field timeout? number Seconds for a whole call; integer, default 5; 0 leaves it to nginx's socket timeouts.
---@field ttl? number Integer; kept for old callers, without effect.
---@field key_prefix? string Put in front of every key.
---@field api_prefix? string Default `/v3`.
---@field user? string
---@field password? string
---@field ssl_verify? boolean Verify the server's certificate; default true.
---@field ssl_cert_path? string Client certificate, path of a PEM file.
---@field ssl_key_path? string Its key, path of a PEM file.
---@field ssl_cert? string Client certificate as PEM text.
---@field ssl_key? string Its key as PEM text.
---@field trusted_ca? string CA certificates, path of a PEM file; ignored where sockets cannot have their own.
---@field sni? string Server name for TLS; default the endpoint's host.
---@field serializer? ("raw"|resty.etcd.serializers.serializer.Serializer|"json") "json" (default), "raw", or a serializer of one's own.
---@field extra_headers? table<string, string|number> Sent with every request.
---@field unix_socket_proxy? string `unix:/path`: used in place of the endpoints while something answers there.
---@field init_count? number Start of the endpoint ring; default random.
---@field use_grpc? boolean Means `transport = "grpc"`.
---@field transport? ("resty_http"|"cosocket"|"grpc") "resty_http" (default where lua-resty-http is installed) or "cosocket".
---@field keepalive_timeout? number Seconds that an idle connection is kept; default 60; 0 closes each after its use.
---@field keepalive_pool? number Idle connections kept per endpoint and worker; default 32.
---@field health? resty.etcd.endpoint.client_health.HealthOptions The client's own health check of its endpoints, in the place of the one that all clients share.
---@field monotonic? boolean No reply is older than one seen before, whichever member it comes from; default false.
---@field auth_optional? boolean With a user: calls are made without token while etcd has authentication switched off; default false.
---@field auth_shm_name? string Name of a shared dict through which the workers share tokens.
---@field on_call? (fun(info: resty.etcd.metrics.call_metrics.CallInfo)) Called after each call, with what is known of it.
---@field metrics? boolean Count calls, for `stats` and `metrics`; default false.
---@field idempotency_prefix? string Where idempotent writes keep their markers, whatever `key_prefix` is; default `/resty.etcd/applied/`.
---@field sync_interval? number Seconds after which the list of members is read anew and becomes the endpoints; default: never.
---@field resolve? (resty.etcd.endpoint.resolver.ResolveOptions|boolean) Host names are resolved by the driver: each address is an endpoint of its own. Default: nginx resolves them.

--- Options that were checked.
---@class resty.etcd.client.options.Settings
---@field endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@field peer resty.etcd.transport.http.types.ConnectionOptions
---@field extra resty.etcd.transport.http.types.ExtraHeaders
---@field extra_json string?
---@field api_prefix string

--- Header fields that are the driver's own business.
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

local function check_protocol(protocol)
    return protocol ~= "v3" and "only support etcd v3 api" or nil
end
local OPTIONS = {rules = {
    {name = "protocol", check = check_protocol},
    {name = "timeout", type = "integer", min = 0, expected = "unsigned integer"},
    {name = "ttl", type = "integer"},
    {name = "api_prefix", type = "string"},
    {name = "key_prefix", type = "string"},
    {name = "ssl_cert_path", type = "string", expected = "string or ignore"},
    {name = "ssl_key_path", type = "string", expected = "string or ignore"},
    {name = "ssl_cert", type = "string", expected = "string or ignore"},
    {name = "ssl_key", type = "string", expected = "string or ignore"},
    {name = "trusted_ca", type = "string", expected = "string or ignore"},
    {name = "sni", type = "string", expected = "string or ignore"},
    {name = "user", type = "string", expected = "string or ignore"},
    {name = "password", type = "string", expected = "string or ignore"},
    {name = "unix_socket_proxy", type = "string", expected = "string or ignore"},
    {name = "auth_shm_name", type = "string", expected = "string or ignore", check = checks.check_shared_dict},
    {name = "idempotency_prefix", type = "string", expected = "string or ignore"},
    {name = "init_count", type = "integer"},
    {name = "keepalive_timeout", type = "number", min = 0, expected = "number of seconds"},
    {name = "keepalive_pool", type = "integer", min = 1, expected = "positive integer"},
    {name = "monotonic", type = "boolean"},
    {name = "auth_optional", type = "boolean"},
    {name = "metrics", type = "boolean"},
    {name = "on_call", type = "function"},
    {name = "sync_interval", type = "number", above = 0, expected = "number of seconds"},
    {name = "health", check = client_health.check},
    {name = "transport", values = {"resty_http", "cosocket", "grpc"}},
    {name = "extra_headers", type = "table", expected = "table or ignore"}
}, ignores_unknown = true}

--- The API prefix that etcd knows today.
---@param prefix string
---@return string
local function modern_prefix(prefix)
    return (prefix == "/v3alpha" or prefix == "/v3beta") and "/v3" or prefix
end

local function make_endpoints(opts)
    local wanted = opts.http_host or "http://127.0.0.1:2379"
    local urls = {wanted}
    if type(wanted) == "table" then
        urls = wanted
    end
    local endpoints = {}
    local api_prefix = modern_prefix(opts.api_prefix or "/v3")
    for ____, url in ipairs(urls) do
        if type(url) ~= "string" then
            return nil, "opts.http_host must be string or string array"
        end
        local made = endpoint.new(url, api_prefix)
        if made == nil then
            return nil, "invalid http host: " .. url .. ", err: not matched"
        end
        endpoints[#endpoints + 1] = made
    end
    if #endpoints == 0 then
        return nil, "opts.http_host must be string or string array"
    end
    return endpoints
end

--- Tells TLS sessions apart by what the client presents and demands.
---@param opts resty.etcd.client.options.Options
---@return string
local function tls_identity(opts)
    local identity = opts.ssl_verify == false and "0" or "1"
    for ____, name in ipairs(TLS_NAMES) do
        local value = opts[name]
        identity = value ~= nil and identity .. "\000=" .. value or identity .. "\000"
    end
    return ngx.md5(identity)
end

local function make_peer(opts)
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
        pool_size = opts.keepalive_pool or 32
    }
end

--- The user's header fields without those that are the driver's own.
---@param opts resty.etcd.client.options.Options
---@return resty.etcd.transport.http.types.ExtraHeaders? res
---@return string? err
local function make_extra(opts)
    local fields = {}
    local block = ""
    local host
    local content_type = "Content-Type: application/json\r\n"
    for key, value in pairs(opts.extra_headers or ({})) do
        local name = tostring(key)
        local text = tostring(value)
        local bad = find(name .. text, "[%z\r\n]")
        local colon = find(name, "[:%s]")
        if bad ~= nil or colon ~= nil or name == "" then
            return nil, "opts.extra_headers: bad header: " .. name
        end
        local known = lower(name)
        if RESERVED[known] ~= true then
            if known == "host" then
                fields.Host = text
                host = text
            elseif known == "content-type" then
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

--- Checks the options of `new` and works out what follows from them.
---@param opts resty.etcd.client.options.Options
---@return resty.etcd.client.options.Settings? res
---@return string? err
local function read(opts)
    local wrong = checks.check_options(opts, OPTIONS)
    if wrong ~= nil then
        return nil, wrong
    end
    local endpoints, host_err = make_endpoints(opts)
    if endpoints == nil then
        return nil, host_err
    end
    local peer, peer_err = make_peer(opts)
    if peer == nil then
        return nil, peer_err
    end
    local extra, extra_err = make_extra(opts)
    if extra == nil then
        return nil, extra_err
    end
    local api_prefix = modern_prefix(opts.api_prefix or "/v3")
    local settings = {
        endpoints = endpoints,
        peer = peer,
        extra = extra,
        extra_json = nil,
        api_prefix = api_prefix
    }
    if opts.extra_headers ~= nil then
        local json = cjson.encode(extra.fields)
        settings.extra_json = json
    end
    return settings
end
_M.read = read

return _M
