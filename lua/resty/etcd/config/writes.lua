-- Generated from src/resty/etcd/config/writes.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local cjson = require("cjson.safe")
local call = require("resty.etcd.call.call")
local errors = require("resty.etcd.protocol.errors")
local txn_response = require("resty.etcd.protocol.txn_response")
local int64 = require("resty.etcd.protocol.int64")
local rpcs = require("resty.etcd.protocol.rpc")
local serializer = require("resty.etcd.serializers.serializer")

---@class resty.etcd.config.writes.State
---@field cli resty.etcd.call.client_state.ClientState
---@field dir string
---@field mirror resty.etcd.mirror.mirror.Mirror Where the documents are read.
---@field listed resty.etcd.mirror.types.Kv[]? What the names below were made of.
---@field listed_names string[]

---@class resty.etcd.config.writes.WriteOptions
---@field if_revision? (string|number) Write only if the document is at this revision; 0: only if there is none.
---@field timeout? number Seconds for the call.

--- Names of the options of writes.
local WRITE_OPTIONS = {if_revision = true, timeout = true}

local function bad_request(message)
    return errors.local_error("bad_request", message)
end

local function key_of(state, name)
    return keys.with_prefix(state.cli.key_prefix, state.dir .. name)
end

--- What is wrong with a write; nil if nothing is.
---@param name any
---@param opts resty.etcd.config.writes.WriteOptions?
---@return string?
local function check_write(name, opts)
    local wrong = checks.check_key(name) or checks.check_method_options(opts)
    if wrong ~= nil then
        return wrong
    end
    for option in pairs(opts or ({})) do
        if WRITE_OPTIONS[tostring(option)] == nil then
            return "unknown option " .. tostring(option)
        end
    end
    if (opts and opts.if_revision) ~= nil and int64.to_text(opts.if_revision) == nil then
        return "opts.if_revision must be a revision"
    end
    return nil
end

--- Changes the document, if it is as it has to be.
---@param state resty.etcd.config.writes.State
---@param key string
---@param operation table
---@param opts resty.etcd.config.writes.WriteOptions?
---@return string? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function write(state, key, operation, opts)
    local message = {}
    message.success = {operation}
    local wanted = int64.to_text(opts and opts.if_revision)
    if wanted ~= nil then
        message.compare = {{key = key, target = "MOD", result = "EQUAL", mod_revision = wanted}}
        message.failure = {{request_range = {key = key, keys_only = true}}}
    end
    local reply, err = call.unary(state.cli, rpcs.txn, message, {timeout = opts and opts.timeout})
    if reply == nil then
        return nil, err
    end
    if reply.body.succeeded ~= true then
        local ____opt_6 = txn_response.of_txn(reply.body)
        local revision = ____opt_6 and ____opt_6.mod_revision or "0"
        local text = "the document is not at revision " .. tostring(wanted) .. ", but at " .. revision
        local conflict = errors.local_error("conflict", text)
        conflict.revision = revision
        return nil, conflict
    end
    return reply.body.header.revision
end

--- Writes a document. The mirror shows it as soon as etcd tells of it.
---@param self resty.etcd.config.writes.State
---@param name string
---@param document any
---@param opts? resty.etcd.config.writes.WriteOptions
---@return string? res # its revision; nil and an error, named `conflict` if another has changed it
---@return resty.etcd.protocol.errors.EtcdError? err
local function put(self, name, document, opts)
    local wrong = check_write(name, opts)
    if wrong ~= nil then
        return nil, bad_request(wrong)
    end
    if document == nil or document == cjson.null then
        return nil, bad_request("document must not be nil: use delete")
    end
    local value, value_err = serializer.serialize(self.cli.serializer, document)
    if value == nil then
        return nil, bad_request(value_err)
    end
    local key = key_of(self, name)
    return write(self, key, {request_put = {key = key, value = value}}, opts)
end

--- Deletes a document, whether there is one or not.
---@param self resty.etcd.config.writes.State
---@param name string
---@param opts? resty.etcd.config.writes.WriteOptions
---@return string? res # etcd's revision; nil and an error, named `conflict` if another has changed it
---@return resty.etcd.protocol.errors.EtcdError? err
local function remove(self, name, opts)
    local wrong = check_write(name, opts)
    if wrong ~= nil then
        return nil, bad_request(wrong)
    end
    local key = key_of(self, name)
    return write(self, key, {request_delete_range = {key = key}}, opts)
end
_M.key_of = key_of
_M.put = put
_M.remove = remove

return _M
