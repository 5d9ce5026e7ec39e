-- Generated from src/resty/etcd/transport/gateway/gateway.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local clock = require("resty.etcd.base.clock")
local cosocket = require("resty.etcd.transport.http.cosocket")
local errors = require("resty.etcd.protocol.errors")
local error_body = require("resty.etcd.transport.gateway.error_body")
local gateway_stream = require("resty.etcd.transport.gateway.stream")
local error_hints = require("resty.etcd.transport.error_hints")
local http1 = require("resty.etcd.transport.http.http1")
local http_client = require("resty.etcd.transport.http.client")
local json_codec = require("resty.etcd.transport.gateway.json_codec")
local chunked_json = require("resty.etcd.transport.gateway.chunked_json")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local urls = require("resty.etcd.endpoint.url")
local now = clock.now
local find = string.find
local sub = string.sub
local concat = table.concat

--- Endpoints whose request templates are cached before the cache is emptied.
local MAX_ENDPOINTS = 100

--- Bytes of an error response that are read.
local MAX_ERROR_BODY = 65536

---@class resty.etcd.transport.gateway.gateway.Fields
---@field pick fun(route: resty.etcd.transport.http.types.RequestTemplate, delivery: resty.etcd.transport.transport.RequestContext): resty.etcd.transport.http.types.Connector
---@field connection_options resty.etcd.transport.http.types.ConnectionOptions
---@field extra resty.etcd.transport.http.types.ExtraHeaders
---@field templates table Request templates by URL (with the DNS name of its address) and RPC.
---@field endpoint_count number

---@class resty.etcd.transport.gateway.gateway.Gateway: resty.etcd.transport.gateway.gateway.Fields
---@field close fun(self: resty.etcd.transport.gateway.gateway.Gateway)
---@field encode fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, request: table): string?, string?
---@field open fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Stream?, resty.etcd.protocol.errors.EtcdError?, resty.etcd.transport.transport.Reply?
---@field unary fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply?, resty.etcd.protocol.errors.EtcdError?, resty.etcd.transport.transport.Reply?

local function new_template(gateway, rpc, url, dns_name)
    local target = urls.parse(url, dns_name)
    if target == nil then
        return nil
    end
    local method = rpc.page == true and "GET" or "POST"
    local path = target.path .. rpc.path
    local extra = gateway.extra
    local connection_options = gateway.connection_options
    return {
        method = method,
        target = target,
        path = path,
        extra = extra,
        connection_options = connection_options,
        pool = cosocket.pool_options(connection_options, target, ""),
        head = http1.format_head(method, path, target, extra)
    }
end

--- Returns the cached request template for an RPC and an endpoint URL, or nil if the URL is invalid.
---@param gateway resty.etcd.transport.gateway.gateway.Fields
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@param url string
---@return resty.etcd.transport.http.types.RequestTemplate?
local function template_for(gateway, rpc, endpoint, url)
    if type(url) ~= "string" then
        return nil
    end
    local dns_name = endpoint.dns_name
    local key = dns_name ~= nil and url .. " " .. dns_name or url
    local templates = gateway.templates[key]
    if templates == nil then
        if gateway.endpoint_count >= MAX_ENDPOINTS then
            gateway.templates = {}
            gateway.endpoint_count = 0
        end
        templates = {}
        gateway.templates[key] = templates
        gateway.endpoint_count = gateway.endpoint_count + 1
    end
    local template = templates[rpc]
    if template == nil then
        template = new_template(gateway, rpc, url, dns_name)
        if template ~= nil then
            templates[rpc] = template
        end
    end
    return template
end

--- Returns the URL for watches. Programs written for 1.10 overwrite these fields of an endpoint.
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@return string
local function stream_url(endpoint)
    local scheme = endpoint.scheme
    local address = endpoint.address
    local api_prefix = endpoint.api_prefix
    if type(scheme) ~= "string" or type(address) ~= "string" or type(api_prefix) ~= "string" then
        return endpoint.full_prefix
    end
    local port = endpoint.port or ""
    return scheme .. "://" .. address .. ":" .. port .. api_prefix
end

--- Beginnings of error texts whose cause is the client or its phase, so that all endpoints would fail alike.
local CLIENT_SIDE_PREFIXES = {cosocket.NOT_IN_THIS_PHASE, "client certificate: ", "client key: ", "trusted_ca: "}

local function is_client_side_error(text)
    for ____, beginning in ipairs(CLIENT_SIDE_PREFIXES) do
        if sub(text, 1, #beginning) == beginning then
            return true
        end
    end
    return false
end

local function with_hint(err, silent)
    local hint = error_hints.hint_for(err.message, silent)
    if hint ~= nil then
        err.hint = hint
    end
    return err
end

--- Returns the error of a connection failure.
---@param attempt resty.etcd.transport.transport.Attempt
---@param text string
---@param sent boolean
---@return resty.etcd.protocol.errors.EtcdError
local function transport_error(attempt, text, sent)
    local endpoint = attempt.endpoint
    if is_client_side_error(text) then
        local err = errors.local_error("bad_request", endpoint.http_host .. ": " .. text, endpoint.http_host)
        return with_hint(err, false)
    end
    local malformed = find(text, "malformed", 1, true)
    local name = malformed ~= nil and "bad_reply" or (text == "timeout" and "timeout" or (sent and "connection_lost" or "connect_failed"))
    local err = errors.local_error(name, endpoint.http_host .. ": " .. text, endpoint.http_host)
    return retry_policy.classify_transport_error(
        attempt.semantics,
        with_hint(
            err,
            cosocket.is_connection_closed(text)
        ),
        sent
    )
end

local function bad_host(endpoint, url)
    return errors.local_error(
        "bad_request",
        "invalid http host: " .. tostring(url) .. ", err: not matched",
        endpoint.http_host
    )
end

--- Returns the password in a login request.
---@param payload string
---@return string
local function password_in(payload)
    local request = cjson.decode(payload)
    return tostring(request.password)
end

--- Decodes the body of a response. Returns nil if it is no message of the RPC.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@param text string
---@param token string?
---@return table? message
---@return resty.etcd.protocol.errors.EtcdError? err
local function decode_body(rpc, endpoint, text, token)
    if rpc.stream == true then
        local line = string.match(text, "^[^\n]*")
        return gateway_stream.decode_line(rpc, endpoint.http_host, line or "", token)
    end
    local json, bad = chunked_json.decode(rpc.reply, text)
    if bad ~= nil then
        return nil
    end
    return json
end

local function encode(self, rpc, request)
    return json_codec.encode(rpc.request, request)
end

local function unary(self, rpc, payload, attempt)
    local endpoint = attempt.endpoint
    local url = rpc.page == true and endpoint.http_host or endpoint.full_prefix
    local template = template_for(self, rpc, endpoint, url)
    if template == nil then
        return nil, bad_host(endpoint, url)
    end
    local connector = self.pick(template, attempt)
    local answer, text, sent = http_client.request(connector, template, attempt, payload)
    if answer == nil then
        return nil, transport_error(attempt, text, sent)
    end
    local status = answer.status
    local headers = answer.headers
    local token = attempt.token
    attempt.received = #answer.body
    if status >= 300 then
        http_client.release_connection(template, answer, true)
        local secret = rpc.secret == true and password_in(payload) or nil
        local shown = error_body.redact_token(answer.body, token)
        local err, body = error_body.from_answer(status, shown, endpoint.http_host, secret)
        return nil, retry_policy.classify_server_error(
            attempt.semantics,
            with_hint(err, false)
        ), {status = status, headers = headers, body = body}
    end
    local message, err = decode_body(rpc, endpoint, answer.body, token)
    local is_sound = message ~= nil or err ~= nil and err.name ~= "bad_reply"
    http_client.release_connection(template, answer, is_sound)
    if message ~= nil then
        return {status = status, headers = headers, body = message}
    end
    if err ~= nil then
        if err.name == "bad_reply" then
            err.http_status = status
        end
        return nil, retry_policy.classify_server_error(attempt.semantics, err)
    end
    local shown = "not shown"
    if rpc.secret ~= true then
        shown = error_body.snippet(error_body.redact_token(answer.body, token))
    end
    local bad = errors.local_error("bad_reply", "invalid response body: " .. shown, endpoint.http_host)
    bad.http_status = status
    bad.maybe_applied = attempt.semantics ~= "read"
    return nil, bad
end

--- Reads an error response, up to `MAX_ERROR_BODY` bytes.
---@param body resty.etcd.transport.http.types.Body
---@param deadline number?
---@return string
local function read_error_body(body, deadline)
    local parts = {}
    local length = 0
    while length < MAX_ERROR_BODY do
        local bytes = body:read(deadline ~= nil and deadline - now() or nil)
        if bytes == nil or bytes == "" then
            break
        end
        parts[#parts + 1] = bytes
        length = length + #bytes
    end
    body:close()
    return sub(
        concat(parts),
        1,
        MAX_ERROR_BODY
    )
end

local function open(self, rpc, payload, attempt)
    local endpoint = attempt.endpoint
    local url = stream_url(endpoint)
    local template = template_for(self, rpc, endpoint, url)
    if template == nil then
        return nil, bad_host(endpoint, url)
    end
    local connector = self.pick(template, attempt)
    local opening, text, sent = http_client.open(connector, template, attempt, payload)
    if opening == nil then
        return nil, transport_error(attempt, text, sent)
    end
    if opening.status >= 300 then
        local status = opening.status
        local text_body = error_body.redact_token(
            read_error_body(opening.body, attempt.deadline),
            attempt.token
        )
        local err, body = error_body.from_answer(status, text_body, endpoint.http_host, nil)
        local error_reply = {status = status, headers = opening.headers, body = body}
        return nil, retry_policy.classify_server_error(
            attempt.semantics,
            with_hint(err, false)
        ), error_reply
    end
    return gateway_stream.new(rpc, endpoint.http_host, opening.body, attempt.token)
end

local function close(self)
    self.templates = {}
    self.endpoint_count = 0
end
local methods = {close = close, encode = encode, open = open, unary = unary}
local mt = {__index = methods}

--- Creates a transport over etcd's JSON gateway.
---@param pick fun(route: resty.etcd.transport.http.types.RequestTemplate, delivery: resty.etcd.transport.transport.RequestContext): resty.etcd.transport.http.types.Connector
---@param connection_options resty.etcd.transport.http.types.ConnectionOptions
---@param extra resty.etcd.transport.http.types.ExtraHeaders
---@return resty.etcd.transport.transport.Transport
local function create(pick, connection_options, extra)
    local fields = {
        pick = pick,
        connection_options = connection_options,
        extra = extra,
        templates = {},
        endpoint_count = 0
    }
    return setmetatable(fields, mt)
end
_M.new = create

return _M
