-- Generated from src/resty/etcd/transport/grpc/request_block.ts by TypeScriptToLua. Do not edit.
local _M = {}
local masked_url = require("resty.etcd.endpoint.masked_url")
local urls = require("resty.etcd.endpoint.url")
local failures = require("resty.etcd.transport.failure")
local hpack = require("resty.etcd.transport.grpc.hpack")
local peers = require("resty.etcd.transport.grpc.peer")
local find = string.find
local lower = string.lower

--- Endpoints that are kept before all are forgotten.
local MAX_ENDPOINTS = 100

--- The only path prefix that gRPC can have: its methods are no paths of the gateway.
local PREFIX = "/v3"

--- Names of metadata that HTTP/2, gRPC or the driver set.
local RESERVED = {
    authorization = true,
    connection = true,
    ["content-length"] = true,
    ["content-type"] = true,
    hasleader = true,
    host = true,
    ["keep-alive"] = true,
    ["proxy-connection"] = true,
    te = true,
    token = true,
    ["transfer-encoding"] = true,
    upgrade = true
}

---@class resty.etcd.transport.grpc.request_block.Block
---@field token string?
---@field require_leader boolean
---@field bytes string

--- An endpoint as calls need it.
---@class resty.etcd.transport.grpc.request_block.Target
---@field peer resty.etcd.transport.grpc.types.Peer
---@field authority string
---@field blocks table The latest block of each RPC.

--- The endpoints of a client.
---@class resty.etcd.transport.grpc.request_block.Targets
---@field metadata string Extra header fields, as each block contains them.
---@field host string? Replaces the host of the endpoint; nil if not given.
---@field by_url table
---@field count number

---@param fields table extra header fields, by name
---@param host string?
---@return resty.etcd.transport.grpc.request_block.Targets
local function create(fields, host)
    local metadata = ""
    for name, value in pairs(fields) do
        local key = lower(name)
        local is_grpc = find(key, "^grpc%-")
        if RESERVED[key] == nil and is_grpc == nil then
            metadata = metadata .. hpack.encode_field(key, value, true)
        end
    end
    return {metadata = metadata, host = host, by_url = {}, count = 0}
end

--- Forgets all endpoints.
---@param targets resty.etcd.transport.grpc.request_block.Targets
local function clear(targets)
    targets.by_url = {}
    targets.count = 0
end

local function new_target(targets, url, dns_name)
    local parsed = urls.parse(url, dns_name)
    if parsed == nil then
        return nil, "invalid http host: " .. masked_url.mask(url) .. ", err: not matched"
    end
    if parsed.scheme ~= "http" then
        return nil, "the transport \"grpc\" needs http:// endpoints: use \"cosocket\" or \"resty_http\" for TLS"
    end
    if parsed.path ~= PREFIX then
        return nil, "the transport \"grpc\" needs endpoints without a path: use \"cosocket\" or \"resty_http\""
    end
    return {
        peer = peers.at(parsed.host, parsed.port),
        authority = targets.host or parsed.authority,
        blocks = {}
    }
end

--- Returns an endpoint as calls need it; or nil and a failure.
---@param targets resty.etcd.transport.grpc.request_block.Targets
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@param url string
---@return resty.etcd.transport.grpc.request_block.Target? res
---@return resty.etcd.transport.transport.LocalFailure? err
local function target_of(targets, endpoint, url)
    local dns_name = endpoint.dns_name
    local key = dns_name ~= nil and url .. " " .. dns_name or url
    local target = targets.by_url[key]
    if target == nil then
        local created, problem = new_target(
            targets,
            tostring(url),
            dns_name
        )
        if created == nil then
            return nil, failures.local_failure("url", problem, false)
        end
        if targets.count >= MAX_ENDPOINTS then
            clear(targets)
        end
        target = created
        targets.by_url[key] = target
        targets.count = targets.count + 1
    end
    return target
end

--- Returns the header block of a request.
---@param targets resty.etcd.transport.grpc.request_block.Targets
---@param target resty.etcd.transport.grpc.request_block.Target
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param attempt resty.etcd.transport.transport.Attempt
---@return string
local function block_of(targets, target, rpc, attempt)
    local ____attempt_0 = attempt
    local token = ____attempt_0.token
    local require_leader = ____attempt_0.require_leader
    local latest = target.blocks[rpc]
    if latest ~= nil and latest.token == token and latest.require_leader == require_leader then
        return latest.bytes
    end
    local metadata = targets.metadata
    if token ~= nil then
        metadata = metadata .. hpack.encode_field("token", token, true)
    end
    if require_leader then
        metadata = metadata .. hpack.encode_field("hasleader", "true", false)
    end
    local bytes = hpack.encode_request(rpc.method, target.authority, metadata)
    target.blocks[rpc] = {token = token, require_leader = require_leader, bytes = bytes}
    return bytes
end
_M.block_of = block_of
_M.clear = clear
_M.new = create
_M.target_of = target_of

return _M
