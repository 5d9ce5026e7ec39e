-- Generated from src/resty/etcd/watch/stream_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local balancer = require("resty.etcd.endpoint.balancer")
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")
local reads = require("resty.etcd.watch.reads")
local shared_watches = require("resty.etcd.watch.shared_watch")
local reassembly = require("resty.etcd.watch.reassembly")
local sharing = require("resty.etcd.watch.sharing")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local gmatch = string.gmatch

--- A consumer that has no room is looked after so often, in seconds.
local POLL_INTERVAL = 0.5

--- The server ends the stream when its member has lost the leader: such a stream would be silent for ever.
local OPTIONS = {require_leader = true}

--- One stream from its opening to its end.
---@class resty.etcd.watch.stream_reader.StreamSession
---@field is_over boolean
---@field err resty.etcd.protocol.errors.EtcdError? Why it has ended.
---@field started_at number
---@field response_started_at number? When its answer began.
---@field created_at number? When etcd said that it stands.
---@field has_delivered boolean Something was delivered.
---@field probe resty.etcd.watch.liveness.LivenessProbe? Under way, as the stream has been silent; nil if it is not.
---@field next_probe_at number Not before that.

--- What asks for the events of the hub's stream from a revision on.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param from number
---@return table
local function create_request(shared_watch, from)
    local request = {}
    request.key = shared_watch.range.key
    request.range_end = shared_watch.range.range_end
    request.start_revision = from
    request.progress_notify = true
    request.fragment = true
    if shared_watch.prev_kv then
        request.prev_kv = true
    end
    local filters = {}
    for filter in gmatch(shared_watch.filters, "%a+") do
        filters[#filters + 1] = filter
    end
    if #filters > 0 then
        request.filters = filters
    end
    return request
end

--- Finds out where etcd is: whether it still has the past that is known of it, and where to begin.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return resty.etcd.protocol.errors.EtcdError? # an error if it does not answer
local function place(shared_watch)
    local status, err = reads.current_revision(shared_watch.core, shared_watch.range)
    if status == nil then
        return err
    end
    shared_watch.last_received_at = now()
    local known = shared_watch.history
    if reads.history_diverged(known, status) or shared_watch.history_token.lost then
        shared_watches.on_revisions_lost(
            shared_watch,
            "restored",
            watch_errors.restored()
        )
    end
    known.cluster_id = status.cluster_id
    known.raft_term = status.raft_term
    known.revision = status.revision
    if shared_watch.next_revision == nil then
        shared_watch.next_revision = status.revision + 1
        shared_watches.wake_timer(shared_watch)
    end
    return nil
end

--- Waits until the only consumer has taken something, or is not alone any more.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
local function wait_for_room(shared_watch, revision)
    while sharing.detach_slow(shared_watch, revision) ~= nil do
        shared_watch.is_blocked = true
        shared_watch.resume_signal:wait(POLL_INTERVAL)
        shared_watch.last_received_at = now()
    end
    shared_watch.is_blocked = false
end

local function deliver_all(shared_watch, session, batches)
    local slice = time_slice.start()
    for ____, batch in ipairs(batches) do
        wait_for_room(shared_watch, batch.revision)
        shared_watches.deliver(shared_watch, batch)
        session.has_delivered = true
        time_slice.yield_if_due(slice)
    end
end

--- Whatever has come in a reply; returns why the stream must end, if it must.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@param joiner resty.etcd.watch.reassembly.Reassembler
---@param message table
---@return resty.etcd.protocol.errors.EtcdError?
local function take(shared_watch, session, joiner, message)
    local reply = message
    local endpoint = shared_watch.stream.endpoint
    if reply.canceled == true then
        return watch_errors.cancel_error(reply, endpoint)
    end
    local ____opt_0 = reply.header
    local cluster_id = ____opt_0 and ____opt_0.cluster_id
    if cluster_id ~= nil and shared_watch.history.cluster_id ~= nil and cluster_id ~= shared_watch.history.cluster_id then
        return errors.local_error("bad_reply", "malformed reply: it comes from another cluster", endpoint)
    end
    if reply.created == true then
        if session.created_at == nil then
            session.created_at = now()
            shared_watch.open_count = shared_watch.open_count + 1
            shared_watch.is_connected = true
        end
        return nil
    end
    if session.created_at == nil then
        return errors.local_error("bad_reply", "malformed reply: events before the watch stands", endpoint)
    end
    local dropped = joiner.dropped
    local batches = reassembly.add(joiner, reply, shared_watch.next_revision)
    if batches == nil then
        return errors.local_error("bad_reply", "malformed reply: events that are none", endpoint)
    end
    shared_watch.dropped = shared_watch.dropped + joiner.dropped - dropped
    deliver_all(shared_watch, session, batches)
    local ____tonumber_4 = tonumber
    local ____opt_2 = reply.header
    local revision = ____tonumber_4(____opt_2 and ____opt_2.revision)
    if reply.events == nil and joiner.parts == nil and revision ~= nil then
        shared_watches.progress(shared_watch, revision)
    end
    return nil
end

--- Takes replies as they come, until there is a reason not to go on.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@param stream resty.etcd.transport.transport.Stream
---@param from number
---@return resty.etcd.protocol.errors.EtcdError
local function take_all(shared_watch, session, stream, from)
    local joiner = reassembly.new(from)
    local slice = time_slice.start()
    while #shared_watch.subscribers > 0 do
        local message = stream:try_recv()
        if message == nil then
            local next, err = stream:recv(nil)
            if next == nil then
                return err
            end
            message = next
            slice = time_slice.start()
        end
        local err = take(shared_watch, session, joiner, message)
        if err ~= nil then
            return err
        end
        sharing.merge(shared_watch)
        time_slice.yield_if_due(slice)
    end
    return errors.local_error("closed", "closed")
end

--- Opens the stream and takes what comes, until it ends; returns why it has.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError
local function run(shared_watch, session)
    local lost = place(shared_watch)
    if lost ~= nil then
        return lost
    end
    if #shared_watch.subscribers == 0 then
        return errors.local_error("closed", "closed")
    end
    local from = shared_watches.request_revision(shared_watch)
    local request = {create_request = create_request(shared_watch, from)}
    local stream, open_err = call.open(shared_watch.core, rpcs.watch, request, OPTIONS)
    if stream == nil then
        return open_err
    end
    shared_watch.stream = stream
    session.response_started_at = now()
    local err = take_all(shared_watch, session, stream, from)
    stream:close()
    if (err.http_status or 0) >= 500 or err.name == "bad_reply" then
        balancer.report_failure(shared_watch.core, stream.endpoint)
    end
    return err
end
_M.create_request = create_request
_M.run = run

return _M
