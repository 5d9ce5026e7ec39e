-- Generated from src/resty/etcd/watch/etcd_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local reads = require("resty.etcd.watch.reads")
local subscribers = require("resty.etcd.watch.subscriber")
local shared_watches = require("resty.etcd.watch.shared_watch")
local options = require("resty.etcd.watch.options")
local watch_stats = require("resty.etcd.watch.stats")
local run_loop = require("resty.etcd.watch.run_loop")
local sharing = require("resty.etcd.watch.sharing")
local now = clock.now
local max = math.max
local min = math.min

--- A waiting consumer looks up so often, in seconds, whether the timers that it relies on run.
local POLL_INTERVAL = 1

---@class resty.etcd.watch.etcd_feed.Fields
---@field core resty.etcd.call.client_state.Core
---@field subscriber resty.etcd.watch.types.Subscriber
---@field guard table Closes the consumer when the feed is garbage.
---@field from number? First revision that it reports, if that was known from the start.
---@field cluster string? Of streams that it left.

--- A feed out of etcd itself. Events and keys in its batches may be shared with other consumers: they are read,
--- never written to. One that is dropped without `close` is closed when it is collected as garbage.
---@class resty.etcd.watch.etcd_feed.WatchFeed: resty.etcd.watch.etcd_feed.Fields
---@field age fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field close fun(self: resty.etcd.watch.etcd_feed.WatchFeed)
---@field cluster_id fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string?
---@field current_error fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.protocol.errors.EtcdError?
---@field next fun(self: resty.etcd.watch.etcd_feed.WatchFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?
---@field revision fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field state fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string
---@field stats fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.watch.stats.FeedStats

--- Goes on where the consumer stands, on a stream that has not passed it.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function resume(feed)
    local subscriber = feed.subscriber
    local is_behind = subscriber.shared_watch == nil and not subscriber.is_listing
    if is_behind and subscriber.err == nil and batch_queue.has_room(subscriber.queue) then
        local from = subscriber.next_revision
        if subscriber.pending_state ~= nil and subscriber.list_revision == nil then
            from = nil
        end
        sharing.join(subscriber, feed.core, from, run_loop.run)
    end
end

--- What has become possible after a batch was taken.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function after_pop(feed)
    local subscriber = feed.subscriber
    local shared_watch = subscriber.shared_watch
    if shared_watch == nil then
        resume(feed)
    elseif shared_watch.is_blocked and batch_queue.has_room(subscriber.queue) then
        shared_watch.is_blocked = false
        shared_watch.resume_signal:post(1)
    end
end

--- Waits until something may have come; returns what keeps it from waiting.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param seconds number
---@return resty.etcd.protocol.errors.EtcdError?
local function wait(subscriber, seconds)
    subscriber.is_waiting = true
    local ok, done, err = pcall(subscriber.ready.wait, subscriber.ready, seconds)
    subscriber.is_waiting = false
    if ok and (done == true or err == "timeout") then
        return nil
    end
    local ____errors_local_error_2 = errors.local_error
    local ____tostring_1 = tostring
    local ____ok_0
    if ok then
        ____ok_0 = err
    else
        ____ok_0 = done
    end
    return ____errors_local_error_2(
        "bad_request",
        "waiting for events: " .. ____tostring_1(____ok_0)
    )
end

--- The next batch, or why there is none.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@param timeout number?
---@return resty.etcd.watch.feed.Batch? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function next_batch(self, timeout)
    local subscriber = self.subscriber
    local deadline = timeout ~= nil and now() + timeout or nil
    while true do
        if subscriber.is_closed then
            return nil, errors.local_error("closed", "closed")
        end
        if ngx.worker.exiting() then
            if subscriber.err == nil then
                shared_watches.unsubscribe(subscriber)
                subscribers.fail(
                    subscriber,
                    shared_watches.exiting()
                )
            end
            batch_queue.clear(subscriber.queue)
        end
        local batch = batch_queue.pop(subscriber.queue)
        if batch ~= nil then
            subscriber.delivered_revision = max(subscriber.delivered_revision, batch.revision)
            if batch.full ~= nil then
                subscriber.delivered_revision = batch.revision
            end
            subscriber.batches = subscriber.batches + 1
            after_pop(self)
            return batch
        end
        if subscriber.err ~= nil then
            return nil, subscriber.err
        end
        resume(self)
        if subscriber.shared_watch ~= nil then
            shared_watches.restart_if_lost(subscriber.shared_watch)
        end
        local left = deadline ~= nil and deadline - now() or POLL_INTERVAL
        if left <= 0 then
            return nil, errors.local_error("timeout", "timeout")
        end
        local err = wait(
            subscriber,
            min(left, POLL_INTERVAL)
        )
        if err ~= nil then
            return nil, err
        end
    end
end

local function close(self)
    local subscriber = self.subscriber
    subscriber.is_closed = true
    shared_watches.unsubscribe(subscriber)
    subscribers.drop_held(subscriber)
    batch_queue.clear(subscriber.queue)
    subscribers.wake(subscriber)
end

local function age(self)
    local ____self_subscriber_3 = self.subscriber
    local shared_watch = ____self_subscriber_3.shared_watch
    local heard_at = ____self_subscriber_3.last_received_at
    local own = now() - heard_at
    return shared_watch ~= nil and min(
        own,
        shared_watches.age(shared_watch)
    ) or own
end

--- Why etcd cannot be followed now: the stream does not stand, or no full state can be read.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(self)
    local ____self_subscriber_4 = self.subscriber
    local err = ____self_subscriber_4.err
    local shared_watch = ____self_subscriber_4.shared_watch
    local needs = ____self_subscriber_4.pending_state
    if err ~= nil or shared_watch == nil or shared_watch.is_connected and needs == nil then
        return err
    end
    return shared_watch.last_error
end

--- Everything up to it has been delivered by `next`; 0 before anything is known.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return number
local function revision(self)
    local ____self_subscriber_5 = self.subscriber
    local shared_watch = ____self_subscriber_5.shared_watch
    local delivered = ____self_subscriber_5.delivered_revision
    local queue = ____self_subscriber_5.queue
    local needs = ____self_subscriber_5.pending_state
    if needs == nil and (shared_watch and shared_watch.next_revision) ~= nil and batch_queue.is_empty(queue) then
        return max(delivered, shared_watch.next_revision - 1)
    end
    return delivered
end

--- The cluster it is fed from, nil before that has answered.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string?
local function cluster_id(self)
    local shared_watch = self.subscriber.shared_watch
    if shared_watch ~= nil then
        self.cluster = shared_watch.history.cluster_id
    end
    return self.cluster
end

--- `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string
local function state(self)
    return watch_stats.state(self.subscriber)
end

--- What has come to the feed and to the stream that serves it.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return resty.etcd.watch.stats.FeedStats
local function stats(self)
    return watch_stats.stats(self.subscriber)
end
local methods = {
    age = age,
    close = close,
    cluster_id = cluster_id,
    current_error = current_error,
    next = next_batch,
    revision = revision,
    state = state,
    stats = stats
}
local mt = {__index = methods}

local function misuse(text)
    return nil, errors.local_error("bad_request", text)
end

--- In these phases nothing can wait for etcd.
---@return boolean
local function can_wait()
    local phase = ngx.get_phase()
    return phase == "rewrite" or phase == "access" or phase == "content" or phase == "timer" or phase == "ssl_cert" or phase == "ssl_client_hello" or phase == "ssl_session_fetch"
end

--- Where etcd is, for a feed that is to tell what comes from now on; nil where nothing can wait.
---@param core resty.etcd.call.client_state.Core
---@param wants resty.etcd.watch.types.SubscriberOptions
---@return resty.etcd.watch.types.HistoryPoint? known
---@return resty.etcd.protocol.errors.EtcdError? err
local function find_start(core, wants)
    if not can_wait() then
        return nil
    end
    return reads.current_revision(core, wants.range)
end

--- Puts the consumer on a stream.
---@param core resty.etcd.call.client_state.Core
---@param subscriber resty.etcd.watch.types.Subscriber
---@param from number?
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function connect(core, subscriber, from, opts)
    if opts.resumed ~= true and opts.cluster_id == nil then
        return sharing.join(subscriber, core, from, run_loop.run)
    end
    subscriber.history = {cluster_id = opts.cluster_id, raft_term = 0, revision = (opts.start_revision or 1) - 1}
    return sharing.open_for(subscriber, core, from, run_loop.run)
end

--- Closes the consumer when nobody holds its feed any more. The stream's timer sees to the rest.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return table
local function make_guard(subscriber)
    local proxy = newproxy(true)
    local proxy_mt = getmetatable(proxy)
    proxy_mt.__gc = function()
        subscriber.is_closed = true
    end
    return proxy
end

--- Opens a feed. Only one that begins from now on waits for etcd, in phases that can wait; in others
--- such a feed begins a moment later. All else goes on in timers.
---@param core resty.etcd.call.client_state.Core a client
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.etcd_feed.WatchFeed? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function open(core, opts)
    if ngx.get_phase() == "init" then
        return misuse("a watch needs timers, and there are none in the init phase")
    end
    local wants, wrong = options.read(opts)
    if wants == nil then
        return misuse(wrong)
    end
    local from = opts.start_revision
    local known
    if from == nil and (opts.from_now == true or opts.list ~= true) then
        local status, err = find_start(core, wants)
        if err ~= nil then
            return nil, err
        end
        if status ~= nil then
            known = status
            from = status.revision + 1
        end
    end
    local needs = opts.list == true and "list" or nil
    local subscriber, create_err = subscribers.new(wants, from or 0, needs)
    if subscriber == nil then
        return misuse(create_err)
    end
    subscriber.history = known
    if opts.list ~= true and opts.resumed ~= true then
        subscriber.unknown_before = opts.start_revision
    end
    if opts.list == true and from ~= nil then
        if from == 1 then
            subscribers.accept_full_state(subscriber, {}, 0)
        else
            subscriber.list_revision = from - 1
        end
    end
    local shared_watch, start_err = connect(core, subscriber, from, opts)
    if shared_watch == nil then
        return misuse(start_err)
    end
    local fields = {
        core = core,
        subscriber = subscriber,
        guard = make_guard(subscriber),
        from = from,
        cluster = nil
    }
    return setmetatable(fields, mt)
end
_M.open = open

return _M
