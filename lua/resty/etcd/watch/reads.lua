-- Generated from src/resty/etcd/watch/reads.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local key_range = require("resty.etcd.protocol.key_range")
local monotonic = require("resty.etcd.call.monotonic")
local paged_range = require("resty.etcd.call.paged_range")
local completeness = require("resty.etcd.protocol.completeness")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")

--- What a count says of a range.
---@class resty.etcd.watch.reads.CurrentRevision: resty.etcd.watch.types.HistoryPoint
---@field key_count number

--- What has changed in a range since a revision.
---@class resty.etcd.watch.reads.ChangedKeys: resty.etcd.watch.reads.CurrentRevision
---@field has_changed boolean

--- The keys of a range, and how many of them were created since a revision.
---@class resty.etcd.watch.reads.CreatedKeys: resty.etcd.watch.reads.CurrentRevision
---@field created number? Nil if there are more than `MAX_CREATED_KEYS`.

--- Maximum number of keys in the reply to `created_keys`, which bounds its size.
local MAX_CREATED_KEYS = 1000

--- Resets the revision floor of a client with `monotonic` after a restore from a backup, which lowers etcd's revision. The
--- reads here are linearizable: a stale reply to them does not come from a member that lags behind.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
local function reset_revision_floor(core, err)
    local floor = core.revision_floor
    if err.name == "stale_reply" and floor ~= nil then
        monotonic.reset(floor)
    end
end

--- Returns the point in etcd's history that a response header states; nil and an error if a proxy has answered without one.
---@param reply resty.etcd.transport.transport.Reply
---@return resty.etcd.watch.types.HistoryPoint? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function history_of(reply)
    local header = reply.body.header
    local cluster_id = header and header.cluster_id
    local raft_term = int64.to_number(header and header.raft_term) or 0
    local revision = int64.to_number(header and header.revision) or 0
    if cluster_id == nil or raft_term < 1 or revision < 1 then
        local text = "malformed reply: response header without cluster_id, raft_term or revision"
        return nil, errors.local_error("bad_reply", text)
    end
    return {cluster_id = cluster_id, raft_term = raft_term, revision = revision}
end

--- Reads the current revision of the cluster that the client follows, with a linearizable count of the keys of a range.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param options resty.etcd.call.attempt.CallOptions of the call
---@return resty.etcd.watch.reads.CurrentRevision? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function current_revision(core, range, options)
    local request = {key = range.key, range_end = range.range_end, count_only = true}
    local reply, err = cluster.read(core, rpcs.range, request, options)
    if reply == nil then
        reset_revision_floor(core, err)
        return nil, err
    end
    local point, header_err = history_of(reply)
    if point == nil then
        return nil, header_err
    end
    local key_count = int64.to_number(reply.body.count) or 0
    local ____point_6 = point
    local cluster_id = ____point_6.cluster_id
    local raft_term = ____point_6.raft_term
    local revision = ____point_6.revision
    return {cluster_id = cluster_id, raft_term = raft_term, revision = revision, key_count = key_count}
end

--- Reads the keys that a filter of etcd leaves over. etcd counts all keys of the range nevertheless.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param filter "min_mod_revision"|"min_create_revision" field of the request that holds the minimum revision
---@param from number
---@param limit number
---@param at resty.etcd.endpoint.endpoint.Endpoint
---@return resty.etcd.watch.reads.CurrentRevision? current # the point in etcd's history, the number of all keys, and the keys of the filter; or nil and an error
---@return any[]|resty.etcd.protocol.errors.EtcdError keys
local function filtered_keys(core, range, filter, from, limit, at)
    local request = {}
    request.key = range.key
    request.range_end = range.range_end
    request[filter] = from
    request.limit = limit
    request.keys_only = true
    local reply, err = call.unary(core, rpcs.range, request, {quiet = true, at = at})
    if reply == nil then
        return nil, err
    end
    local point, header_err = history_of(reply)
    if point == nil then
        return nil, header_err
    end
    local key_count = int64.to_number(reply.body.count) or 0
    local ____point_7 = point
    local cluster_id = ____point_7.cluster_id
    local raft_term = ____point_7.raft_term
    local revision = ____point_7.revision
    local keys = reply.body.kvs or ({})
    return {cluster_id = cluster_id, raft_term = raft_term, revision = revision, key_count = key_count}, keys
end

--- Reads whether keys of a range were written since a revision, and how many keys there are: compactions do not affect this.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param from number first revision of the writes
---@param at resty.etcd.endpoint.endpoint.Endpoint the endpoint to ask
---@return resty.etcd.watch.reads.ChangedKeys? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function changed_keys(core, range, from, at)
    local current, keys = filtered_keys(
        core,
        range,
        "min_mod_revision",
        from,
        1,
        at
    )
    if current == nil then
        return nil, keys
    end
    local ____current_8 = current
    local cluster_id = ____current_8.cluster_id
    local raft_term = ____current_8.raft_term
    local revision = ____current_8.revision
    local key_count = ____current_8.key_count
    return {
        cluster_id = cluster_id,
        raft_term = raft_term,
        revision = revision,
        key_count = key_count,
        has_changed = #keys > 0
    }
end

--- Reads how many keys a range has, and how many of them were created since a revision: compactions do not affect this.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param from number first revision of the creations
---@param at resty.etcd.endpoint.endpoint.Endpoint the endpoint to ask
---@return resty.etcd.watch.reads.CreatedKeys? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function created_keys(core, range, from, at)
    local current, keys = filtered_keys(
        core,
        range,
        "min_create_revision",
        from,
        MAX_CREATED_KEYS + 1,
        at
    )
    if current == nil then
        return nil, keys
    end
    local ____current_9 = current
    local cluster_id = ____current_9.cluster_id
    local raft_term = ____current_9.raft_term
    local revision = ____current_9.revision
    local key_count = ____current_9.key_count
    local created = #keys <= MAX_CREATED_KEYS and #keys or nil
    return {
        cluster_id = cluster_id,
        raft_term = raft_term,
        revision = revision,
        key_count = key_count,
        created = created
    }
end

--- Returns what is wrong with the keys of a full state, nil if nothing is: each of them is complete and in the range, and
--- comes after the one before.
---@param kvs resty.etcd.protocol.message.RawKv[]
---@param range resty.etcd.protocol.key_range.KeyRange
---@return string?
local function problem_of_list(kvs, range)
    local slice = time_slice.start()
    local last = ""
    for ____, kv in ipairs(kvs) do
        if not completeness.is_complete_kv(kv) then
            return "malformed reply: key-value pair without key, revision or version"
        end
        if kv.key <= last or not key_range.has(range, kv.key) then
            return "malformed reply: key out of order, or outside the range that was read"
        end
        last = kv.key
        time_slice.yield_if_due(slice)
    end
    return nil
end

--- Reads all keys of the range at one revision.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@param revision number? nil for the current one
---@param source resty.etcd.call.paged_range.PageSource the cluster and the endpoint that the events are from
---@return resty.etcd.protocol.message.RawKv[]? kvs # the keys and their revision; or nil and an error
---@return number|resty.etcd.protocol.errors.EtcdError revision
local function list(core, range, revision, source)
    local request = {}
    request.key = range.key
    request.range_end = range.range_end
    request.revision = revision
    local reply, err = paged_range.read_raw(core, request, nil, source)
    if reply == nil then
        reset_revision_floor(core, err)
        return nil, err
    end
    local current, header_err = history_of(reply)
    if current == nil then
        return nil, header_err
    end
    local kvs = reply.body.kvs or ({})
    local problem = problem_of_list(kvs, range)
    if problem ~= nil then
        return nil, errors.local_error("bad_reply", problem)
    end
    return kvs, revision or current.revision
end
_M.changed_keys = changed_keys
_M.created_keys = created_keys
_M.current_revision = current_revision
_M.list = list

return _M
