-- Generated from src/resty/etcd/api/idempotent_put.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local idempotency = require("resty.etcd.call.idempotency")
local rpcs = require("resty.etcd.protocol.rpc")

--- Returns the key-value pair as it was before a put applied at `revision`, or nil if it cannot be read (compacted).
---@param cli resty.etcd.call.client_state.ClientState
---@param key any
---@param revision string
---@param timeout number
---@param deadline number
---@return any
local function read_before(cli, key, revision, timeout, deadline)
    local before = (tonumber(revision) or 1) - 1
    local reply = call.unary(cli, rpcs.range, {key = key, revision = before}, {timeout = timeout, deadline = deadline, quiet = true})
    if reply == nil then
        return nil
    end
    local kvs = reply.body.kvs or ({})
    return kvs[1]
end

--- Runs a put as a transaction with an idempotency marker, and returns the reply in the form of a put.
---@param cli resty.etcd.call.client_state.ClientState
---@param request table
---@param timeout number
---@param wants_prev_kv boolean
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function put(cli, request, timeout, wants_prev_kv)
    local txn = {}
    txn.success = {{request_put = request}}
    local deadline = timeout > 0 and clock.now() + timeout or math.huge
    local reply, err, error_reply = idempotency.run(cli, txn, timeout)
    if reply == nil then
        return nil, err, error_reply
    end
    local done = reply.body
    local body = {}
    body.header = done.header
    if done.replayed == true then
        body.replayed = true
        if wants_prev_kv then
            body.prev_kv = read_before(
                cli,
                request.key,
                done.header.revision,
                timeout,
                deadline
            )
        end
    elseif done.responses ~= nil then
        local ____opt_2 = done.responses[1]
        local ____opt_0 = ____opt_2 and ____opt_2.response_put
        body.prev_kv = ____opt_0 and ____opt_0.prev_kv
    end
    reply.body = body
    return reply
end
_M.put = put

return _M
