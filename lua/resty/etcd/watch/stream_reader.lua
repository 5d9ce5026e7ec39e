-- Generated from src/resty/etcd/watch/stream_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local balancer = require("resty.etcd.endpoint.balancer")
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local cluster = require("resty.etcd.call.cluster")
local errors = require("resty.etcd.protocol.errors")
local histories = require("resty.etcd.watch.history")
local int64 = require("resty.etcd.protocol.int64")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")
local reads = require("resty.etcd.watch.reads")
local shared_watches = require("resty.etcd.watch.shared_watch")
local reassembly = require("resty.etcd.watch.reassembly")
local sharing = require("resty.etcd.watch.sharing")
local watch_errors = require("resty.etcd.watch.errors")
local watch_log = require("resty.etcd.watch.watch_log")
local now = clock.now
local gmatch = string.gmatch

--- Maximum seconds of a pause, so that new subscribers are noticed.
local PAUSE_INTERVAL = 0.5

--- One stream of a shared watch, from the search for the start revision to its end. Written by this file.
---@class resty.etcd.watch.stream_reader.StreamSession
---@field thread table? The light thread that reads the stream.
---@field err resty.etcd.protocol.errors.EtcdError? Why the stream has ended; nil until then.
---@field started_at number
---@field attempts number Attempts at the calls that precede the stream, and at the watch itself.
---@field is_located boolean etcd has answered the read of its current revision.
---@field response_started_at number? When the head of the response had arrived.
---@field created_at number? When etcd confirmed the watch.
---@field has_delivered boolean Events were delivered.

--- Creates the request for the events of a shared watch from a revision on.
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

--- Asks etcd for its current revision, and checks that it still has the history that the watch has seen.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError? # an error if etcd does not answer
local function locate(shared_watch, session)
    local before = histories.copy(shared_watch.history)
    local options = {quiet = true, on_retry = shared_watch.log.on_retry}
    local current, err = reads.current_revision(shared_watch.core, shared_watch.range, options)
    session.attempts = options.attempts or 0
    if current == nil then
        return err
    end
    shared_watches.note_response(
        shared_watch,
        now()
    )
    local is_restored = shared_watch.history_token.lost or histories.has_diverged(before, current)
    if not is_restored then
        is_restored, err = histories.is_event_lost(shared_watch.core, before, options.answered_by)
        if is_restored == nil then
            return err
        end
    end
    if is_restored then
        shared_watches.on_revisions_lost(
            shared_watch,
            "restored",
            watch_errors.restored()
        )
    end
    shared_watches.set_history(shared_watch, current, options.answered_by)
    shared_watches.set_key_count(shared_watch, current.revision, current.key_count)
    return nil
end

local function deliver_all(shared_watch, session, batches)
    local slice = time_slice.start()
    for ____, batch in ipairs(batches) do
        while sharing.detach_slow(shared_watch, batch.revision) ~= nil do
            shared_watches.pause(shared_watch, PAUSE_INTERVAL)
        end
        shared_watches.deliver(shared_watch, batch)
        session.has_delivered = true
        time_slice.yield_if_due(slice)
    end
end

--- Returns an error if a reply comes from another cluster than that whose revision was read.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError?
local function check_cluster(shared_watch, reply, endpoint)
    local ____shared_watch_0 = shared_watch
    local core = ____shared_watch_0.core
    local history = ____shared_watch_0.history
    local ____opt_1 = reply.header
    local cluster_id = ____opt_1 and ____opt_1.cluster_id
    if cluster_id == nil or history.cluster_id == nil or cluster_id == history.cluster_id then
        return nil
    end
    if reply.created == true then
        cluster.accepts(core, cluster_id, endpoint)
        return errors.other_cluster(cluster_id, endpoint, {id = history.cluster_id, member = shared_watch.located_at})
    end
    return errors.local_error("bad_reply", "malformed reply: another cluster_id than before", endpoint)
end

--- Handles a reply. Returns an error if the stream must end.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@param reassembler resty.etcd.watch.reassembly.Reassembler
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError?
local function handle_reply(shared_watch, session, reassembler, reply, endpoint)
    if reply.canceled == true then
        return watch_errors.cancel_error(reply, endpoint)
    end
    local cluster_err = check_cluster(shared_watch, reply, endpoint)
    if cluster_err ~= nil then
        return cluster_err
    end
    if reply.created == true then
        if session.created_at == nil then
            session.created_at = now()
            shared_watches.mark_connected(shared_watch)
            watch_log.established(shared_watch.log, endpoint)
        end
        return nil
    end
    if session.created_at == nil then
        return errors.local_error("bad_reply", "malformed reply: events before the watch was created", endpoint)
    end
    local dropped = reassembler.dropped
    local batches, problem = reassembly.add(reassembler, reply, shared_watch.next_revision)
    if batches == nil then
        return errors.local_error("bad_reply", problem, endpoint)
    end
    shared_watches.count_dropped(shared_watch, reassembler.dropped - dropped)
    deliver_all(shared_watch, session, batches)
    local ____int64_to_number_5 = int64.to_number
    local ____opt_3 = reply.header
    local revision = ____int64_to_number_5(____opt_3 and ____opt_3.revision)
    if reply.events == nil and reassembler.parts == nil and revision ~= nil then
        shared_watches.advance(shared_watch, revision)
    end
    return nil
end

--- Handles all replies until the stream ends, or the last subscriber has left.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@param stream resty.etcd.transport.transport.Stream
---@param from number
---@return resty.etcd.protocol.errors.EtcdError
local function read_all(shared_watch, session, stream, from)
    local reassembler = reassembly.new(from)
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
        local reply = message
        local err = handle_reply(
            shared_watch,
            session,
            reassembler,
            reply,
            stream.endpoint
        )
        if err ~= nil then
            return err
        end
        sharing.merge(shared_watch)
        time_slice.yield_if_due(slice)
    end
    return errors.local_error("closed", "closed")
end

--- Opens the stream and reads it until it ends. Returns why it has ended.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError
local function run(shared_watch, session)
    local core = shared_watch.core
    local locate_err = locate(shared_watch, session)
    if locate_err ~= nil then
        return locate_err
    end
    session.is_located = true
    if #shared_watch.subscribers == 0 then
        return errors.local_error("closed", "closed")
    end
    local from = shared_watches.request_revision(shared_watch)
    local request = {create_request = create_request(shared_watch, from)}
    local ____shared_watch_6 = shared_watch
    local located_at = ____shared_watch_6.located_at
    local log = ____shared_watch_6.log
    local options = {require_leader = true, prefer = located_at, on_retry = log.on_retry}
    local stream, open_err = call.open(core, rpcs.watch, request, options)
    session.attempts = session.attempts + (options.attempts or 0)
    if stream == nil then
        return open_err
    end
    shared_watches.set_stream(shared_watch, stream)
    session.response_started_at = now()
    local err = read_all(shared_watch, session, stream, from)
    if watch_errors.is_server_failure(err) then
        balancer.report(core, stream.endpoint, "failure")
        balancer.note_failure(
            core,
            stream.endpoint,
            errors.to_text(err)
        )
    end
    return err
end

--- Ends a session with an error, unless it has ended before.
---@param session resty.etcd.watch.stream_reader.StreamSession
---@param err resty.etcd.protocol.errors.EtcdError
local function finish(session, err)
    if session.err == nil then
        session.err = err
    end
end

--- Reports whether the stream has ended.
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return boolean
local function is_over(session)
    return session.err ~= nil
end

local function read(shared_watch, session)
    local ok, outcome = pcall(run, shared_watch, session)
    finish(
        session,
        ok and outcome or errors.local_error(
            "bad_reply",
            tostring(outcome)
        )
    )
    shared_watches.wake(shared_watch)
end

--- Opens a stream for the watch and reads it, in a light thread.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return resty.etcd.watch.stream_reader.StreamSession
local function start(shared_watch)
    local session = {
        thread = nil,
        err = nil,
        started_at = now(),
        attempts = 0,
        is_located = false,
        response_started_at = nil,
        created_at = nil,
        has_delivered = false
    }
    shared_watches.start_streaming(shared_watch)
    session.thread = ngx.thread.spawn(read, shared_watch, session)
    return session
end

--- Closes the stream of a session and ends its thread, whatever that waits for.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
local function stop(shared_watch, session)
    shared_watches.stop_streaming(shared_watch)
    ngx.thread.kill(session.thread)
end
_M.create_request = create_request
_M.finish = finish
_M.is_over = is_over
_M.start = start
_M.stop = stop

return _M
