-- Generated from src/resty/etcd/api/result.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")

--- Response of etcd. Programs can modify all of it.
---@class resty.etcd.api.result.Response
---@field status number HTTP status.
---@field headers table
---@field body any

--- Fields that the body of a 4xx response has.
---@class resty.etcd.api.result.ErrorBody
---@field error? string
---@field message? string
---@field code? number
---@field hint? string Likely cause, if the message alone misleads.

--- Returns the response of a call, or its error; error responses are errors.
---@generic Body
---@param reply resty.etcd.transport.transport.Reply?
---@param err resty.etcd.protocol.errors.EtcdError?
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function to_result(reply, err)
    if reply == nil then
        return errors.to_result(err)
    end
    return reply
end

--- Returns the response of a call, or its error. As in lua-resty-etcd 1.10, a 4xx response is a result with `body.error`.
---@generic Body
---@param reply resty.etcd.transport.transport.Reply?
---@param err resty.etcd.protocol.errors.EtcdError?
---@param error_reply resty.etcd.transport.transport.Reply?
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function to_result_or_error_reply(reply, err, error_reply)
    if reply ~= nil then
        return reply
    end
    if error_reply ~= nil and error_reply.status < 500 then
        local hint = err and err.hint
        if hint ~= nil then
            error_reply.body.hint = hint
        end
        return error_reply, nil, err
    end
    return errors.to_result(err)
end

--- Replaces the value of a key-value pair by its deserialized form.
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
_M.to_result_or_error_reply = to_result_or_error_reply
_M.to_result = to_result

return _M
