-- Generated from src/resty/etcd/watch/stream_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local balancer = require("resty.etcd.endpoint.balancer")
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")
local reads = require("resty.etcd.watch.reads")
local shared_watch = require("resty.etcd.watch.shared_watch")
local reassembly = require("resty.etcd.watch.reassembly")
local sharing = require("resty.etcd.watch.sharing")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local gmatch = string.gmatch

--- A consumer that has no room is looked after so often, in seconds.
local LOOK = 0.5

--- The server ends the stream when its member has lost the leader: such a stream would be silent for ever.
local OPTIONS = {require_leader = true}

--- One stream from its opening to its end.
---@class resty.etcd.watch.stream_reader.StreamSession
---@field over boolean
---@field err resty.etcd.protocol.errors.EtcdError? Why it has ended.
---@field began_at number
---@field answered_at number? When its answer began.
---@field stood_at number? When etcd said that it stands.
---@field delivered boolean Something was delivered.
---@field check resty.etcd.watch.liveness.LivenessProbe? Under way, as the stream has been silent; nil if it is not.
---@field next_check number Not before that.

--- What asks for the events of the hub's stream from a revision on.
---@param hub resty.etcd.watch.types.SharedWatch
---@param from number
---@return table
local function create_request(hub, from)
    local request = {}
    request.key = hub.range.key
    request.range_end = hub.range.range_end
    request.start_revision = from
    request.progress_notify = true
    request.fragment = true
    if hub.prev_kv then
        request.prev_kv = true
    end
    local filters = {}
    for filter in gmatch(hub.filters, "%a+") do
        filters[#filters + 1] = filter
    end
    if #filters > 0 then
        request.filters = filters
    end
    return request
end

--- Finds out where etcd is: whether it still has the past that is known of it, and where to begin.
---@param hub resty.etcd.watch.types.SharedWatch
---@return resty.etcd.protocol.errors.EtcdError? # an error if it does not answer
local function place(hub)
    local status, err = reads.current_revision(hub.core, hub.range)
    if status == nil then
        return err
    end
    hub.heard_at = now()
    local known = hub.known
    if reads.history_diverged(known, status) or hub.past.lost then
        shared_watch.on_revisions_lost(
            hub,
            "restored",
            watch_errors.restored()
        )
    end
    known.cluster_id = status.cluster_id
    known.raft_term = status.raft_term
    known.revision = status.revision
    if hub.next == nil then
        hub.next = status.revision + 1
        shared_watch.wake_timer(hub)
    end
    return nil
end

--- Waits until the only consumer has taken something, or is not alone any more.
---@param hub resty.etcd.watch.types.SharedWatch
---@param revision number
local function wait_for_room(hub, revision)
    while sharing.detach_slow(hub, revision) ~= nil do
        hub.blocked = true
        hub.room:wait(LOOK)
        hub.heard_at = now()
    end
    hub.blocked = false
end

local function deliver_all(hub, turn, batches)
    local slice = time_slice.start()
    for ____, batch in ipairs(batches) do
        wait_for_room(hub, batch.revision)
        shared_watch.deliver(hub, batch)
        turn.delivered = true
        time_slice.yield_if_due(slice)
    end
end

--- Whatever has come in a reply; returns why the stream must end, if it must.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@param joiner resty.etcd.watch.reassembly.Reassembler
---@param message table
---@return resty.etcd.protocol.errors.EtcdError?
local function take(hub, turn, joiner, message)
    local reply = message
    local endpoint = hub.stream.endpoint
    if reply.canceled == true then
        return watch_errors.cancel_error(reply, endpoint)
    end
    local ____opt_0 = reply.header
    local cluster_id = ____opt_0 and ____opt_0.cluster_id
    if cluster_id ~= nil and hub.known.cluster_id ~= nil and cluster_id ~= hub.known.cluster_id then
        return errors.local_error("bad_reply", "malformed reply: it comes from another cluster", endpoint)
    end
    if reply.created == true then
        if turn.stood_at == nil then
            turn.stood_at = now()
            hub.opened = hub.opened + 1
            hub.connected = true
        end
        return nil
    end
    if turn.stood_at == nil then
        return errors.local_error("bad_reply", "malformed reply: events before the watch stands", endpoint)
    end
    local dropped = joiner.dropped
    local batches = reassembly.add(joiner, reply, hub.next)
    if batches == nil then
        return errors.local_error("bad_reply", "malformed reply: events that are none", endpoint)
    end
    hub.dropped = hub.dropped + joiner.dropped - dropped
    deliver_all(hub, turn, batches)
    local ____tonumber_4 = tonumber
    local ____opt_2 = reply.header
    local revision = ____tonumber_4(____opt_2 and ____opt_2.revision)
    if reply.events == nil and joiner.parts == nil and revision ~= nil then
        shared_watch.progress(hub, revision)
    end
    return nil
end

--- Takes replies as they come, until there is a reason not to go on.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@param stream resty.etcd.transport.transport.Stream
---@param from number
---@return resty.etcd.protocol.errors.EtcdError
local function take_all(hub, turn, stream, from)
    local joiner = reassembly.new(from)
    local slice = time_slice.start()
    while #hub.consumers > 0 do
        local message = stream:try_recv()
        if message == nil then
            local next, err = stream:recv(nil)
            if next == nil then
                return err
            end
            message = next
            slice = time_slice.start()
        end
        local err = take(hub, turn, joiner, message)
        if err ~= nil then
            return err
        end
        sharing.merge(hub)
        time_slice.yield_if_due(slice)
    end
    return errors.local_error("closed", "closed")
end

--- Opens the stream and takes what comes, until it ends; returns why it has.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError
local function run(hub, turn)
    local lost = place(hub)
    if lost ~= nil then
        return lost
    end
    if #hub.consumers == 0 then
        return errors.local_error("closed", "closed")
    end
    local from = shared_watch.request_revision(hub)
    local request = {create_request = create_request(hub, from)}
    local stream, open_err = call.open(
        hub.core,
        rpcs.watch,
        request,
        nil,
        OPTIONS
    )
    if stream == nil then
        return open_err
    end
    hub.stream = stream
    turn.answered_at = now()
    local err = take_all(hub, turn, stream, from)
    stream:close()
    if (err.http_status or 0) >= 500 or err.name == "bad_reply" then
        balancer.report_failure(hub.core, stream.endpoint)
    end
    return err
end
_M.create_request = create_request
_M.run = run

return _M
