-- Generated from src/resty/etcd/api/txn.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local call = require("resty.etcd.call.call")
local idempotency = require("resty.etcd.call.idempotency")
local rpcs = require("resty.etcd.protocol.rpc")
local serializer = require("resty.etcd.serializers.serializer")
local method_options = require("resty.etcd.api.method_options")
local request_options = require("resty.etcd.api.request_options")
local result = require("resty.etcd.api.result")
local txn_request = require("resty.etcd.api.txn_request")

---@class resty.etcd.api.txn.TxnBody
---@field header resty.etcd.protocol.message.Header
---@field succeeded? true All comparisons held and etcd ran `success`; nil if etcd ran `failure`.
---@field responses? resty.etcd.api.txn.OpResponse[]
---@field replayed? true With `idempotent`: an earlier attempt was applied; its `responses` are lost.

--- Response to one operation, in the field for its kind.
---@class resty.etcd.api.txn.OpResponse
---@field response_range? resty.etcd.api.kv.GetBody
---@field response_put? resty.etcd.api.kv.SetBody
---@field response_delete_range? resty.etcd.api.kv.DeleteBody
---@field response_txn? resty.etcd.api.txn.TxnBody

---@class resty.etcd.api.txn.TxnOptions: resty.etcd.api.kv.CallOptions
---@field idempotent? boolean Retry the transaction when its outcome is unknown: a marker ensures that etcd applies it once. Default false.

---@class resty.etcd.api.txn.SetIfOptions: resty.etcd.api.kv.SetOptions, resty.etcd.api.txn.TxnOptions

--- Deserializes the values in all responses of a transaction, in place.
---@param cli resty.etcd.call.client_state.ClientState
---@param body resty.etcd.api.txn.TxnBody
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

local function call_txn(cli, message, opts)
    if txn_request.is_read_only(message) then
        return call.unary(cli, rpcs.txn, message, {timeout = opts and opts.timeout, semantics = "read"})
    end
    if (opts and opts.idempotent) == true then
        return idempotency.run(cli, message, opts.timeout or cli.timeout)
    end
    return call.unary(cli, rpcs.txn, message, {timeout = opts and opts.timeout})
end

local function send(cli, message, opts)
    local reply, err = call_txn(cli, message, opts)
    if reply ~= nil then
        decode_responses(cli, reply.body)
    end
    return result.to_result(reply, err)
end

local function is_empty(list)
    return list == nil or type(list) == "table" and list[1] == nil
end

--- Runs a transaction. The driver adds the client's `key_prefix` to plain keys and serializes values, in all branches and
--- nested transactions. It does not change the tables of the caller.
---@param self resty.etcd.call.client_state.ClientState
---@param compare table<string, any>[] rows `{key, target, result, value | version | mod_revision | create_revision | lease}`
---@param success? table<string, any>[] operations to run if all rows hold: `requestPut`, `requestRange`, `requestDeleteRange`, `requestTxn`
---@param failure? table<string, any>[] operations to run if a row does not hold
---@param opts? resty.etcd.api.txn.TxnOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function txn(self, compare, success, failure, opts)
    if is_empty(compare) then
        return errors.bad_request("compare couldn't be empty")
    end
    if is_empty(success) and is_empty(failure) then
        return errors.bad_request("success and failure couldn't be empty at the same time")
    end
    local problem = method_options.check("txn", opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local message, err = txn_request.txn_message(self, {compare = compare, success = success, failure = failure}, 0)
    if message == nil then
        return errors.bad_request(err)
    end
    return send(self, message, opts)
end

--- Puts a key if it does not exist (`setnx`) or if it exists (`setx`).
---@param cli resty.etcd.call.client_state.ClientState
---@param method "setnx"|"setx"
---@param key string
---@param val any
---@param opts resty.etcd.api.txn.SetIfOptions?
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function set_if(cli, method, key, val, opts)
    local problem = checks.check_key(key) or method_options.check(method, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local value, value_err = serializer.serialize(cli.serializer, val)
    if value == nil then
        return errors.bad_request(value_err)
    end
    local real_key = keys.with_prefix(cli.key_prefix, key)
    local put = {}
    put.key = real_key
    put.value = value
    request_options.copy(opts, {"lease", "prev_kv"}, put)
    local message = {}
    message.compare = {{key = real_key, target = "CREATE", result = "EQUAL", create_revision = 0}}
    message[method == "setnx" and "success" or "failure"] = {{request_put = put}}
    return send(cli, message, opts)
end

--- Writes a key that does not exist.
---@param self resty.etcd.call.client_state.ClientState
---@param key string
---@param val any
---@param opts? resty.etcd.api.txn.SetIfOptions
---@return resty.etcd.api.result.Response? res # the response; `res.body.succeeded` is true if the key did not exist and is written now
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function setnx(self, key, val, opts)
    return set_if(
        self,
        "setnx",
        key,
        val,
        opts
    )
end

--- Writes a key that exists.
---@param self resty.etcd.call.client_state.ClientState
---@param key string
---@param val any
---@param opts? resty.etcd.api.txn.SetIfOptions
---@return resty.etcd.api.result.Response? res # the response; `res.body.succeeded` is true if the key does not exist, so that nothing was written
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function setx(self, key, val, opts)
    return set_if(
        self,
        "setx",
        key,
        val,
        opts
    )
end
_M.setnx = setnx
_M.setx = setx
_M.txn = txn

return _M
