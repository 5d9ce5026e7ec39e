-- Generated from src/resty/etcd/mirror/decode.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local printable = require("resty.etcd.base.printable")
local protocol_keys = require("resty.etcd.protocol.keys")
local serializers = require("resty.etcd.serializers.serializer")
local sub = string.sub

--- Returns the default `decode`: that of the serializer, which is the client's without the option.
---@param cli resty.etcd.call.client_state.ClientState
---@param choice ("raw"|resty.etcd.serializers.serializer.Serializer|"json"|"json_exact")?
---@return fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any
local function by_serializer(cli, choice)
    local serializer = choice ~= nil and serializers.select_serializer(choice) or cli.serializer
    return function(bytes) return serializer.deserialize(bytes) end
end

local function create(cli, opts, log)
    return {
        decode = opts.decode or by_serializer(cli, opts.serializer),
        has_user_functions = opts.decode ~= nil or opts.validate ~= nil or opts.transform ~= nil,
        validate = opts.validate,
        transform = opts.transform,
        prefix_length = #protocol_keys.with_prefix(cli.key_prefix, ""),
        log = log,
        rejected_count = 0,
        is_calling = false
    }
end

--- Returns a key without the client's `key_prefix`.
---@param decoder resty.etcd.mirror.types.Decoder
---@param raw table
---@return string
local function key_of(decoder, raw)
    return sub(raw.key, decoder.prefix_length + 1)
end

--- Returns why a step rejected an item.
---@param step string
---@param ok boolean whether the user's function returned, instead of throwing
---@param result any what it returned first, or threw
---@param err any
---@param fallback string
---@return string
local function reason(step, ok, result, err, fallback)
    local cause = err
    if not ok then
        cause = result
    end
    return step .. ": " .. error_text.of(cause, fallback)
end

local function without_value(raw, key)
    return {
        key = key,
        value = nil,
        create_revision = raw.create_revision,
        mod_revision = raw.mod_revision,
        version = raw.version,
        lease = raw.lease
    }
end

local function run_functions(decoder, raw, key)
    local ____decoder_0 = decoder
    local decode = ____decoder_0.decode
    local validate = ____decoder_0.validate
    local transform = ____decoder_0.transform
    local kv = without_value(raw, key)
    local decode_ok, value, decode_err = pcall(decode, raw.value or "", kv)
    if not decode_ok or value == nil then
        return nil, reason(
            "decode",
            decode_ok,
            value,
            decode_err,
            "no value"
        )
    end
    kv.value = value
    if validate ~= nil then
        local ok, is_valid, err = pcall(validate, value, key)
        if not ok or is_valid == nil or is_valid == false then
            return nil, reason(
                "validate",
                ok,
                is_valid,
                err,
                "not valid"
            )
        end
    end
    if transform ~= nil then
        local ok, transformed, err = pcall(transform, value, kv)
        if not ok or transformed == nil then
            return nil, reason(
                "transform",
                ok,
                transformed,
                err,
                "no value"
            )
        end
        kv.value = transformed
    end
    return gc_barrier.mark_now(kv)
end

--- Returns the kv for a raw one; nil and the reason if `decode`, `validate` or `transform` rejects it.
---@param decoder resty.etcd.mirror.types.Decoder
---@param raw resty.etcd.protocol.message.RawKv
---@param key string
---@return resty.etcd.mirror.types.Kv? res
---@return string? err
local function make(decoder, raw, key)
    decoder.is_calling = true
    local kv, err = run_functions(decoder, raw, key)
    decoder.is_calling = false
    if kv == nil then
        return nil, err
    end
    return kv
end

--- Logs and counts a rejected item, and returns what `invalid` reports of it.
---@param decoder resty.etcd.mirror.types.Decoder
---@param raw resty.etcd.protocol.message.RawKv
---@param key string
---@param err string
---@return resty.etcd.mirror.types.Invalid
local function reject(decoder, raw, key, err)
    local item = {err = err, create_revision = raw.create_revision, mod_revision = raw.mod_revision}
    decoder.rejected_count = decoder.rejected_count + 1
    rate_limited_log.warn(
        decoder.log,
        "invalid item: " .. printable.key(key) .. ": " .. err
    )
    return item
end
_M.key_of = key_of
_M.make = make
_M.new = create
_M.reject = reject

return _M
