-- Generated from src/resty/etcd/config.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call")
local args = require("resty.etcd.dropin.args")
local errors = require("resty.etcd.errors")
local int64 = require("resty.etcd.int64")
local mirrors = require("resty.etcd.mirror")
local rpcs = require("resty.etcd.rpc")
local serializer = require("resty.etcd.serializer")
local utils = require("resty.etcd.utils")

---@class resty.etcd.config.PutOptions
---@field if_revision? (string|number) Write only if the document is at this revision; 0: only if there is none.
---@field timeout? number Seconds for the call.

---@class resty.etcd.config.State
---@field cli resty.etcd.dropin.state.State
---@field dir string
---@field mirror resty.etcd.mirror.Mirror Where the documents are read.

--- Documents by name, each with the revision that wrote it.
---@class resty.etcd.config.Config: resty.etcd.config.State
---@field close fun(self: resty.etcd.config.State): true
---@field get fun(self: resty.etcd.config.State, name: string): any, string?
---@field history fun(self: resty.etcd.config.State, name: string, revision: string|number, timeout?: number): any, (string|resty.etcd.errors.EtcdError)?
---@field put fun(self: resty.etcd.config.State, name: string, document: any, opts?: resty.etcd.config.PutOptions): string?, resty.etcd.errors.EtcdError?
---@field wait_ready fun(self: resty.etcd.config.State, timeout?: number): true?, resty.etcd.errors.EtcdError?
---@field watch fun(self: resty.etcd.config.State, name: string, callback: fun(document: any, revision: string?)): fun()?, string?

local function bad_request(message)
    return errors.failure("bad_request", message)
end

local function key_of(state, name)
    return utils.get_real_key(state.cli.key_prefix, state.dir .. name)
end

--- Reads a document; in every phase.
---@param self resty.etcd.config.State
---@param name string
---@return any document # the document and its revision; nil and nil if there is none; nil and "not ready"
---@return string? revision
local function get(self, name)
    local document, kv = self.mirror:get(self.dir .. name)
    if document == nil then
        return nil, kv
    end
    return document, kv.mod_revision
end

--- Has a function called after each change of a document.
---@param self resty.etcd.config.State
---@param name string
---@param callback fun(document: any, revision: string?)
---@return fun()? res # a function that ends it
---@return string? err
local function watch(self, name, callback)
    if type(callback) ~= "function" then
        return nil, "callback must be function"
    end
    local key = self.dir .. name
    return self.mirror:on_change(function(told)
        for ____, change in ipairs(told.changes) do
            local kv = change.kv
            if change.key == key then
                callback(kv and kv.value, kv and kv.mod_revision)
            end
        end
    end)
end

--- Writes a document. The mirror shows it as soon as etcd tells of it.
---@param self resty.etcd.config.State
---@param name string
---@param document any
---@param opts? resty.etcd.config.PutOptions
---@return string? res # its revision; nil and an error, named `conflict` if another has changed it
---@return resty.etcd.errors.EtcdError? err
local function put(self, name, document, opts)
    local wrong = args.check_key(name) or args.check_opts(opts)
    if wrong ~= nil then
        return nil, bad_request(wrong)
    end
    local value, value_err = serializer.serialize(self.cli.serializer, document)
    if value == nil then
        return nil, bad_request(value_err)
    end
    local key = key_of(self, name)
    local message = {}
    message.success = {{request_put = {key = key, value = value}}}
    local wanted
    if (opts and opts.if_revision) ~= nil then
        wanted = int64.to_text(opts.if_revision)
        if wanted == nil then
            return nil, bad_request("opts.if_revision must be a revision")
        end
        message.compare = {{key = key, target = "MOD", result = "EQUAL", mod_revision = wanted}}
    end
    local reply, err = call.unary(self.cli, rpcs.txn, message, opts and opts.timeout)
    if reply == nil then
        return nil, err
    end
    if reply.body.succeeded ~= true then
        return nil, errors.failure(
            "conflict",
            "the document is not at revision " .. tostring(wanted)
        )
    end
    return reply.body.header.revision
end

--- Reads a document as it was at a revision, from etcd.
---@param self resty.etcd.config.State
---@param name string
---@param revision string|number
---@param timeout? number
---@return any document # the document and the revision that wrote it; nil and nil if there was none; nil and an error
---@return (string|resty.etcd.errors.EtcdError)? revision
local function history(self, name, revision, timeout)
    local at = int64.to_text(revision)
    local wrong = args.check_key(name) or (at == nil and "revision must be a revision" or nil)
    if wrong ~= nil then
        return nil, bad_request(wrong)
    end
    local reply, err = call.unary(
        self.cli,
        rpcs.range,
        {
            key = key_of(self, name),
            revision = at
        },
        timeout
    )
    if reply == nil then
        return nil, err
    end
    local ____opt_8 = reply.body.kvs
    local kv = ____opt_8 and ____opt_8[1]
    if kv == nil then
        return nil, nil
    end
    local document = self.cli.serializer.deserialize(kv.value or "")
    return document, kv.mod_revision
end

--- Waits for the first full state; as for mirrors.
---@param self resty.etcd.config.State
---@param timeout? number
---@return true? res
---@return resty.etcd.errors.EtcdError? err
local function wait_ready(self, timeout)
    return self.mirror:wait_ready(timeout)
end

--- Ends following etcd.
---@param self resty.etcd.config.State
---@return true
local function close(self)
    return self.mirror:close()
end
local methods = {
    close = close,
    get = get,
    history = history,
    put = put,
    wait_ready = wait_ready,
    watch = watch
}
local mt = {__index = methods}

--- Documents below a prefix.
---@param cli resty.etcd.dropin.state.State
---@param dir string
---@param opts? resty.etcd.mirror.types.Options those of mirrors
---@return resty.etcd.config.Config? res
---@return string? err
local function create(cli, dir, opts)
    local mirror, err = mirrors.new(cli, dir, opts)
    if mirror == nil then
        return nil, err
    end
    return setmetatable({cli = cli, dir = dir, mirror = mirror}, mt)
end
_M.new = create

return _M
