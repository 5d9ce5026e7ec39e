-- Generated from src/resty/etcd/api/result.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")

--- An answer of etcd. All of it may be written to.
---@class resty.etcd.api.result.Response
---@field status number HTTP status.
---@field headers table
---@field body any

--- A refused call (HTTP 4xx): fields of the body are those of the error.
---@class resty.etcd.api.result.ErrorBody
---@field error? string
---@field message? string
---@field code? number
---@field hint? string What may be the matter, where the message alone would mislead.

--- An error that is the caller's own.
---@generic Body
---@param message string
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function argument_error(message)
    return nil, message, errors.local_error("bad_request", message)
end

--- An error of a call.
---@generic Body
---@param err resty.etcd.protocol.errors.EtcdError
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function failed(err)
    return nil, errors.to_text(err), err
end

--- Either an answer or an error: every refusal is an error.
---@generic Body
---@param reply resty.etcd.transport.transport.Reply?
---@param err resty.etcd.protocol.errors.EtcdError?
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function to_result(reply, err)
    if reply == nil then
        return failed(err)
    end
    return reply
end

--- Refusals below 500 are answers too, with `body.error` and perhaps `body.hint`.
---@generic Body
---@param reply resty.etcd.transport.transport.Reply?
---@param err resty.etcd.protocol.errors.EtcdError?
---@param refusal resty.etcd.transport.transport.Reply?
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function to_result_or_refusal(reply, err, refusal)
    if reply ~= nil then
        return reply
    end
    if refusal ~= nil and refusal.status < 500 then
        local hint = err and err.hint
        if hint ~= nil then
            refusal.body.hint = hint
        end
        return refusal, nil, err
    end
    return failed(err)
end

--- Decodes the value of a key in place.
---@param serializer resty.etcd.serializers.serializer.Serializer
---@param kv resty.etcd.protocol.message.KeyValue?
local function decode_value(serializer, kv)
    if kv ~= nil then
        local value = serializer.deserialize(kv.value or "")
        kv.value = value
    end
end

local function decode_values(serializer, kvs)
    if kvs ~= nil then
        local slice = time_slice.start()
        for ____, kv in ipairs(kvs) do
            decode_value(serializer, kv)
            time_slice.yield_if_due(slice)
        end
    end
end
_M.decode_value = decode_value
_M.decode_values = decode_values
_M.failed = failed
_M.to_result_or_refusal = to_result_or_refusal
_M.argument_error = argument_error
_M.to_result = to_result

return _M
