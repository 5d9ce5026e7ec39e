-- Generated from src/resty/etcd/mirror/linearizable.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local cluster = require("resty.etcd.call.cluster")
local completeness = require("resty.etcd.protocol.completeness")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local decode = require("resty.etcd.mirror.decode")
local options = require("resty.etcd.mirror.options")

--- Performs a linearizable read from etcd, bypassing the mirror. The item is decoded, validated and transformed.
---@param self resty.etcd.mirror.types.State
---@param key string
---@param timeout? number
---@return any value # the value and the kv; nil and nil for an absent key; nil, an error text and the details, which have the name `invalid` for an item that the mirror rejects
---@return (string|resty.etcd.mirror.types.Kv)? kv
---@return resty.etcd.protocol.errors.EtcdError? details
local function get_linearizable(self, key, timeout)
    local problem = checks.check_key(key) or options.check_timeout(timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local real_key = keys.with_prefix(self.cli.key_prefix, key)
    local call_options = {timeout = timeout}
    local reply, err = cluster.read(self.cli, rpcs.range, {key = real_key}, call_options)
    if reply == nil then
        return errors.to_result(err)
    end
    local ____opt_0 = reply.body.kvs
    local raw = ____opt_0 and ____opt_0[1]
    if raw == nil then
        return nil, nil
    end
    local raw_err = completeness.check_read(raw, real_key, call_options.answered_by)
    if raw_err ~= nil then
        return errors.to_result(raw_err)
    end
    local kv, reason = decode.make(
        self.decoder,
        raw,
        decode.key_of(self.decoder, raw)
    )
    if kv == nil then
        return errors.to_result(errors.local_error("invalid", reason))
    end
    return kv.value, kv
end
_M.get_linearizable = get_linearizable

return _M
