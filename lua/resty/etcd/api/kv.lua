-- Generated from src/resty/etcd/api/kv.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local call = require("resty.etcd.call.call")
local paged_range = require("resty.etcd.call.paged_range")
local rpcs = require("resty.etcd.protocol.rpc")
local serializer = require("resty.etcd.serializers.serializer")
local method_options = require("resty.etcd.api.method_options")
local request_options = require("resty.etcd.api.request_options")
local idempotent_put = require("resty.etcd.api.idempotent_put")
local result = require("resty.etcd.api.result")

---@class resty.etcd.api.kv.CallOptions
---@field timeout? number Deadline of the call in seconds; default the client's. With 0, only nginx's socket timeouts apply.

--- Options of a range read.
---@class resty.etcd.api.kv.RangeOptions: resty.etcd.api.kv.CallOptions
---@field revision? (string|number) Read the state at this revision; default the current one.
---@field limit? (string|number) Greatest number of keys to return.
---@field sort_order? (string|number) "NONE", "ASCEND" or "DESCEND", or the enum number.
---@field sort_target? (string|number) "KEY", "VERSION", "CREATE", "MOD" or "VALUE", or the enum number.
---@field serializable? boolean Let the member respond from its own state, which can be stale; default false: a linearizable read.
---@field keys_only? boolean
---@field count_only? boolean
---@field min_mod_revision? (string|number)
---@field max_mod_revision? (string|number)
---@field min_create_revision? (string|number)
---@field max_create_revision? (string|number)

---@class resty.etcd.api.kv.GetOptions: resty.etcd.api.kv.RangeOptions
---@field range_end? string Read all keys from `key` up to this one, exclusive; "\0": all keys from `key` on.

---@class resty.etcd.api.kv.GetBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field kvs? resty.etcd.protocol.message.KeyValue[] nil if no key matches.
---@field more? true More keys match than `limit` allows.
---@field count? string Number of keys that match, independent of `limit`; nil if none does.

---@class resty.etcd.api.kv.SetOptions: resty.etcd.api.kv.CallOptions
---@field lease? (string|number) ID of the lease to attach.
---@field prev_kv? boolean Return the previous key-value pair.
---@field ignore_value? boolean Keep the current value.
---@field ignore_lease? boolean Keep the current lease.
---@field idempotent? boolean Retry the write when its outcome is unknown: a marker ensures that etcd applies it once. Default false.

---@class resty.etcd.api.kv.SetBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field prev_kv? resty.etcd.protocol.message.KeyValue
---@field replayed? true With `idempotent`: an earlier attempt was applied.

---@class resty.etcd.api.kv.RmdirOptions: resty.etcd.api.kv.CallOptions
---@field prev_kv? boolean Return the deleted key-value pairs.

---@class resty.etcd.api.kv.DeleteOptions: resty.etcd.api.kv.RmdirOptions
---@field range_end? string Delete all keys from `key` up to this one, exclusive.

---@class resty.etcd.api.kv.DeleteBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field deleted? string Number of deleted keys; nil if none.
---@field prev_kvs? resty.etcd.protocol.message.KeyValue[]

local PUT_OPTIONS = {"lease", "prev_kv", "ignore_value", "ignore_lease"}

--- Returns a request for a key, or nil and an error text if an argument is invalid.
---@param cli resty.etcd.call.client_state.ClientState
---@param method "set"|"get"|"delete"
---@param key any
---@param opts table?
---@return table? res
---@return string? err
local function key_request(cli, method, key, opts)
    local problem = checks.check_key(key) or method_options.check(method, opts)
    if problem ~= nil then
        return nil, problem
    end
    local request = {}
    request.key = keys.with_prefix(cli.key_prefix, key)
    return request
end

--- Returns a request for a key, or for the range from the key up to `opts.range_end`.
---@param cli resty.etcd.call.client_state.ClientState
---@param method "get"|"delete"
---@param key any
---@param opts table?
---@return table? res
---@return string? err
local function range_request(cli, method, key, opts)
    local request, problem = key_request(cli, method, key, opts)
    if request == nil then
        return nil, problem
    end
    if (opts and opts.range_end) ~= nil then
        request.range_end = keys.real_range_end(cli.key_prefix, opts.range_end)
    end
    return request
end

local function range(cli, request, opts)
    request_options.copy(opts, request_options.RANGE_OPTIONS, request)
    local reply, err, error_reply = call.unary(cli, rpcs.range, request, {timeout = opts and opts.timeout})
    if reply ~= nil then
        result.decode_values(cli.serializer, reply.body.kvs)
    end
    return result.to_result_or_error_reply(reply, err, error_reply)
end

--- Reads a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param opts? resty.etcd.api.kv.GetOptions
---@return resty.etcd.api.result.Response? res # the response; `res.body.kvs` is nil if the key does not exist
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function get(self, key, opts)
    local request, problem = range_request(self, "get", key, opts)
    if request == nil then
        return errors.bad_request(problem)
    end
    return range(self, request, opts)
end

--- Reports whether a read must be a single request: pages need all keys, in key order.
---@param opts resty.etcd.api.kv.RangeOptions
---@return boolean
local function is_cut_or_sorted(opts)
    return opts.limit ~= nil or opts.sort_order ~= nil or opts.sort_target ~= nil or opts.count_only == true
end

local function decode_page(cli, kvs)
    result.decode_values(cli.serializer, kvs)
end

--- Reads all keys with the prefix `dir`; `/a` also matches `/ab`. A large range is read in pages at one revision and
--- returned as one response; `timeout` applies to each page.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string "" for all keys
---@param opts? resty.etcd.api.kv.RangeOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function readdir(self, dir, opts)
    local problem = checks.check_key_prefix(dir) or method_options.check("readdir", opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local request = keys.prefix_range(self.key_prefix, dir)
    if opts ~= nil and is_cut_or_sorted(opts) then
        return range(self, request, opts)
    end
    request_options.copy(opts, request_options.RANGE_OPTIONS, request)
    local reply, err, error_reply = paged_range.read_all(
        self,
        request,
        opts and opts.timeout,
        decode_page,
        self
    )
    return result.to_result_or_error_reply(reply, err, error_reply)
end

local function put(cli, request, opts)
    if (opts and opts.idempotent) == true then
        return idempotent_put.put(cli, request, opts.timeout or cli.timeout, opts.prev_kv == true)
    end
    return call.unary(cli, rpcs.put, request, {timeout = opts and opts.timeout})
end

--- Writes a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param val any encoded by the client's serializer
---@param opts? resty.etcd.api.kv.SetOptions
---@return resty.etcd.api.result.Response? res # the response; `res.body.prev_kv` is nil unless `opts.prev_kv` is set and the key existed
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function set(self, key, val, opts)
    local request, problem = key_request(self, "set", key, opts)
    if request == nil then
        return errors.bad_request(problem)
    end
    if (opts and opts.ignore_value) ~= true then
        local value, value_err = serializer.serialize(self.serializer, val)
        if value == nil then
            return errors.bad_request(value_err)
        end
        request.value = value
    end
    request_options.copy(opts, PUT_OPTIONS, request)
    local reply, err, error_reply = put(self, request, opts)
    if reply ~= nil then
        result.decode_value(self.serializer, reply.body.prev_kv)
    end
    return result.to_result_or_error_reply(reply, err, error_reply)
end

local function delete_range(cli, request, opts)
    request_options.copy(opts, {"prev_kv"}, request)
    local reply, err, error_reply = call.unary(cli, rpcs.delete_range, request, {timeout = opts and opts.timeout})
    if reply ~= nil then
        result.decode_values(cli.serializer, reply.body.prev_kvs)
    end
    return result.to_result_or_error_reply(reply, err, error_reply)
end

--- Deletes a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param opts? resty.etcd.api.kv.DeleteOptions
---@return resty.etcd.api.result.Response? res # the response; `res.body.deleted` is nil if the key did not exist
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function delete_key(self, key, opts)
    local request, problem = range_request(self, "delete", key, opts)
    if request == nil then
        return errors.bad_request(problem)
    end
    return delete_range(self, request, opts)
end

--- Deletes all keys with the prefix `dir`. The prefix including the client's `key_prefix` must not be empty, so that a
--- mistake cannot delete all keys of etcd.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string
---@param opts? resty.etcd.api.kv.RmdirOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function rmdir(self, dir, opts)
    local problem = checks.check_key_prefix(dir) or method_options.check("rmdir", opts) or checks.check_key(keys.with_prefix(self.key_prefix, dir))
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    return delete_range(
        self,
        keys.prefix_range(self.key_prefix, dir),
        opts
    )
end
_M.delete_key = delete_key
_M.get = get
_M.readdir = readdir
_M.rmdir = rmdir
_M.set = set

return _M
