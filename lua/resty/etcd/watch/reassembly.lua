-- Generated from src/resty/etcd/watch/reassembly.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")

--- A broken server must not fill the memory with fragments that never end.
local MAX_BUFFERED = 512 * 1024 * 1024

--- A reply of a watch, as the transport gives it.
---@class resty.etcd.watch.reassembly.WatchReply
---@field header? table
---@field created? true
---@field canceled? true
---@field cancel_reason? string
---@field compact_revision? string
---@field fragment? true More of the same revisions follows in the next reply.
---@field events? resty.etcd.watch.reassembly.WireEvent[]

---@class resty.etcd.watch.reassembly.WireEvent
---@field type? ("PUT"|"DELETE")
---@field kv? resty.etcd.protocol.message.RawKv
---@field prev_kv? resty.etcd.protocol.message.RawKv

--- Makes batches of a stream's replies.
---@class resty.etcd.watch.reassembly.Reassembler
---@field parts resty.etcd.watch.reassembly.WireEvent[][]? Events of replies that were not the last of their kind: not in one table, as large ones burden the collector.
---@field bytes number
---@field first number The first revision that was asked for.
---@field dropped number Events that were delivered before, or that went back in time.

local function create(first)
    return {parts = nil, bytes = 0, first = first, dropped = 0}
end

--- All events of replies that belong together, none while some are missing.
---@param joiner resty.etcd.watch.reassembly.Reassembler
---@param reply resty.etcd.watch.reassembly.WatchReply
---@return resty.etcd.watch.reassembly.WireEvent[][]
local function join(joiner, reply)
    local parts = joiner.parts or ({})
    if reply.events ~= nil then
        parts[#parts + 1] = reply.events
    end
    if reply.fragment == true then
        joiner.parts = parts
        return {}
    end
    joiner.parts = nil
    return parts
end

--- Adds an event to the batch of its revision, the last one or a new one.
---@param joiner resty.etcd.watch.reassembly.Reassembler
---@param event resty.etcd.watch.reassembly.WireEvent
---@param from number
---@param batches resty.etcd.watch.feed.Batch[]
local function add_event(joiner, event, from, batches)
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
    elseif revision ~= joiner.first then
        joiner.dropped = joiner.dropped + 1
    end
end

--- Not what etcd sends.
---@param events resty.etcd.watch.reassembly.WireEvent[]
---@return boolean
local function is_malformed(events)
    for ____, event in ipairs(events) do
        local kv = event.kv
        if kv == nil or kv.key == nil or tonumber(kv.mod_revision) == nil then
            return true
        end
    end
    return false
end

--- Takes a reply and makes one batch of each revision that is complete with it. Many events take several turns.
---@param joiner resty.etcd.watch.reassembly.Reassembler
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param from number first revision that was not delivered before: older events are dropped
---@return resty.etcd.watch.feed.Batch[]? # the batches in the order of their revisions; nil if the reply is not what etcd sends
local function add(joiner, reply, from)
    if is_malformed(reply.events or ({})) then
        return nil
    end
    if reply.fragment == true then
        for ____, event in ipairs(reply.events or ({})) do
            local ____joiner_7 = joiner
            local ____joiner_bytes_3 = joiner.bytes
            local ____opt_1 = event.kv
            local ____temp_6 = ____joiner_bytes_3 + #(____opt_1 and ____opt_1.value or "")
            local ____opt_4 = event.prev_kv
            ____joiner_7.bytes = ____temp_6 + #(____opt_4 and ____opt_4.value or "") + 100
        end
        if joiner.bytes > MAX_BUFFERED then
            return nil
        end
    else
        joiner.bytes = 0
    end
    local batches = {}
    local slice = time_slice.start()
    for ____, part in ipairs(join(joiner, reply)) do
        for ____, event in ipairs(part) do
            time_slice.yield_if_due(slice)
            add_event(joiner, event, from, batches)
        end
    end
    return batches
end
_M.add = add
_M.new = create

return _M
