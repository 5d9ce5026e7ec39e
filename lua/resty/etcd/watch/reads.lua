-- Generated from src/resty/etcd/watch/reads.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local errors = require("resty.etcd.protocol.errors")
local paged_range = require("resty.etcd.call.paged_range")
local rpcs = require("resty.etcd.protocol.rpc")

--- Resets the revision floor of a client with `monotonic` after a restore from a backup, which lowers etcd's revision. The
--- reads here are linearizable: a stale reply to them does not come from a member that lags behind.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
local function reset_revision_floor(core, err)
    local floor = core.revision_floor
    if err.name == "stale_reply" and floor ~= nil then
        floor.revision = 0
    end
end

--- Returns the point in etcd's history that a response header states; nil and an error if a proxy has answered without one.
---@param reply resty.etcd.transport.transport.Reply
---@return resty.etcd.watch.types.HistoryPoint? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function history_of(reply)
    local header = reply.body.header
    local cluster_id = header and header.cluster_id
    local raft_term = tonumber(header and header.raft_term) or 0
    local revision = tonumber(header and header.revision) or 0
    if cluster_id == nil or raft_term < 1 or revision < 1 then
        local text = "malformed reply: response header without cluster_id, raft_term or revision"
        return nil, errors.local_error("bad_reply", text)
    end
    return {cluster_id = cluster_id, raft_term = raft_term, revision = revision}
end

--- Reads etcd's current revision: a linearizable count of one key.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@return resty.etcd.watch.types.HistoryPoint? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function current_revision(core, range)
    local reply, err = call.unary(core, rpcs.range, {key = range.key, count_only = true}, {quiet = true})
    if reply == nil then
        reset_revision_floor(core, err)
        return nil, err
    end
    return history_of(reply)
end

--- Reads all keys of the range at one revision.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param revision number? nil for the current one
---@return resty.etcd.protocol.message.RawKv[]? kvs # the keys and their revision; or nil and an error
---@return number|resty.etcd.protocol.errors.EtcdError revision
local function list(core, range, revision)
    local request = {}
    request.key = range.key
    request.range_end = range.range_end
    request.revision = revision
    local reply, err = paged_range.read_raw(core, request, nil)
    if reply == nil then
        reset_revision_floor(core, err)
        return nil, err
    end
    local current, header_err = history_of(reply)
    if current == nil then
        return nil, header_err
    end
    local kvs = reply.body.kvs or ({})
    return kvs, revision or current.revision
end

--- Reports whether etcd was restored from a backup: its cluster ID is another one, or its revision or raft term is lower.
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
