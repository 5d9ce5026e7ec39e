-- Generated from src/resty/etcd/watch/history.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cluster = require("resty.etcd.call.cluster")
local completeness = require("resty.etcd.protocol.completeness")
local key_range = require("resty.etcd.protocol.key_range")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")
local max = math.max

--- Forgets the last event: revisions after it are lost.
---@param history resty.etcd.watch.types.HistoryPoint
local function forget_event(history)
    history.last_event = nil
    history.known_until = 0
end

--- Returns a copy of what is known of etcd's history, for another owner to write to.
---@param known resty.etcd.watch.types.HistoryPoint
---@return resty.etcd.watch.types.HistoryPoint
local function copy(known)
    local ____known_0 = known
    local cluster_id = ____known_0.cluster_id
    local raft_term = ____known_0.raft_term
    local revision = ____known_0.revision
    local last_event = ____known_0.last_event
    local known_until = ____known_0.known_until
    return {
        cluster_id = cluster_id,
        raft_term = raft_term,
        revision = revision,
        last_event = last_event,
        known_until = known_until or 0
    }
end

--- Returns what a watch of a range knows at its start. The last event counts only if its key is in the range.
---@param range resty.etcd.protocol.key_range.KeyRange
---@param known resty.etcd.watch.types.HistoryPoint?
---@return resty.etcd.watch.types.HistoryPoint
local function of_range(range, known)
    local history = copy(known or ({cluster_id = nil, raft_term = 0, revision = 0}))
    if history.last_event ~= nil and not key_range.has(range, history.last_event.kv.key) then
        forget_event(history)
    end
    return history
end

--- Notes that etcd has reached a revision.
---@param history resty.etcd.watch.types.HistoryPoint
---@param revision number
local function note_revision(history, revision)
    history.revision = max(history.revision, revision)
end

--- Notes the events of a revision. A put is preferred to a deletion, because it can be compared field by field.
---@param history resty.etcd.watch.types.HistoryPoint
---@param batch resty.etcd.watch.feed.Batch
local function note_events(history, batch)
    local events = batch.events
    if batch.revision <= (history.known_until or 0) then
        return
    end
    local last = events[#events]
    for i = #events, 1, -1 do
        if events[i].type == "PUT" then
            last = events[i]
            break
        end
    end
    history.last_event = last
    history.known_until = batch.revision
end

--- Notes that no other event came up to a revision.
---@param history resty.etcd.watch.types.HistoryPoint
---@param revision number
local function note_progress(history, revision)
    history.known_until = max(history.known_until or 0, revision)
end

--- Returns the key of a full state that was written last; nil if there is none. Yields while it handles many keys.
---@param kvs resty.etcd.protocol.message.RawKv[]
---@return resty.etcd.protocol.message.RawKv?
local function latest_of(kvs)
    local latest
    local latest_revision = 0
    local slice = time_slice.start()
    for ____, kv in ipairs(kvs) do
        local mod_revision = tonumber(kv.mod_revision) or 0
        if mod_revision > latest_revision then
            latest = kv
            latest_revision = mod_revision
        end
        time_slice.yield_if_due(slice)
    end
    return latest
end

--- Notes the key of a full state that was written last: it is like a put.
---@param history resty.etcd.watch.types.HistoryPoint
---@param latest resty.etcd.protocol.message.RawKv?
---@param revision number
local function note_latest(history, latest, revision)
    if latest ~= nil and revision > (history.known_until or 0) then
        history.last_event = {type = "PUT", kv = latest}
        history.known_until = revision
    end
end

--- Replaces what is known by what etcd has said; the last event remains known.
---@param history resty.etcd.watch.types.HistoryPoint
---@param current resty.etcd.watch.types.HistoryPoint
---@return resty.etcd.watch.types.HistoryPoint
local function locate(history, current)
    local located = copy(current)
    located.last_event = history.last_event
    located.known_until = history.known_until
    return located
end

--- Reports whether etcd was restored from a backup: its cluster ID is another one, or its revision or raft term is lower.
---@param before resty.etcd.watch.types.HistoryPoint
---@param after resty.etcd.watch.types.HistoryPoint
---@return boolean
local function has_diverged(before, after)
    return before.cluster_id ~= nil and after.cluster_id ~= before.cluster_id or after.revision < max(before.revision, before.known_until or 0) or after.raft_term < before.raft_term
end

local function is_same(a, b)
    return a.mod_revision == b.mod_revision and a.create_revision == b.create_revision and a.version == b.version and a.lease == b.lease and (a.value or "") == (b.value or "")
end

--- Reports whether a key cannot be in a state at the revision up to which events are known.
---@param event resty.etcd.protocol.message.RawEvent
---@param kv resty.etcd.protocol.message.RawKv?
---@return boolean
local function contradicts_then(event, kv)
    if event.type == "DELETE" then
        return kv ~= nil
    end
    return kv == nil or not is_same(event.kv, kv)
end

--- Reports whether a key cannot be in a state now. Only changes after the revision `until` are unknown.
---@param event resty.etcd.protocol.message.RawEvent
---@param until number
---@param kv resty.etcd.protocol.message.RawKv?
---@return boolean
local function contradicts_now(event, ____until, kv)
    if kv == nil then
        return false
    end
    local is_put = event.type == "PUT"
    if is_put and kv.mod_revision == event.kv.mod_revision then
        return not is_same(event.kv, kv)
    end
    if is_put and kv.create_revision == event.kv.create_revision then
        return tonumber(kv.mod_revision) <= ____until or tonumber(kv.version) <= tonumber(event.kv.version)
    end
    return tonumber(kv.create_revision) <= ____until
end

--- Reports whether etcd's history is another one than that of the last known event: etcd was restored from a backup, although
--- cluster ID, revision and raft term do not show it. The key of that event is read at the revision up to which events
--- are known; if that is compacted, at the current one, which shows less.
---@param core resty.etcd.call.client_state.Core
---@param history resty.etcd.watch.types.HistoryPoint
---@param prefer string? host of the endpoint to ask
---@return boolean? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function is_event_lost(core, history, prefer)
    local event = history.last_event
    if event == nil then
        return false
    end
    local request = {}
    local options = {quiet = true, prefer = prefer}
    request.key = event.kv.key
    request.revision = history.known_until
    local reply, err = cluster.read(core, rpcs.range, request, options)
    local is_then = reply ~= nil
    if reply == nil and err.code == 11 then
        request.revision = nil
        reply, err = cluster.read(core, rpcs.range, request, options)
    end
    if reply == nil then
        return nil, err
    end
    local ____opt_1 = reply.body.kvs
    local kv = ____opt_1 and ____opt_1[1]
    local kv_err = completeness.check_read(kv, event.kv.key, options.answered_by)
    if kv_err ~= nil then
        return nil, kv_err
    end
    local ____is_then_3
    if is_then then
        ____is_then_3 = contradicts_then(event, kv)
    else
        ____is_then_3 = contradicts_now(event, history.known_until, kv)
    end
    return ____is_then_3
end
_M.copy = copy
_M.forget_event = forget_event
_M.has_diverged = has_diverged
_M.is_event_lost = is_event_lost
_M.locate = locate
_M.latest_of = latest_of
_M.note_events = note_events
_M.note_latest = note_latest
_M.note_progress = note_progress
_M.note_revision = note_revision
_M.of_range = of_range

return _M
