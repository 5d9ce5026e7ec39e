-- Generated from src/resty/etcd/watcher/batch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local known_keys = require("resty.etcd.watcher.known_keys")
local sub = string.sub

--- A change of one key.
---@class resty.etcd.watcher.batch.WatchEvent
---@field type "PUT"|"DELETE"
---@field kv resty.etcd.protocol.message.KeyValue Of a deletion only `key` and `mod_revision`; in a synthetic batch only `key`.
---@field prev_kv? resty.etcd.protocol.message.KeyValue The key before the change. Nil if it did not exist, without the option `prev_kv`, and if etcd has compacted it.

--- All changes of one revision.
---@class resty.etcd.watcher.batch.WatchBatch
---@field revision number Everything up to this revision has been delivered with this batch.
---@field events resty.etcd.watcher.batch.WatchEvent[]
---@field synthetic? true The events are the difference to a full state, which was read: one for each key that has changed.
---@field reason? string Why the full state was read: `list`, `compacted` or `restored`.

--- How a feed's batches are converted for the user of a watcher.
---@class resty.etcd.watcher.batch.BatchStyle
---@field prefix_length number
---@field serializer resty.etcd.serializers.serializer.Serializer? Nil keeps values as etcd stores them.
---@field prev_kv boolean
---@field no_put boolean
---@field no_delete boolean

--- Returns a key for the user: a copy, because other subscribers share the raw one.
---@param style resty.etcd.watcher.batch.BatchStyle
---@param kv resty.etcd.protocol.message.RawKv
---@param is_put boolean
---@return resty.etcd.protocol.message.KeyValue
local function to_user(style, kv, is_put)
    local ____kv_0 = kv
    local create_revision = ____kv_0.create_revision
    local mod_revision = ____kv_0.mod_revision
    local version = ____kv_0.version
    local lease = ____kv_0.lease
    local copy = {
        key = sub(kv.key, style.prefix_length + 1),
        create_revision = create_revision,
        mod_revision = mod_revision,
        version = version
    }
    if lease ~= nil then
        copy.lease = lease
    end
    if is_put then
        local bytes = kv.value or ""
        if style.serializer ~= nil then
            local value = style.serializer.deserialize(bytes)
            copy.value = value
        else
            copy.value = bytes
        end
    end
    return copy
end

local function add_event(style, event, events)
    local is_put = event.type == "PUT"
    if is_put and style.no_put or not is_put and style.no_delete then
        return
    end
    local user_event = {
        type = event.type,
        kv = to_user(style, event.kv, is_put)
    }
    if style.prev_kv and event.prev_kv ~= nil then
        user_event.prev_kv = to_user(style, event.prev_kv, true)
    end
    events[#events + 1] = user_event
end

--- Converts a batch of events for the user. Yields while it handles many events.
---@param style resty.etcd.watcher.batch.BatchStyle
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watcher.batch.WatchBatch
local function from_events(style, batch)
    local events = {}
    local slice = time_slice.start()
    for ____, event in ipairs(batch.events) do
        add_event(style, event, events)
        time_slice.yield_if_due(slice)
    end
    return {revision = batch.revision, events = events}
end

--- Converts a full state into a batch of events: the difference to what was delivered before.
---@param style resty.etcd.watcher.batch.BatchStyle
---@param batch resty.etcd.watch.feed.Batch
---@param known resty.etcd.watcher.known_keys.KnownKeys? the keys that were delivered before; nil if all keys of the state are new
---@param revisions table the keys of the state
---@return resty.etcd.watcher.batch.WatchBatch
local function from_full_state(style, batch, known, revisions)
    local events = {}
    local reason = batch.reason or "list"
    local slice = time_slice.start()
    for ____, kv in ipairs(batch.full) do
        if known == nil or known_keys.has_changed(known, kv, reason) then
            add_event(style, {type = "PUT", kv = kv}, events)
        end
        time_slice.yield_if_due(slice)
    end
    if known ~= nil then
        for key in pairs(known.revisions) do
            if revisions[key] == nil then
                add_event(style, {type = "DELETE", kv = {key = key}}, events)
            end
            time_slice.yield_if_due(slice)
        end
    end
    return {revision = batch.revision, events = events, synthetic = true, reason = reason}
end
_M.from_events = from_events
_M.from_full_state = from_full_state

return _M
