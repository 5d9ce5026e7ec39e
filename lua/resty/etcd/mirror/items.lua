-- Generated from src/resty/etcd/mirror/items.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.clock")
local newest = require("resty.etcd.newest")
local guard = pcall
local min = math.min

--- Lines about invalid items in a burst, and how many more a second.
local BURST = 20
local PER_SECOND = 1

--- What a user's function says was wrong, whatever it is.
---@param err any
---@param otherwise string
---@return string
local function text_of(err, otherwise)
    if err == nil then
        return otherwise
    end
    local ok, text = guard(tostring, err)
    return ok and text or otherwise
end

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
    return step .. ": " .. text_of(said, otherwise)
end

--- How values are read where a mirror does not say.
---@param cli resty.etcd.dropin.state.State
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
---@param raw resty.etcd.feed.RawKv
---@param key string
---@return resty.etcd.mirror.types.Kv? res
---@return string? err
local function make(state, raw, key)
    local ____state_opts_0 = state.opts
    local validate = ____state_opts_0.validate
    local transform = ____state_opts_0.transform
    local kv = bare(raw, key)
    local decoded, value, decode_err = guard(state.decode, raw.value or "", kv)
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
        local ran, good, why = guard(validate, value, key)
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
        local ran, made, why = guard(transform, value, kv)
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
    return newest.show(kv)
end

--- Says once that an item is not taken in; of very many, not of each.
---@param state resty.etcd.mirror.types.State
---@param key string
---@param item resty.etcd.mirror.types.Invalid
local function log_invalid(state, key, item)
    local time = clock.now()
    state.log_tokens = min(BURST, state.log_tokens + (time - state.log_refilled) * PER_SECOND)
    state.log_refilled = time
    if state.log_tokens < 1 then
        state.log_withheld = state.log_withheld + 1
        return
    end
    state.log_tokens = state.log_tokens - 1
    local printable = string.gsub(key .. ": " .. item.err, "%c", "?")
    local others = state.log_withheld > 0 and " (and " .. tostring(state.log_withheld) .. " others)" or ""
    state.log_withheld = 0
    ngx.log(
        ngx.WARN,
        "mirror of ",
        state.dir,
        ": item not taken in: ",
        printable,
        others
    )
end

--- Why an item is not taken in, for those who ask later.
---@param state resty.etcd.mirror.types.State
---@param raw resty.etcd.feed.RawKv
---@param key string
---@param err string
---@return resty.etcd.mirror.types.Invalid
local function reject(state, raw, key, err)
    local item = {err = err, create_revision = raw.create_revision, mod_revision = raw.mod_revision}
    state.counters.invalid = state.counters.invalid + 1
    log_invalid(state, key, item)
    return item
end
_M.BURST = BURST
_M.by_serializer = by_serializer
_M.make = make
_M.reject = reject

return _M
