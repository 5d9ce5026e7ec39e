-- Generated from src/resty/etcd/transport/gateway/gateway.ts by TypeScriptToLua. Do not edit.
local _M = {}
local masked_url = require("resty.etcd.endpoint.masked_url")
local cjson = require("resty.etcd.base.private_cjson")
local clock = require("resty.etcd.base.clock")
local digest = require("resty.etcd.base.digest")
local cosocket = require("resty.etcd.transport.http.cosocket")
local failures = require("resty.etcd.transport.failure")
local error_body = require("resty.etcd.transport.gateway.error_body")
local response_texts = require("resty.etcd.transport.response_text")
local gateway_stream = require("resty.etcd.transport.gateway.stream")
local http1 = require("resty.etcd.transport.http.http1")
local http_client = require("resty.etcd.transport.http.client")
local json_codec = require("resty.etcd.transport.gateway.json_codec")
local chunked_json = require("resty.etcd.transport.gateway.chunked_json")
local time_slice = require("resty.etcd.base.time_slice")
local urls = require("resty.etcd.endpoint.url")
local now = clock.now
local find = string.find
local sub = string.sub
local concat = table.concat

--- Endpoints whose request templates are cached before the cache is emptied.
local MAX_ENDPOINTS = 100

--- Bytes of an error response that are used.
local MAX_ERROR_BODY = 65536

---@class resty.etcd.transport.gateway.gateway.Fields
---@field identity string
---@field pick fun(template: resty.etcd.transport.http.types.RequestTemplate, context: resty.etcd.transport.transport.RequestContext): resty.etcd.transport.http.types.Connector
---@field connection_options resty.etcd.transport.http.types.ConnectionOptions
---@field extra resty.etcd.transport.http.types.ExtraHeaders
---@field templates table Request templates by URL (with the DNS name of its address) and RPC.
---@field endpoint_count number

---@class resty.etcd.transport.gateway.gateway.Gateway: resty.etcd.transport.gateway.gateway.Fields
---@field close fun(self: resty.etcd.transport.gateway.gateway.Gateway)
---@field encode fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, request: table): string?, string?
---@field open fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Stream?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@field unary fun(self: resty.etcd.transport.gateway.gateway.Gateway, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?

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

local function bad_host(url)
    return failures.local_failure(
        "url",
        "invalid http host: " .. masked_url.mask(url) .. ", err: not matched",
        false
    )
end

--- Returns the password in a login request.
---@param payload string
---@return string
local function password_in(payload)
    local request = cjson.decode(payload)
    return tostring(request.password)
end

--- Decodes the body of a response.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param text string
---@param attempt resty.etcd.transport.transport.Attempt
---@return table? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function decode_body(rpc, text, attempt)
    local token = attempt.token
    if rpc.stream == true then
        local stop = find(text, "\n", 1, true)
        local line = stop ~= nil and sub(text, 1, stop - 1) or text
        local message, failure = gateway_stream.decode_line(rpc, line, token, attempt)
        if message ~= nil then
            return message
        end
        if failure ~= nil then
            return nil, failure
        end
    else
        local json, bad, failure = chunked_json.decode(rpc.reply, text, nil, attempt)
        if failure ~= nil then
            return nil, failure
        end
        if json ~= nil and bad == nil then
            return json
        end
    end
    return nil, gateway_stream.invalid_body(text, token, rpc.secret ~= true)
end

local function encode(self, rpc, request)
    return json_codec.encode(rpc.request, request)
end

local function unary(self, rpc, payload, attempt)
    local endpoint = attempt.endpoint
    local url = rpc.page == true and endpoint.http_host or endpoint.full_prefix
    local template = template_for(self, rpc, endpoint, url)
    if template == nil then
        return nil, bad_host(url)
    end
    local connector = self.pick(template, attempt)
    local answer, failure = http_client.request(connector, template, attempt, payload)
    if answer == nil then
        return nil, failure
    end
    local status = answer.status
    local headers = answer.headers
    local token = attempt.token
    attempt.received = #answer.body
    if status >= 300 then
        http_client.release_connection(template, answer, true)
        local secret = rpc.secret == true and password_in(payload) or nil
        local shown = response_texts.redact_token(
            sub(answer.body, 1, MAX_ERROR_BODY),
            token
        )
        return nil, error_body.from_answer(status, headers, shown, secret)
    end
    local message, bad = decode_body(rpc, answer.body, attempt)
    if message == nil then
        local is_sound = bad.kind == "status"
        http_client.release_connection(template, answer, is_sound)
        if bad.kind == "undecodable" or bad.kind == "too_large" then
            bad.http_status = status
        end
        return nil, bad
    end
    http_client.release_connection(template, answer, true)
    if attempt.deadline ~= nil and now() >= attempt.deadline then
        return nil, failures.local_failure("timeout", "timeout", true)
    end
    return {status = status, headers = headers, body = message}
end

--- Reads an error response, up to `MAX_ERROR_BODY` bytes.
---@param body resty.etcd.transport.http.types.Body
---@param deadline number?
---@return string
local function read_error_body(body, deadline)
    local parts = {}
    local length = 0
    local slice = time_slice.start()
    while length < MAX_ERROR_BODY do
        local bytes = body:read(deadline ~= nil and deadline - now() or nil)
        if bytes == nil or bytes == "" then
            break
        end
        parts[#parts + 1] = bytes
        length = length + #bytes
        time_slice.yield_if_due(slice)
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
        return nil, bad_host(url)
    end
    local connector = self.pick(template, attempt)
    local response, failure = http_client.open(connector, template, attempt, payload)
    if response == nil then
        return nil, failure
    end
    local status = response.status
    if status >= 300 then
        local text = response_texts.redact_token(
            read_error_body(response.body, attempt.deadline),
            attempt.token
        )
        return nil, error_body.from_answer(status, response.headers, text, nil)
    end
    return gateway_stream.new(rpc, endpoint.http_host, response.body, attempt)
end

local function close(self)
    self.templates = {}
    self.endpoint_count = 0
end
local methods = {close = close, encode = encode, open = open, unary = unary}
local mt = {__index = methods}

--- Returns the digest of what decides which server is reached, besides its address, and what it answers.
---@param connector string
---@param __1 resty.etcd.transport.http.types.ConnectionOptions
---@param extra resty.etcd.transport.http.types.ExtraHeaders
---@return string
local function identity_of(connector, ____bindingPattern0, extra)
    local tls
    tls = ____bindingPattern0.tls
    local names = {}
    for name in pairs(extra.fields) do
        names[#names + 1] = name
    end
    table.sort(names)
    local headers = ""
    for ____, name in ipairs(names) do
        headers = headers .. digest.field(name, extra.fields[name])
    end
    return digest.of(digest.field("gateway", connector) .. digest.field("tls", tls.identity) .. digest.field("sni", tls.sni) .. digest.field("headers", headers))
end

--- Creates a transport over etcd's JSON gateway.
---@param connector string name of what `pick` chooses
---@param pick fun(template: resty.etcd.transport.http.types.RequestTemplate, context: resty.etcd.transport.transport.RequestContext): resty.etcd.transport.http.types.Connector
---@param connection_options resty.etcd.transport.http.types.ConnectionOptions
---@param extra resty.etcd.transport.http.types.ExtraHeaders
---@return resty.etcd.transport.transport.Transport
local function create(connector, pick, connection_options, extra)
    local identity = identity_of(connector, connection_options, extra)
    local fields = {
        identity = identity,
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
