-- Generated from src/resty/etcd/mirror/confirmation.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local int64 = require("resty.etcd.protocol.int64")
local keys = require("resty.etcd.protocol.keys")
local rpcs = require("resty.etcd.protocol.rpc")
local apply_batch = require("resty.etcd.mirror.apply_batch")

--- Returns the number of keys that etcd has below the prefix, as far as the mirror knows.
---@param store resty.etcd.mirror.types.Store
---@return number
local function count_keys(store)
    local count = store.key_count
    for key in pairs(store.invalid_items) do
        if store.kvs[key] == nil then
            count = count + 1
        end
    end
    return count
end

--- Returns the ID of the cluster that the content is from; nil if the feed does not know it.
---@param loop resty.etcd.mirror.types.Loop
---@return string?
local function cluster_of(loop)
    local feed = loop.feed
    local ____temp_2
    if (feed and feed.cluster_id) ~= nil then
        ____temp_2 = feed:cluster_id()
    else
        ____temp_2 = nil
    end
    return ____temp_2
end

--- Reports whether the content, as of `revision`, equals the range that etcd has described.
---@param state resty.etcd.mirror.types.State
---@param revision number
---@param reply table
---@return boolean
local function is_equal(state, revision, reply)
    local ____state_3 = state
    local loop = ____state_3.loop
    local store = ____state_3.store
    if loop.is_applying or loop.feed == nil or loop.feed_revision ~= revision then
        return false
    end
    local header = reply.header
    local kvs = reply.kvs or ({})
    local count = int64.to_number(reply.count) or 0
    return #kvs == 0 and count == count_keys(store) and (header and header.cluster_id) == cluster_of(loop)
end

--- Reports whether etcd can be asked: the content is from etcd, not from a snapshot file.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function can_ask(state)
    return state.loop.has_etcd_state
end

--- Asks etcd whether the content is still current, and notes it if that is so.
---@param state resty.etcd.mirror.types.State
---@param timeout number seconds
---@return resty.etcd.protocol.errors.EtcdError? # an error if etcd did not answer
local function ask(state, timeout)
    local ____state_6 = state
    local loop = ____state_6.loop
    local store = ____state_6.store
    local revision = loop.feed_revision
    local request = {}
    for name, value in pairs(keys.prefix_range(state.cli.key_prefix, state.dir)) do
        request[name] = value
    end
    request.min_mod_revision = string.format("%d", revision + 1)
    request.keys_only = true
    request.limit = 1
    local reply, err = call.unary(state.cli, rpcs.range, request, {timeout = timeout, quiet = true})
    if reply == nil then
        return err
    end
    local header = reply.body.header
    local confirmed = int64.to_number(header and header.revision) or 0
    if confirmed > store.revision and is_equal(state, revision, reply.body) then
        apply_batch.confirm(state, confirmed)
    end
    return nil
end
_M.ask = ask
_M.can_ask = can_ask

return _M
