-- Generated from src/resty/etcd/watch/reads.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local errors = require("resty.etcd.protocol.errors")
local paged_range = require("resty.etcd.call.paged_range")
local rpcs = require("resty.etcd.protocol.rpc")

--- A client that never goes back in time refuses what an etcd restored from a backup answers.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
local function forget_order(core, err)
    local order = core.revision_floor
    if err.name == "stale_reply" and order ~= nil then
        order.revision = 0
    end
end

--- What a reply says of the etcd that it comes from. What stands in front of etcd may answer without saying so.
---@param reply resty.etcd.transport.transport.Reply
---@return resty.etcd.watch.types.HistoryPoint? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function known_from(reply)
    local header = reply.body.header
    local cluster_id = header and header.cluster_id
    local raft_term = tonumber(header and header.raft_term) or 0
    local revision = tonumber(header and header.revision) or 0
    if cluster_id == nil or raft_term < 1 or revision < 1 then
        return nil, errors.local_error("bad_reply", "malformed reply: it does not say of which revision it is")
    end
    return {cluster_id = cluster_id, raft_term = raft_term, revision = revision}
end

--- Asks etcd how far it has come, with a linearizable read that costs little.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@return resty.etcd.watch.types.HistoryPoint? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function current_revision(core, range)
    local reply, err = call.unary(core, rpcs.range, {key = range.key, count_only = true}, {quiet = true})
    if reply == nil then
        forget_order(core, err)
        return nil, err
    end
    return known_from(reply)
end

--- Reads all keys of the range at one revision.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param revision number? nil for the latest
---@return resty.etcd.protocol.message.RawKv[]? kvs
---@return number|resty.etcd.protocol.errors.EtcdError revision
local function list(core, range, revision)
    local request = {}
    request.key = range.key
    request.range_end = range.range_end
    request.revision = revision
    local reply, err = paged_range.read_raw(core, request, nil)
    if reply == nil then
        forget_order(core, err)
        return nil, err
    end
    local known, bad = known_from(reply)
    if known == nil then
        return nil, bad
    end
    local kvs = reply.body.kvs or ({})
    return kvs, revision or known.revision
end

--- The etcd that answered is not the one that is known, or was set back: it was restored from a backup.
---@param before resty.etcd.watch.types.HistoryPoint
---@param after resty.etcd.watch.types.HistoryPoint
---@return boolean
local function history_diverged(before, after)
    return before.cluster_id ~= nil and after.cluster_id ~= before.cluster_id or after.revision < before.revision or after.raft_term < before.raft_term
end
_M.list = list
_M.current_revision = current_revision
_M.history_diverged = history_diverged

return _M
