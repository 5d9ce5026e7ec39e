-- Generated from src/resty/etcd/config/writes.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local clock = require("resty.etcd.base.clock")
local cjson = require("cjson.safe")
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local errors = require("resty.etcd.protocol.errors")
local txn_response = require("resty.etcd.protocol.txn_response")
local int64 = require("resty.etcd.protocol.int64")
local rpcs = require("resty.etcd.protocol.rpc")
local serializers = require("resty.etcd.serializers.serializer")
local max = math.max
local now = clock.now

---@class resty.etcd.config.writes.State
---@field cli resty.etcd.call.client_state.ClientState
---@field dir string
---@field mirror resty.etcd.mirror.mirror.Mirror Serves the reads.
---@field serializer resty.etcd.serializers.serializer.Serializer Encodes the documents.
---@field defaults table<string, any> What `get` returns for an absent document, by name.
---@field listed resty.etcd.mirror.types.Kv[]? The kvs that `listed_names` was made from.
---@field listed_names string[]

---@class resty.etcd.config.writes.WriteOptions
---@field if_revision? (string|number) Write only if the document is at this revision; 0: only if it is absent.
---@field timeout? number In seconds.

--- Seconds that a write waits until `get` shows it if the client has no timeout (0).
local DEFAULT_WAIT = 5

local function check_revision(value)
    return (tonumber(int64.to_text(value)) or -1) < 0 and "opts.if_revision must be a revision" or nil
end
local WRITE_OPTIONS = {rules = {{name = "timeout", type = "number", min = 0, expected = "number of seconds"}, {name = "if_revision", check = check_revision}}}

local function key_of(state, name)
    return keys.with_prefix(state.cli.key_prefix, state.dir .. name)
end

--- Checks the arguments of a write. Returns an error text, or nil.
---@param name any
---@param opts resty.etcd.config.writes.WriteOptions?
---@return string?
local function check_write(name, opts)
    return checks.check_key(name) or checks.check_options(opts, WRITE_OPTIONS)
end

--- Returns the error for a reply that does not tell whether the document was written.
---@param problem string
---@param endpoint string?
---@return resty.etcd.protocol.errors.EtcdError
local function malformed(problem, endpoint)
    return errors.with_outcome(
        errors.local_error("bad_reply", problem, endpoint),
        true
    )
end

--- Performs a write, as a transaction that checks `if_revision`.
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
    local options = {timeout = opts and opts.timeout, prefer = state.cli.cluster.member}
    local reply, err = call.unary(state.cli, rpcs.txn, message, options)
    if reply == nil then
        return nil, err
    end
    if not cluster.accepts_reply(state.cli, reply, options) then
        local has_written = reply.body.succeeded == true
        return nil, errors.with_outcome(
            cluster.error_of(state.cli, reply, options),
            has_written
        )
    end
    if reply.body.succeeded ~= true then
        local kv, problem = txn_response.read_of(reply.body, key)
        if problem ~= nil then
            return nil, malformed(problem, options.answered_by)
        end
        local revision = kv and kv.mod_revision or "0"
        local text = "the document is not at revision " .. tostring(wanted) .. ", but at " .. revision
        local conflict = errors.local_error("conflict", text)
        conflict.revision = revision
        return nil, conflict
    end
    return reply.body.header.revision
end

--- Waits until `get` of this worker shows a write, for the rest of the call's timeout.
---@param state resty.etcd.config.writes.State
---@param revision string
---@param started number when the call began
---@param timeout number
---@return resty.etcd.protocol.errors.EtcdError? # why the wait ended before; nil if `get` shows the write. The write was successful in both cases
local function wait_until_visible(state, revision, started, timeout)
    local limit = timeout > 0 and timeout or DEFAULT_WAIT
    local ____, ____, details = state.mirror:wait_revision(
        revision,
        max(
            0,
            started + limit - now()
        )
    )
    return details
end

--- Writes, and waits until `get` shows the result.
---@param state resty.etcd.config.writes.State
---@param key string
---@param operation table
---@param opts resty.etcd.config.writes.WriteOptions?
---@return string? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function write_and_wait(state, key, operation, opts)
    local started = now()
    local revision, err = write(state, key, operation, opts)
    if revision == nil then
        return errors.to_result(err)
    end
    local details = wait_until_visible(state, revision, started, opts and opts.timeout or state.cli.timeout)
    return revision, nil, details
end

--- Writes a document. It returns when `get` of this worker returns the document, or when the timeout has passed.
---@param self resty.etcd.config.writes.State
---@param name string
---@param document any
---@param opts? resty.etcd.config.writes.WriteOptions
---@return string? res # the revision of the write, nil, and nil or why `get` does not return it yet; nil, an error text and the details, named `conflict` if the document is not at `if_revision`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function put(self, name, document, opts)
    local problem = check_write(name, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if document == nil or document == cjson.null then
        return errors.bad_request("document must not be nil: use delete")
    end
    local value, value_err = serializers.serialize(self.serializer, document)
    if value == nil then
        return errors.bad_request(value_err)
    end
    local key = key_of(self, name)
    return write_and_wait(self, key, {request_put = {key = key, value = value}}, opts)
end

--- Deletes a document, and waits as `put`. It is no error if the document is absent.
---@param self resty.etcd.config.writes.State
---@param name string
---@param opts? resty.etcd.config.writes.WriteOptions
---@return string? res # etcd's revision, nil, and nil or why `get` can still return the document; nil, an error text and the details, named `conflict` if the document is not at `if_revision`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function remove(self, name, opts)
    local problem = check_write(name, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local key = key_of(self, name)
    return write_and_wait(self, key, {request_delete_range = {key = key}}, opts)
end
_M.key_of = key_of
_M.put = put
_M.remove = remove

return _M
