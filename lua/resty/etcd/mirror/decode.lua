-- Generated from src/resty/etcd/mirror/decode.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")

--- Why a step of the way has led to nothing: what the user's function said, or what it threw.
---@param step string
---@param ran boolean
---@param result any
---@param err any
---@param otherwise string
---@return string
local function reason(step, ran, result, err, otherwise)
    local said = err
    if not ran then
        said = result
    end
    return step .. ": " .. error_text.of(said, otherwise)
end

--- How values are read where a mirror does not say.
---@param cli resty.etcd.call.client_state.ClientState
---@return fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any
local function by_serializer(cli)
    local serializer = cli.serializer
    return function(bytes) return serializer.deserialize(bytes) end
end

local function bare(raw, key)
    return {
        key = key,
        value = nil,
        create_revision = raw.create_revision,
        mod_revision = raw.mod_revision,
        version = raw.version,
        lease = raw.lease
    }
end

--- What was read from etcd as `get` is to answer it; or nil and why it cannot be taken in.
---@param state resty.etcd.mirror.types.State
---@param raw resty.etcd.protocol.message.RawKv
---@param key string
---@return resty.etcd.mirror.types.Kv? res
---@return string? err
local function make(state, raw, key)
    local ____state_opts_0 = state.opts
    local validate = ____state_opts_0.validate
    local transform = ____state_opts_0.transform
    local kv = bare(raw, key)
    local decoded, value, decode_err = pcall(state.decode, raw.value or "", kv)
    if not decoded or value == nil then
        return nil, reason(
            "decode",
            decoded,
            value,
            decode_err,
            "no value"
        )
    end
    kv.value = value
    if validate ~= nil then
        local ran, good, why = pcall(validate, value, key)
        if not ran or good == nil or good == false then
            return nil, reason(
                "validate",
                ran,
                good,
                why,
                "not valid"
            )
        end
    end
    if transform ~= nil then
        local ran, made, why = pcall(transform, value, kv)
        if not ran or made == nil then
            return nil, reason(
                "transform",
                ran,
                made,
                why,
                "no value"
            )
        end
        kv.value = made
    end
    return gc_barrier.mark_now(kv)
end

--- Why an item is not taken in, for those who ask later.
---@param state resty.etcd.mirror.types.State
---@param raw resty.etcd.protocol.message.RawKv
---@param key string
---@param err string
---@return resty.etcd.mirror.types.Invalid
local function reject(state, raw, key, err)
    local item = {err = err, create_revision = raw.create_revision, mod_revision = raw.mod_revision}
    state.counters.invalid = state.counters.invalid + 1
    rate_limited_log.warn(state.log, "item not taken in: " .. key .. ": " .. err)
    return item
end
_M.by_serializer = by_serializer
_M.make = make
_M.reject = reject

return _M
