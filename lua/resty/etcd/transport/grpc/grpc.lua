-- Generated from src/resty/etcd/transport/grpc/grpc.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local digest = require("resty.etcd.base.digest")
local files = require("resty.etcd.base.files")
local phase = require("resty.etcd.base.phase")
local connections = require("resty.etcd.transport.grpc.connection")
local failures = require("resty.etcd.transport.failure")
local faults = require("resty.etcd.transport.fault")
local grpc_messages = require("resty.etcd.transport.grpc.grpc_message")
local message_streams = require("resty.etcd.transport.grpc.message_stream")
local peers = require("resty.etcd.transport.grpc.peer")
local protobuf_codec = require("resty.etcd.transport.grpc.protobuf_codec")
local request_blocks = require("resty.etcd.transport.grpc.request_block")
local unary_calls = require("resty.etcd.transport.grpc.unary_call")
local now = clock.now
local sub = string.sub

---@class resty.etcd.transport.grpc.grpc.Fields
---@field identity string
---@field http resty.etcd.transport.transport.Transport
---@field targets resty.etcd.transport.grpc.request_block.Targets

---@class resty.etcd.transport.grpc.grpc.Grpc: resty.etcd.transport.grpc.grpc.Fields
---@field close fun(self: resty.etcd.transport.grpc.grpc.Grpc)
---@field encode fun(self: resty.etcd.transport.grpc.grpc.Grpc, rpc: resty.etcd.protocol.rpc.Rpc, message: table): string?, string?
---@field open fun(self: resty.etcd.transport.grpc.grpc.Grpc, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Stream?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@field unary fun(self: resty.etcd.transport.grpc.grpc.Grpc, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?

--- Reports whether the HTTP transport serves a call.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@return boolean
local function is_over_http(rpc)
    return rpc.page == true or not phase.can_wait()
end

--- Returns the URL for streams. Programs written for 1.10 overwrite these fields of an endpoint.
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@return string
local function stream_url(endpoint)
    local ____endpoint_0 = endpoint
    local scheme = ____endpoint_0.scheme
    local address = ____endpoint_0.address
    local api_prefix = ____endpoint_0.api_prefix
    if type(scheme) ~= "string" or type(address) ~= "string" or type(api_prefix) ~= "string" then
        return endpoint.full_prefix
    end
    return scheme .. "://" .. address .. ":" .. (endpoint.port or "") .. api_prefix
end

--- Reports whether a request can be sent again on another connection: this one has ended, and the request was not processed
--- or can be processed twice.
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@param attempt resty.etcd.transport.transport.Attempt
---@return boolean
local function can_repeat(failure, attempt)
    return failure.kind ~= "status" and failure.is_closed_by_server and (not failure.sent or attempt.is_repeatable) and (attempt.deadline == nil or now() < attempt.deadline)
end

--- Reports whether a failed request was possibly processed.
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return boolean
local function was_sent(failure)
    return failure.kind == "status" or failure.sent
end

--- Returns the failure of a request that was sent twice: the first one was possibly processed, whatever happened to the second.
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
local function as_sent(failure)
    if was_sent(failure) then
        return failure
    end
    local ____failure_1 = failure
    local kind = ____failure_1.kind
    local text = ____failure_1.text
    local is_closed_by_server = ____failure_1.is_closed_by_server
    return failures.local_failure(kind, text, true, is_closed_by_server)
end

--- Makes a request to a server, again if its connection has just ended.
---@param run fun(connection: resty.etcd.transport.grpc.types.Connection, rpc: resty.etcd.protocol.rpc.Rpc, block: string, body: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@param peer resty.etcd.transport.grpc.types.Peer
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param block string
---@param body string
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function run_at(run, peer, rpc, block, body, attempt)
    local repeats
    while true do
        local connection, fault = connections.connection_to(peer)
        if connection == nil then
            return nil, faults.to_failure(
                fault,
                repeats ~= nil and was_sent(repeats)
            )
        end
        local was_ready = connection.session.is_ready
        local result, failure = run(
            connection,
            rpc,
            block,
            body,
            attempt
        )
        if result ~= nil then
            return result
        end
        if repeats ~= nil or not was_ready or not can_repeat(failure, attempt) then
            return nil, repeats ~= nil and was_sent(repeats) and as_sent(failure) or failure
        end
        repeats = failure
    end
end

--- Makes a request to an endpoint.
---@param grpc resty.etcd.transport.grpc.grpc.Fields
---@param run fun(connection: resty.etcd.transport.grpc.types.Connection, rpc: resty.etcd.protocol.rpc.Rpc, block: string, body: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param body string
---@param attempt resty.etcd.transport.transport.Attempt
---@param url string
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function request(grpc, run, rpc, body, attempt, url)
    local ____grpc_2 = grpc
    local targets = ____grpc_2.targets
    local target, problem = request_blocks.target_of(targets, attempt.endpoint, url)
    if target == nil then
        return nil, problem
    end
    local block = request_blocks.block_of(targets, target, rpc, attempt)
    local proxy = attempt.unix_proxy
    if proxy ~= nil and files.exists(sub(proxy, 6)) then
        local result, failure = run_at(
            run,
            peers.at(proxy, nil),
            rpc,
            block,
            body,
            attempt
        )
        if result ~= nil then
            return result
        end
        if was_sent(failure) or failure.kind ~= "connect" then
            return nil, failure
        end
    end
    return run_at(
        run,
        target.peer,
        rpc,
        block,
        body,
        attempt
    )
end

local function encode(self, rpc, message)
    if is_over_http(rpc) then
        return self.http:encode(rpc, message)
    end
    local bytes, problem = protobuf_codec.encode(rpc.request, message)
    if bytes == nil then
        return nil, problem
    end
    return grpc_messages.encode(bytes)
end

local function unary(self, rpc, payload, attempt)
    if is_over_http(rpc) then
        return self.http:unary(rpc, payload, attempt)
    end
    return request(
        self,
        unary_calls.run,
        rpc,
        payload,
        attempt,
        attempt.endpoint.full_prefix
    )
end

local function open(self, rpc, payload, attempt)
    if is_over_http(rpc) then
        return self.http:open(rpc, payload, attempt)
    end
    local url = stream_url(attempt.endpoint)
    return request(
        self,
        message_streams.open,
        rpc,
        payload,
        attempt,
        url
    )
end

local function close(self)
    request_blocks.clear(self.targets)
    self.http:close()
end
local methods = {close = close, encode = encode, open = open, unary = unary}
local mt = {__index = methods}

--- Creates a transport over gRPC. Connections are shared by all clients of the worker.
---@param http resty.etcd.transport.transport.Transport
---@param fields table extra header fields
---@param host string? replaces the host of endpoints; nil if not given
---@return resty.etcd.transport.transport.Transport
local function create(http, fields, host)
    local identity = digest.of(digest.field("grpc", http.identity))
    return setmetatable(
        {
            identity = identity,
            http = http,
            targets = request_blocks.new(fields, host)
        },
        mt
    )
end
_M.new = create

return _M
