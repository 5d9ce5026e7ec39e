-- Generated from src/resty/etcd/dropin/txn.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call")
local rpcs = require("resty.etcd.rpc")
local serializer = require("resty.etcd.serializer")
local utils = require("resty.etcd.utils")
local args = require("resty.etcd.dropin.args")
local result = require("resty.etcd.dropin.result")

---@class resty.etcd.dropin.txn.TxnBody
---@field header resty.etcd.dropin.result.Header
---@field succeeded? true The comparison held and `success` was run; nil if `failure` was.
---@field responses? resty.etcd.dropin.txn.OpResponse[]

--- One of them, by the kind of the operation.
---@class resty.etcd.dropin.txn.OpResponse
---@field response_range? resty.etcd.dropin.kv.GetBody
---@field response_put? resty.etcd.dropin.kv.SetBody
---@field response_delete_range? resty.etcd.dropin.kv.DeleteBody
---@field response_txn? resty.etcd.dropin.txn.TxnBody

--- `prevKv` and `requestPut` become what etcd's messages call them.
---@param name string
---@return string
local function snake_case(name)
    local snake = string.gsub(
        name,
        "%u",
        function(upper) return "_" .. string.lower(upper) end
    )
    return snake
end

--- A row as a message of ours: the caller's table stays as it is.
---@param row table<string, any>
---@return table
local function copy_row(row)
    local message = {}
    for name, value in pairs(row) do
        message[snake_case(tostring(name))] = value
    end
    return message
end

--- Puts the client's prefix in front of key and range end; returns what is wrong with them, or nil.
---@param cli resty.etcd.dropin.state.State
---@param message table
---@return string?
local function prefix_keys(cli, message)
    local key = message.key
    if type(key) ~= "string" then
        return "key must be string"
    end
    message.key = utils.get_real_key(cli.key_prefix, key)
    local range_end = message.range_end
    if range_end ~= nil then
        message.range_end = args.real_range_end(cli.key_prefix, range_end)
    end
    return nil
end

--- Serializes the value of a message in place; returns an error text or nil.
---@param cli resty.etcd.dropin.state.State
---@param message table
---@return string?
local function serialize_value(cli, message)
    local value, err = serializer.serialize(cli.serializer, message.value)
    if value == nil then
        return err
    end
    message.value = value
    return nil
end

local function compare_messages(cli, rows)
    local messages = {}
    for ____, row in ipairs(rows) do
        if type(row) ~= "table" then
            return nil, "compare must hold tables"
        end
        local message = copy_row(row)
        local err = prefix_keys(cli, message)
        if err == nil and message.value ~= nil then
            err = serialize_value(cli, message)
        end
        if err ~= nil then
            return nil, err
        end
        messages[#messages + 1] = message
    end
    return messages
end

--- A put, range or delete as a message.
---@param cli resty.etcd.dropin.state.State
---@param kind string
---@param row table<string, any>
---@return table? res
---@return string? err
local function plain_op(cli, kind, row)
    local message = copy_row(row)
    local err = prefix_keys(cli, message)
    if err == nil and kind == "request_put" and message.ignore_value ~= true then
        err = serialize_value(cli, message)
    end
    if err ~= nil then
        return nil, err
    end
    return message
end

--- The one kind of an operation and what belongs to it; nil and what is wrong otherwise.
---@param op table<string, any>
---@return string? kind
---@return table<string, any>|string body
local function kind_of(op)
    local kind
    local body
    for name, value in pairs(op) do
        if kind ~= nil then
            return nil, "each operation must be of one kind"
        end
        kind = snake_case(tostring(name))
        body = value
    end
    if kind == nil then
        return nil, "each operation must be of one kind"
    end
    if type(body) ~= "table" then
        return nil, kind .. " must be table"
    end
    return kind, body
end

--- A whole transaction as a message.
---@param cli resty.etcd.dropin.state.State
---@param parts table<string, any>
---@return table? res
---@return string? err
local function txn_message(cli, parts)
    for name, list in pairs(parts) do
        if name ~= "compare" and name ~= "success" and name ~= "failure" then
            return nil, "unknown field " .. tostring(name)
        end
        if type(list) ~= "table" then
            return nil, name .. " must be table"
        end
    end
    local message = {}
    local rows, compare_err = compare_messages(cli, parts.compare or ({}))
    if rows == nil then
        return nil, compare_err
    end
    message.compare = rows
    for ____, branch in ipairs({"success", "failure"}) do
        local ops = {}
        for ____, op in ipairs(parts[branch] or ({})) do
            if type(op) ~= "table" then
                return nil, branch .. " must hold tables"
            end
            local kind, body = kind_of(op)
            if kind == nil then
                return nil, body
            end
            local made
            local err
            if kind == "request_txn" then
                made, err = txn_message(cli, body)
            else
                made, err = plain_op(cli, kind, body)
            end
            if made == nil then
                return nil, err
            end
            local wrapped = {}
            wrapped[kind] = made
            ops[#ops + 1] = wrapped
        end
        message[branch] = ops
    end
    return message
end

--- Decodes the values in all answers of a transaction, in place.
---@param cli resty.etcd.dropin.state.State
---@param body resty.etcd.dropin.txn.TxnBody
local function decode_responses(cli, body)
    for ____, response in ipairs(body.responses or ({})) do
        local response_range = response.response_range
        local response_put = response.response_put
        local response_delete_range = response.response_delete_range
        local response_txn = response.response_txn
        if response_range ~= nil then
            result.decode_values(cli.serializer, response_range.kvs)
        end
        if response_put ~= nil then
            result.decode_value(cli.serializer, response_put.prev_kv)
        end
        if response_delete_range ~= nil then
            result.decode_values(cli.serializer, response_delete_range.prev_kvs)
        end
        if response_txn ~= nil then
            decode_responses(cli, response_txn)
        end
    end
end

local function send(cli, message, opts)
    local reply, err = call.unary(cli, rpcs.txn, message, opts and opts.timeout)
    if reply ~= nil then
        decode_responses(cli, reply.body)
    end
    return result.strict(reply, err)
end

local function is_empty(list)
    return list == nil or type(list) == "table" and list[1] == nil
end

--- Runs a transaction. Keys are plain and get the client's prefix, values go through the serializer, in every
--- branch and at every depth; the tables given are not changed.
---@param self resty.etcd.dropin.state.State
---@param compare table<string, any>[] rows `{key, target, result, value | version | mod_revision | create_revision | lease}`
---@param success? table<string, any>[] operations if all rows hold: `requestPut`, `requestRange`, `requestDeleteRange`, `requestTxn`
---@param failure? table<string, any>[] operations if one does not
---@param opts? resty.etcd.dropin.kv.CallOptions
---@return resty.etcd.dropin.result.Response? res
---@return string? err
---@return resty.etcd.errors.EtcdError? details
local function txn(self, compare, success, failure, opts)
    if is_empty(compare) then
        return result.misuse("compare couldn't be empty")
    end
    if is_empty(success) and is_empty(failure) then
        return result.misuse("success and failure couldn't be empty at the same time")
    end
    local wrong = args.check_opts(opts)
    if wrong ~= nil then
        return result.misuse(wrong)
    end
    local message, err = txn_message(self, {compare = compare, success = success, failure = failure})
    if message == nil then
        return result.misuse(err)
    end
    return send(self, message, opts)
end

--- A put that depends on whether the key exists.
---@param cli resty.etcd.dropin.state.State
---@param branch "success"|"failure"
---@param key string
---@param val any
---@param opts resty.etcd.dropin.kv.SetOptions?
---@return resty.etcd.dropin.result.Response? res
---@return string? err
---@return resty.etcd.errors.EtcdError? details
local function set_if(cli, branch, key, val, opts)
    local wrong = args.check_key(key) or args.check_opts(opts)
    if wrong ~= nil then
        return result.misuse(wrong)
    end
    local value, value_err = serializer.serialize(cli.serializer, val)
    if value == nil then
        return result.misuse(value_err)
    end
    local real_key = utils.get_real_key(cli.key_prefix, key)
    local put = {}
    put.key = real_key
    put.value = value
    args.copy(opts, {"lease", "prev_kv"}, put)
    local message = {}
    message.compare = {{key = real_key, target = "CREATE", result = "EQUAL", create_revision = 0}}
    message[branch] = {{request_put = put}}
    return send(cli, message, opts)
end

--- Writes a key that does not exist.
---@param self resty.etcd.dropin.state.State
---@param key string
---@param val any
---@param opts? resty.etcd.dropin.kv.SetOptions
---@return resty.etcd.dropin.result.Response? res # `res.body.succeeded` tells that it did not exist and is written
---@return string? err
---@return resty.etcd.errors.EtcdError? details
local function setnx(self, key, val, opts)
    return set_if(
        self,
        "success",
        key,
        val,
        opts
    )
end

--- Writes a key that exists.
---@param self resty.etcd.dropin.state.State
---@param key string
---@param val any
---@param opts? resty.etcd.dropin.kv.SetOptions
---@return resty.etcd.dropin.result.Response? res # `res.body.succeeded` tells that the key does not exist, so that nothing was written
---@return string? err
---@return resty.etcd.errors.EtcdError? details
local function setx(self, key, val, opts)
    return set_if(
        self,
        "failure",
        key,
        val,
        opts
    )
end
_M.setnx = setnx
_M.setx = setx
_M.txn = txn

return _M
