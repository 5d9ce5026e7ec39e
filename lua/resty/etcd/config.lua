-- Generated from src/resty/etcd/config.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local checks = require("resty.etcd.base.checks")
local glued_prefix = require("resty.etcd.base.glued_prefix")
local documents = require("resty.etcd.config.documents")
local options = require("resty.etcd.config.options")
local watches = require("resty.etcd.config.watches")
local writes = require("resty.etcd.config.writes")
local completeness = require("resty.etcd.protocol.completeness")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local mirrors = require("resty.etcd.mirror.mirror")
local decode = require("resty.etcd.mirror.decode")
local facade = require("resty.etcd.mirror.facade")
local rpcs = require("resty.etcd.protocol.rpc")
local serializers = require("resty.etcd.serializers.serializer")
local sub = string.sub

--- Documents by name, each with the revision that wrote it.
---@class resty.etcd.config.Config: resty.etcd.config.writes.State
---@field age fun(self: resty.etcd.mirror.facade.Facade): number
---@field close fun(self: resty.etcd.mirror.facade.Facade): true
---@field delete fun(self: resty.etcd.config.writes.State, name: string, opts?: resty.etcd.config.writes.WriteOptions): string?, string?, resty.etcd.protocol.errors.EtcdError?
---@field get fun(self: resty.etcd.config.writes.State, name: string, default_document?: any): any, string?, (resty.etcd.protocol.errors.EtcdError|resty.etcd.mirror.types.Invalid)?
---@field history fun(self: resty.etcd.config.writes.State, name: string, revision: string|number, timeout?: number): any, string?, resty.etcd.protocol.errors.EtcdError?
---@field invalid fun(self: resty.etcd.config.writes.State): table<string, resty.etcd.mirror.types.Invalid>
---@field names fun(self: resty.etcd.config.writes.State): string[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field put fun(self: resty.etcd.config.writes.State, name: string, document: any, opts?: resty.etcd.config.writes.WriteOptions): string?, string?, resty.etcd.protocol.errors.EtcdError?
---@field ready fun(self: resty.etcd.mirror.facade.Facade): boolean
---@field state fun(self: resty.etcd.mirror.facade.Facade): resty.etcd.mirror.status.Status
---@field wait_ready fun(self: resty.etcd.mirror.facade.Facade, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?
---@field watch fun(self: resty.etcd.config.writes.State, name: string, callback: fun(document: any, revision: string?), opts?: resty.etcd.config.watches.WatchOptions): fun()?, string?, resty.etcd.protocol.errors.EtcdError?

--- Returns a document from the mirror. It works in every phase.
---@param self resty.etcd.config.writes.State
---@param name string
---@param default_document? any returned instead of nil, also before the first state; nil: that of the option `defaults`
---@return any document # the document and its revision; nil or the default, and nil, if it is absent; nil, an error text and the details. If etcd has a newer document that is invalid, the third result is its `{err, mod_revision, create_revision}`
---@return string? revision
---@return (resty.etcd.protocol.errors.EtcdError|resty.etcd.mirror.types.Invalid)? newer
local function get(self, name, default_document)
    if type(name) ~= "string" then
        return errors.bad_request("key must be string")
    end
    local key = self.dir .. name
    local ____, kv, err, details = self.mirror:get(key)
    local document = documents.of(kv)
    local newer = self.mirror.store.invalid_items[key]
    if document ~= nil then
        return document, kv.mod_revision, newer
    end
    local replacement = default_document
    if replacement == nil then
        replacement = self.defaults[name]
    end
    if replacement == nil and err ~= nil then
        return nil, err, details
    end
    return replacement, nil, newer
end

--- Returns the names of all documents, sorted, in an array that must not be written to.
---@param self resty.etcd.config.writes.State
---@return string[]? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function names(self)
    local kvs, err, details = self.mirror:all()
    if kvs == nil then
        return nil, err, details
    end
    if self.listed ~= kvs then
        local list = {}
        for ____, kv in ipairs(kvs) do
            if documents.of(kv) ~= nil then
                list[#list + 1] = sub(kv.key, #self.dir + 1)
            end
        end
        self.listed = kvs
        self.listed_names = list
    end
    return self.listed_names
end

--- Returns the invalid documents by name.
---@param self resty.etcd.config.writes.State
---@return table<string, resty.etcd.mirror.types.Invalid>
local function invalid(self)
    local by_name = {}
    for key, item in pairs(self.mirror.store.invalid_items) do
        by_name[sub(key, #self.dir + 1)] = item
    end
    return by_name
end

--- Checks the arguments of `history`. Returns an error text, or nil.
---@param name any
---@param revision string?
---@param timeout any
---@return string?
local function check_history(name, revision, timeout)
    if revision == nil or tonumber(revision) < 1 then
        return "revision must be a revision"
    end
    return checks.check_key(name) or checks.check_method_options({timeout = timeout})
end

--- Reads a document as of a revision from etcd. It is decoded, validated and transformed as by the mirror.
---@param self resty.etcd.config.writes.State
---@param name string
---@param revision string|number
---@param timeout? number
---@return any document # the document and the revision that wrote it; nil and nil if it was absent; nil, an error text and the details, named `invalid` if the document is invalid
---@return string? revision
---@return resty.etcd.protocol.errors.EtcdError? details
local function history(self, name, revision, timeout)
    local at = int64.to_text(revision)
    local problem = check_history(name, at, timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local key = writes.key_of(self, name)
    local call_options = {timeout = timeout}
    local reply, err = call.unary(self.cli, rpcs.range, {key = key, revision = at}, call_options)
    if reply == nil then
        return errors.to_result(err)
    end
    local ____opt_0 = reply.body.kvs
    local raw = ____opt_0 and ____opt_0[1]
    if raw == nil then
        return nil, nil
    end
    local raw_err = completeness.check_read(raw, key, call_options.answered_by)
    if raw_err ~= nil then
        return errors.to_result(raw_err)
    end
    local kv, reason = decode.make(self.mirror.decoder, raw, self.dir .. name)
    if kv == nil then
        local err_invalid = errors.local_error("invalid", reason)
        err_invalid.revision = raw.mod_revision
        return errors.to_result(err_invalid)
    end
    local document = documents.of(kv)
    return document, document ~= nil and kv.mod_revision or nil
end
local methods = {
    age = facade.age,
    close = facade.close,
    delete = writes.remove,
    get = get,
    history = history,
    invalid = invalid,
    names = names,
    put = writes.put,
    ready = facade.ready,
    state = facade.state_of,
    wait_ready = facade.wait_ready,
    watch = watches.watch
}
local mt = {__index = methods}

--- Creates a configuration store of the documents below a prefix.
---@param cli resty.etcd.call.client_state.ClientState
---@param dir string
---@param opts? resty.etcd.config.options.Options
---@return resty.etcd.config.Config? res # the store; nil, an error text and the details
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(cli, dir, opts)
    local problem = checks.check_client(cli) or options.check(opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local given = opts or ({})
    local mirror, err, details = mirrors.new(
        cli,
        dir,
        options.of_mirror(cli, given)
    )
    if mirror == nil then
        return nil, err, details
    end
    glued_prefix.warn("configuration store", dir)
    local serializer = serializers.select_serializer(options.serializer_of(cli, given))
    local defaults = given.defaults or ({})
    return setmetatable({
        cli = cli,
        dir = dir,
        mirror = mirror,
        serializer = serializer,
        defaults = defaults,
        listed_names = {}
    }, mt)
end
_M.new = create

return _M
