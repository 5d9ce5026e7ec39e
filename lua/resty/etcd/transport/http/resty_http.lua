-- Generated from src/resty/etcd/transport/http/resty_http.ts by TypeScriptToLua. Do not edit.
local _M = {}
local faults = require("resty.etcd.transport.fault")
local clock = require("resty.etcd.base.clock")
local phase = require("resty.etcd.base.phase")
local cosocket = require("resty.etcd.transport.http.cosocket")
local http1 = require("resty.etcd.transport.http.http1")
local client_certificate = require("resty.etcd.transport.tls.client_certificate")
local handshake = require("resty.etcd.transport.tls.handshake")
local trusted_ca = require("resty.etcd.transport.tls.trusted_ca")

--- The library with `send_request`, which is public: `request` sends and then reads the response.
---@class resty.etcd.transport.http.resty_http.Http: table
---@field send_request fun(self: resty.etcd.transport.http.resty_http.Http, params: table): true?, string?

--- The library; nil if it is not installed. Loaded once per worker.
local library
local is_searched = false
local has_openssl = false

local function find_library()
    if not is_searched then
        is_searched = true
        local is_found, module = pcall(require, "resty.http")
        if is_found and type(module) == "table" then
            library = module
            has_openssl = pcall(require, "resty.openssl.x509.chain")
        end
    end
    return library
end
local table_with_len = setmetatable(
    {},
    {__len = function() return 1 end}
)

--- LuaJIT can be built without `__len` for tables; lua-resty-openssl then counts no certificates.
local HAS_LEN = #table_with_len == 1

--- Reports whether the library supports client certificates. APISIX's fork drops them if cosockets are not patched;
--- ledgetech's supports them from 0.17, together with lua-resty-openssl.
---@param http table
---@return boolean
local function supports_client_cert(http)
    local version = tonumber((string.match(http._VERSION or "", "^%d+%.%d+"))) or 0
    return http.tls_handshake == nil and version >= 0.17 and has_openssl and HAS_LEN
end

--- Reports whether the library can perform this TLS handshake.
---@param http table
---@param wanted resty.etcd.transport.tls.types.TlsOptions
---@return boolean
local function can_handshake(http, wanted)
    if client_certificate.has_client_cert(wanted) and not supports_client_cert(http) then
        return false
    end
    local path = wanted.trusted_ca
    if path == nil then
        return true
    end
    if wanted.trust ~= nil then
        return wanted.trust == false
    end
    local probe = cosocket.make(http.new)
    return probe ~= nil and not trusted_ca.is_usable(probe.sock, wanted, path)
end

--- Reports whether the library can serve this request; the embedded client serves the others.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@return boolean
local function can_serve(template, context)
    if phase.is_starting() then
        return false
    end
    local http = find_library()
    if http == nil or context.unix_proxy ~= nil or template.target.port == nil then
        return false
    end
    return template.target.scheme == "http" or can_handshake(http, template.connection_options.tls)
end

--- Returns the result of a call of the library. Such calls can raise errors: see `handshake.reason_of`.
---@generic T
---@param ok boolean
---@param value any
---@param err any
---@return T? res
---@return resty.etcd.transport.fault.Fault? err
local function guarded(ok, value, err)
    if not ok then
        return nil, faults.of_socket(handshake.reason_of(tostring(value)))
    end
    if value == nil then
        return nil, faults.of_socket(err ~= nil and tostring(err) or "closed")
    end
    return value
end

local function connect_params(template)
    local options = template.connection_options
    local target = template.target
    local params = {
        scheme = target.scheme,
        host = target.host,
        port = target.port,
        pool = cosocket.pool_options(options, target, "resty.http").pool,
        pool_size = options.pool_size
    }
    if target.scheme == "https" then
        params.ssl_verify = options.tls.verify
        params.ssl_server_name = options.tls.sni or target.server_name
        if client_certificate.has_client_cert(options.tls) then
            local pair, err = client_certificate.client_pair(options.tls)
            if pair == nil then
                return nil, err
            end
            params.ssl_client_cert = pair.cert
            params.ssl_client_priv_key = pair.key
        end
    end
    return params
end

local function connect(template, context, time)
    local instance, new_err = cosocket.make(find_library().new)
    if instance == nil then
        return nil, new_err
    end
    local http = instance
    local late = cosocket.set_connect_timeouts(
        http.sock,
        template,
        context,
        time,
        template.target.scheme == "https"
    )
    if late ~= nil then
        return nil, late
    end
    local params, params_err = connect_params(template)
    if params == nil then
        return nil, params_err
    end
    local ok, connected, connect_err = pcall(http.connect, http, params)
    local done, err = guarded(ok, connected, connect_err)
    if done == nil then
        return nil, trusted_ca.mark_fault(err, template.connection_options.tls)
    end
    if context.progress ~= nil then
        context.progress.connected_at = clock.now()
    end
    local times = http:get_reused_times()
    return http.sock, nil, (times or 0) > 0, http
end

local function request_params(http, template, context, body)
    local headers = {Host = template.target.authority, ["Content-Type"] = "application/json"}
    for name, value in pairs(template.extra.fields) do
        headers[name] = value
    end
    if context.token ~= nil then
        headers.Authorization = context.token
    end
    local time = http1.server_time(context)
    if time ~= nil then
        headers["Grpc-Timeout"] = time
    end
    if context.require_leader then
        headers["Grpc-Metadata-hasleader"] = "true"
    end
    local params = {method = template.method, path = template.path, headers = headers, body = nil}
    if template.method ~= "GET" then
        params.body = body
        if #body > cosocket.PART_SIZE then
            headers["Content-Length"] = #body
            params.body = cosocket.chunks_of(http.sock, context, body)
        end
    end
    return params
end

local function send(link, template, context, body)
    local http = link
    local ok, sent, err = pcall(
        http.send_request,
        http,
        request_params(http, template, context, body)
    )
    local ____, send_err = guarded(ok, sent, err)
    return send_err
end

--- `lua-resty-http`, in any of its variants, connects and sends. The driver reads the response itself, because the library's
-- reader knows no deadline, accepts malformed responses, and loses bytes at a timeout.
local connector = {connect = connect, send = send}

--- Returns the library if it can serve the request, else the embedded client.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@return resty.etcd.transport.http.types.Connector
local function pick(template, context)
    return can_serve(template, context) and connector or cosocket.pick()
end

--- Reports whether the library is installed.
---@return boolean
local function is_installed()
    return find_library() ~= nil
end
_M.is_installed = is_installed
_M.pick = pick

return _M
