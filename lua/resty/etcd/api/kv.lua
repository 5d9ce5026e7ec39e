-- Generated from src/resty/etcd/api/kv.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local call = require("resty.etcd.call.call")
local paged_range = require("resty.etcd.call.paged_range")
local rpcs = require("resty.etcd.protocol.rpc")
local serializer = require("resty.etcd.serializers.serializer")
local request_options = require("resty.etcd.api.request_options")
local idempotent_put = require("resty.etcd.api.idempotent_put")
local result = require("resty.etcd.api.result")

---@class resty.etcd.api.kv.CallOptions
---@field timeout? number Seconds for the whole call; default the client's; 0 leaves it to nginx's socket timeouts.

--- What to read and how.
---@class resty.etcd.api.kv.RangeOptions: resty.etcd.api.kv.CallOptions
---@field revision? (string|number) Read as of this revision.
---@field limit? (string|number) At most this many keys.
---@field sort_order? (string|number) "NONE", "ASCEND" or "DESCEND", or their numbers.
---@field sort_target? (string|number) "KEY", "VERSION", "CREATE", "MOD" or "VALUE", or their numbers.
---@field serializable? boolean Any member may answer from what it has, which may be stale; default false.
---@field keys_only? boolean
---@field count_only? boolean
---@field min_mod_revision? (string|number)
---@field max_mod_revision? (string|number)
---@field min_create_revision? (string|number)
---@field max_create_revision? (string|number)

---@class resty.etcd.api.kv.GetOptions: resty.etcd.api.kv.RangeOptions
---@field range_end? string Read all keys from `key` up to this one; "\0": all from `key` on.

---@class resty.etcd.api.kv.GetBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field kvs? resty.etcd.protocol.message.KeyValue[] nil if there are none.
---@field more? true There are more keys than `limit` let through.
---@field count? string How many keys there are, whatever `limit` is; nil if none.

---@class resty.etcd.api.kv.SetOptions: resty.etcd.api.kv.CallOptions
---@field lease? (string|number) ID of the lease to attach.
---@field prev_kv? boolean Answer what the key was before.
---@field ignore_value? boolean Keep the value that is stored.
---@field ignore_lease? boolean Keep the lease that is attached.
---@field idempotent? boolean May be sent again when its outcome is unknown, as it is applied once; default false.

---@class resty.etcd.api.kv.SetBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field prev_kv? resty.etcd.protocol.message.KeyValue
---@field replayed? true Of an idempotent one: an earlier try turned out to have been applied.

---@class resty.etcd.api.kv.RmdirOptions: resty.etcd.api.kv.CallOptions
---@field prev_kv? boolean Answer what was deleted.

---@class resty.etcd.api.kv.DeleteOptions: resty.etcd.api.kv.RmdirOptions
---@field range_end? string Delete all keys from `key` up to this one.

---@class resty.etcd.api.kv.DeleteBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field deleted? string How many keys were deleted; nil if none.
---@field prev_kvs? resty.etcd.protocol.message.KeyValue[]

local RANGE_OPTIONS = {
    "revision",
    "limit",
    "sort_order",
    "sort_target",
    "serializable",
    "keys_only",
    "count_only",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision"
}
local PUT_OPTIONS = {"lease", "prev_kv", "ignore_value", "ignore_lease"}

--- A request for a key; or nil and what is wrong with the arguments.
---@param cli resty.etcd.call.client_state.ClientState
---@param key any
---@param opts any
---@return table? res
---@return string? err
local function key_request(cli, key, opts)
    local wrong = checks.check_key(key) or checks.check_method_options(opts)
    if wrong ~= nil then
        return nil, wrong
    end
    local request = {}
    request.key = keys.with_prefix(cli.key_prefix, key)
    return request
end

--- A request for a key, or for all keys from it up to another.
---@param cli resty.etcd.call.client_state.ClientState
---@param key any
---@param opts table?
---@return table? res
---@return string? err
local function range_request(cli, key, opts)
    local request, wrong = key_request(cli, key, opts)
    if request == nil then
        return nil, wrong
    end
    if (opts and opts.range_end) ~= nil then
        request.range_end = keys.real_range_end(cli.key_prefix, opts.range_end)
    end
    return request
end

local function range(cli, request, opts)
    request_options.copy(opts, RANGE_OPTIONS, request)
    local reply, err, refusal = call.unary(cli, rpcs.range, request, {timeout = opts and opts.timeout})
    if reply ~= nil then
        result.decode_values(cli.serializer, reply.body.kvs)
    end
    return result.to_result_or_refusal(reply, err, refusal)
end

--- Reads a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param opts? resty.etcd.api.kv.GetOptions
---@return resty.etcd.api.result.Response? res # `res.body.kvs` is nil if there is no such key
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function get(self, key, opts)
    local request, wrong = range_request(self, key, opts)
    if request == nil then
        return result.argument_error(wrong)
    end
    return range(self, request, opts)
end

--- Read as it is, in one go: by limit, in another order than that of the keys, or as a mere number.
---@param opts resty.etcd.api.kv.RangeOptions
---@return boolean
local function is_cut_or_sorted(opts)
    return opts.limit ~= nil or opts.sort_order ~= nil or opts.sort_target ~= nil or opts.count_only == true
end

local function decode_page(cli, kvs)
    result.decode_values(cli.serializer, kvs)
end

--- Reads all keys that start with `dir`, which is taken as it is: `/a` also finds `/ab`. A large directory is read
--- in pages at one revision; the result looks like one reply, and `timeout` is for each page.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string "" for all keys
---@param opts? resty.etcd.api.kv.RangeOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function readdir(self, dir, opts)
    local wrong = type(dir) ~= "string" and "key must be string" or checks.check_method_options(opts)
    if wrong ~= nil then
        return result.argument_error(wrong)
    end
    local request = keys.prefix_range(self.key_prefix, dir)
    if opts ~= nil and is_cut_or_sorted(opts) then
        return range(self, request, opts)
    end
    request_options.copy(opts, RANGE_OPTIONS, request)
    local reply, err, refusal = paged_range.read_all(
        self,
        request,
        opts and opts.timeout,
        decode_page,
        self
    )
    return result.to_result_or_refusal(reply, err, refusal)
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
---@param val any goes through the serializer
---@param opts? resty.etcd.api.kv.SetOptions
---@return resty.etcd.api.result.Response? res # `res.body.prev_kv` only if it was asked for and there was such a key
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function set(self, key, val, opts)
    local request, wrong = key_request(self, key, opts)
    if request == nil then
        return result.argument_error(wrong)
    end
    if (opts and opts.ignore_value) ~= true then
        local value, value_err = serializer.serialize(self.serializer, val)
        if value == nil then
            return result.argument_error(value_err)
        end
        request.value = value
    end
    request_options.copy(opts, PUT_OPTIONS, request)
    local reply, err, refusal = put(self, request, opts)
    if reply ~= nil then
        result.decode_value(self.serializer, reply.body.prev_kv)
    end
    return result.to_result_or_refusal(reply, err, refusal)
end

local function delete_range(cli, request, opts)
    request_options.copy(opts, {"prev_kv"}, request)
    local reply, err, refusal = call.unary(cli, rpcs.delete_range, request, {timeout = opts and opts.timeout})
    if reply ~= nil then
        result.decode_values(cli.serializer, reply.body.prev_kvs)
    end
    return result.to_result_or_refusal(reply, err, refusal)
end

--- Deletes a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param opts? resty.etcd.api.kv.DeleteOptions
---@return resty.etcd.api.result.Response? res # `res.body.deleted` is nil if there was no such key
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function delete_key(self, key, opts)
    local request, wrong = range_request(self, key, opts)
    if request == nil then
        return result.argument_error(wrong)
    end
    return delete_range(self, request, opts)
end

--- Deletes all keys that start with `dir`. Together with the client's `key_prefix` it must not be empty: nobody
--- empties a whole etcd by mistake.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string
---@param opts? resty.etcd.api.kv.RmdirOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function rmdir(self, dir, opts)
    local wrong = type(dir) ~= "string" and "key must be string" or (checks.check_method_options(opts) or checks.check_key(keys.with_prefix(self.key_prefix, dir)))
    if wrong ~= nil then
        return result.argument_error(wrong)
    end
    return delete_range(
        self,
        keys.prefix_range(self.key_prefix, dir),
        opts
    )
end
_M.RANGE_OPTIONS = RANGE_OPTIONS
_M.delete_key = delete_key
_M.get = get
_M.readdir = readdir
_M.rmdir = rmdir
_M.set = set

return _M
