-- Generated from src/resty/etcd/watch/reassembly.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local completeness = require("resty.etcd.protocol.completeness")

--- Maximum approximate size in bytes of buffered fragments, against a server whose fragments never end.
local MAX_BUFFERED = 512 * 1024 * 1024

--- A reply on a watch stream, as the transport delivers it.
---@class resty.etcd.watch.reassembly.WatchReply
---@field header? table
---@field created? true
---@field canceled? true
---@field cancel_reason? string
---@field compact_revision? string
---@field fragment? true More events of the same revisions follow in the next reply.
---@field events? resty.etcd.watch.reassembly.WireEvent[]

---@class resty.etcd.watch.reassembly.WireEvent
---@field type? ("PUT"|"DELETE")
---@field kv? resty.etcd.protocol.message.RawKv
---@field prev_kv? resty.etcd.protocol.message.RawKv

--- Makes batches of the replies of a stream. Written by this file.
---@class resty.etcd.watch.reassembly.Reassembler
---@field parts resty.etcd.watch.reassembly.WireEvent[][]? Events of fragments whose last one has not arrived; nil if there are none. One table for each fragment: LuaJIT traverses a large table in one step.
---@field bytes number Approximate size of `parts`.
---@field start_revision number The start revision of the stream.
---@field dropped number Events that were delivered before, or are out of order.

local function create(start_revision)
    return {parts = nil, bytes = 0, start_revision = start_revision, dropped = 0}
end

--- Returns the events of a reply and of the fragments before it; none while further fragments are to come.
---@param reassembler resty.etcd.watch.reassembly.Reassembler
---@param reply resty.etcd.watch.reassembly.WatchReply
---@return resty.etcd.watch.reassembly.WireEvent[][]
local function collect(reassembler, reply)
    local parts = reassembler.parts or ({})
    if reply.events ~= nil then
        parts[#parts + 1] = reply.events
    end
    if reply.fragment == true then
        reassembler.parts = parts
        return {}
    end
    reassembler.parts = nil
    return parts
end

--- Adds an event to the batch of its revision: the last batch, or a new one.
---@param reassembler resty.etcd.watch.reassembly.Reassembler
---@param event resty.etcd.watch.reassembly.WireEvent
---@param from number
---@param batches resty.etcd.watch.feed.Batch[]
local function add_event(reassembler, event, from, batches)
    local revision = tonumber(event.kv.mod_revision)
    local batch = batches[#batches]
    if event.type == nil then
        event.type = "PUT"
    end
    if batch ~= nil and revision == batch.revision then
        local ____batch_events_0 = batch.events
        ____batch_events_0[#____batch_events_0 + 1] = event
    elseif revision >= from and (batch == nil or revision > batch.revision) then
        if batch ~= nil then
            gc_barrier.mark_now(batch)
        end
        batches[#batches + 1] = {revision = revision, events = {event}}
    elseif revision ~= reassembler.start_revision then
        reassembler.dropped = reassembler.dropped + 1
    end
end

--- Reports whether an event lacks its key, a revision, or its version.
---@param events resty.etcd.watch.reassembly.WireEvent[]
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean
local function has_incomplete(events, slice)
    for ____, event in ipairs(events) do
        if not completeness.is_complete_event(event) then
            return true
        end
        time_slice.yield_if_due(slice)
    end
    return false
end

local function size_of_kv(kv)
    return kv ~= nil and #kv.key + #(kv.value or "") or 0
end

--- Returns the approximate size of events in memory.
---@param events resty.etcd.watch.reassembly.WireEvent[]
---@return number
local function size_of(events)
    local bytes = 0
    for ____, event in ipairs(events) do
        bytes = bytes + size_of_kv(event.kv) + size_of_kv(event.prev_kv) + 100
    end
    return bytes
end

--- Adds a reply, and yields while it handles many events.
---@param reassembler resty.etcd.watch.reassembly.Reassembler
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param from number first revision that was not delivered before: older events are dropped
---@return resty.etcd.watch.feed.Batch[]? res # a batch for each revision that is complete, in their order; or nil and an error text
---@return string? err
local function add(reassembler, reply, from)
    local events = reply.events or ({})
    local slice = time_slice.start()
    if has_incomplete(events, slice) then
        return nil, "malformed reply: watch event without key, revision or version"
    end
    reassembler.bytes = reply.fragment == true and reassembler.bytes + size_of(events) or 0
    if reassembler.bytes > MAX_BUFFERED then
        return nil, "malformed reply: watch fragments exceed 512 MiB"
    end
    local batches = {}
    for ____, part in ipairs(collect(reassembler, reply)) do
        for ____, event in ipairs(part) do
            time_slice.yield_if_due(slice)
            add_event(reassembler, event, from, batches)
        end
    end
    return batches
end
_M.add = add
_M.new = create

return _M
