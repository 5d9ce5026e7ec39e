-- Generated from src/resty/etcd/client/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local client_health = require("resty.etcd.endpoint.client_health")

--- Options of `new`. Other fields are ignored.
---@class resty.etcd.client.options.Options
---@field protocol? string Only "v3" is supported.
---@field http_host? (string|string[]) Endpoint or endpoints: `http://host`, `https://host:port`, `http://[IPv6]:port`, `unix:/path`. Default `http://127.0.0.1:2379`; default port 2379.
---@field timeout? number Deadline of a call in seconds; default 5. With 0, only nginx's socket timeouts apply.
---@field ttl? number Integer without effect, accepted for programs written for lua-resty-etcd 1.10.
---@field key_prefix? string Prepended to every key.
---@field api_prefix? string Path prefix of etcd's JSON gateway; default `/v3`.
---@field user? string
---@field password? string
---@field ssl_verify? boolean Verify the server's certificate; default true.
---@field ssl_cert_path? string Path of a PEM file with the client certificate.
---@field ssl_key_path? string Path of a PEM file with the key of the client certificate.
---@field ssl_cert? string Client certificate as PEM text.
---@field ssl_key? string Key of the client certificate as PEM text.
---@field trusted_ca? string Path of a PEM file with CA certificates. Ignored if the platform knows only lua_ssl_trusted_certificate.
---@field sni? string Server name for TLS; default the endpoint's host.
---@field serializer? ("raw"|resty.etcd.serializers.serializer.Serializer|"json"|"json_exact") "json" (default), "json_exact", "raw", or a custom serializer.
---@field extra_headers? table<string, string|number> Header fields sent with every request.
---@field unix_socket_proxy? string `unix:/path`, used instead of the endpoints while a server accepts connections there.
---@field init_count? number Start of the endpoint ring; default random.
---@field use_grpc? boolean Same as `transport = "grpc"`.
---@field transport? ("grpc"|"resty_http"|"cosocket") "resty_http" (default if lua-resty-http is installed), "cosocket" or, experimental, "grpc".
---@field keepalive_timeout? number Seconds an idle connection is kept open; default 60. With 0, each connection is closed after use.
---@field keepalive_pool? number Idle connections kept per endpoint and worker; default 512.
---@field max_response_size? number Bytes of the longest response, and of the longest message of a watch; default 64 MiB. A longer one is an error.
---@field health? resty.etcd.endpoint.client_health.HealthOptions Gives the client its own health check instead of the one that all clients share.
---@field monotonic? boolean Reject replies older than one the client has already seen, from whichever member; default false.
---@field auth_optional? boolean With a user: call without a token while authentication is disabled in etcd; default false.
---@field auth_shm_name? string Name of a shared dict in which the workers share tokens.
---@field on_call? (fun(info: resty.etcd.metrics.call_metrics.CallInfo)) Called after each call with its outcome.
---@field metrics? boolean Count calls, for `stats` and `metrics`; default false.
---@field idempotency_prefix? string Key prefix of the markers of idempotent writes, independent of `key_prefix`; default `/resty.etcd/applied/`.
---@field sync_interval? number Seconds between reads of the member list, which then becomes the endpoints; default: never.
---@field resolve? (resty.etcd.endpoint.resolver.ResolveOptions|boolean) Resolve host names in the driver, and use each address as an endpoint. Default: nginx resolves them.

--- Greatest timeout in seconds: nginx' timers count milliseconds in 32 bits.
local MAX_TIMEOUT = 2147483647

--- Default of `max_response_size`. etcd's own limit for a request is 1.5 MiB, and large directories are read in pages.
local MAX_RESPONSE_SIZE = 64 * 1024 * 1024

local function check_protocol(protocol)
    return protocol ~= "v3" and "only support etcd v3 api" or nil
end

--- Rejects false, which would count as absent.
---@param http_host any
---@return string?
local function check_http_host(http_host)
    local is_list = type(http_host) == "string" or type(http_host) == "table"
    local ____is_list_0
    if is_list then
        ____is_list_0 = nil
    else
        ____is_list_0 = "opts.http_host must be string or string array"
    end
    return ____is_list_0
end

--- Rejects what is not a path, instead of calling each URL with it invalid.
---@param prefix any
---@return string?
local function check_api_prefix(prefix)
    local path = string.match(prefix, "^/[^%c%s?#]*$")
    return path == nil and prefix ~= "" and "opts.api_prefix must be a path that starts with /" or nil
end
local OPTIONS = {rules = {
    {name = "protocol", check = check_protocol},
    {name = "http_host", check = check_http_host},
    {
        name = "timeout",
        type = "number",
        min = 0,
        max = MAX_TIMEOUT,
        expected = "unsigned integer"
    },
    {name = "ttl", type = "integer"},
    {name = "api_prefix", type = "string", check = check_api_prefix},
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
    {name = "max_response_size", type = "integer", min = 1, expected = "positive integer"},
    {name = "monotonic", type = "boolean"},
    {name = "auth_optional", type = "boolean"},
    {name = "metrics", type = "boolean"},
    {name = "on_call", type = "function"},
    {name = "sync_interval", type = "number", above = 0, expected = "number of seconds"},
    {name = "health", check = client_health.check},
    {name = "transport", values = {"resty_http", "cosocket", "grpc"}},
    {name = "extra_headers", type = "table", expected = "table or ignore"}
}, ignores_unknown = true}

--- Checks the options of `new`. The contents of `http_host`, `resolve` and `extra_headers` are checked where they are used.
---@param opts any
---@return string? # an error text, or nil if the options are valid
local function check(opts)
    return checks.check_options(opts, OPTIONS)
end
_M.MAX_RESPONSE_SIZE = MAX_RESPONSE_SIZE
_M.check = check

return _M
