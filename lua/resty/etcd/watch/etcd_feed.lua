-- Generated from src/resty/etcd/watch/etcd_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local phases = require("resty.etcd.base.phase")
local options = require("resty.etcd.watch.options")
local reads = require("resty.etcd.watch.reads")
local run_loop = require("resty.etcd.watch.run_loop")
local shared_watches = require("resty.etcd.watch.shared_watch")
local sharing = require("resty.etcd.watch.sharing")
local subscribers = require("resty.etcd.watch.subscriber")
local timer_loop = require("resty.etcd.base.timer_loop")
local watch_errors = require("resty.etcd.watch.errors")
local watch_stats = require("resty.etcd.watch.stats")
local now = clock.now
local max = math.max
local min = math.min

--- Maximum seconds of a wait in `next`, so that the worker's exit is noticed.
local POLL_INTERVAL = 1

---@class resty.etcd.watch.etcd_feed.Fields
---@field core resty.etcd.call.client_state.Core
---@field subscriber resty.etcd.watch.types.Subscriber
---@field survives_kill true
---@field guard table Closes the subscriber when the feed is collected as garbage.
---@field from number? First revision that it reports; nil if that was not known when the feed was opened.
---@field cluster string? ID of the cluster that its last watch was of.

--- A feed from etcd itself. Events and keys in its batches can be shared with other subscribers: they must not be modified.
--- A feed that is dropped without `close` is closed when it is collected as garbage.
---@class resty.etcd.watch.etcd_feed.WatchFeed: resty.etcd.watch.etcd_feed.Fields
---@field age fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field close fun(self: resty.etcd.watch.etcd_feed.WatchFeed)
---@field cluster_id fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string?
---@field current_error fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.protocol.errors.EtcdError?
---@field next fun(self: resty.etcd.watch.etcd_feed.WatchFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?
---@field revision fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field state fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string
---@field stats fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.watch.stats.FeedStats

--- Lets a subscriber without a watch join one again, as soon as its queue has room.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function rejoin(feed)
    local subscriber = feed.subscriber
    local is_behind = subscriber.shared_watch == nil and not subscriber.is_listing
    if is_behind and subscriber.err == nil and batch_queue.has_room(subscriber.queue) then
        sharing.join(
            subscriber,
            feed.core,
            subscribers.start_revision(subscriber),
            run_loop.run
        )
    end
end

--- Continues what waited for room in the queue.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function after_take(feed)
    local ____feed_subscriber_0 = feed.subscriber
    local shared_watch = ____feed_subscriber_0.shared_watch
    local queue = ____feed_subscriber_0.queue
    if shared_watch == nil then
        rejoin(feed)
    elseif batch_queue.has_room(queue) then
        shared_watches.resume(shared_watch)
    end
end

--- Ends the subscriber and discards its queue: the stream, or the handling of queued batches, would delay the exit.
---@param subscriber resty.etcd.watch.types.Subscriber
local function end_for_exit(subscriber)
    if subscriber.err == nil then
        shared_watches.fail(
            subscriber,
            watch_errors.exiting()
        )
    end
    batch_queue.clear(subscriber.queue)
end

--- Implements `Feed.next`.
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
            end_for_exit(subscriber)
        end
        local batch = subscribers.take(subscriber)
        if batch ~= nil then
            after_take(self)
            return batch
        end
        if subscriber.err ~= nil then
            return nil, subscriber.err
        end
        rejoin(self)
        local left = deadline ~= nil and deadline - now() or POLL_INTERVAL
        if left <= 0 then
            return nil, errors.local_error("timeout", "timeout")
        end
        local err = subscribers.wait(
            subscriber,
            min(left, POLL_INTERVAL)
        )
        if err ~= nil then
            return nil, err
        end
    end
end

--- Implements `Feed.close`.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
local function close(self)
    shared_watches.unsubscribe(self.subscriber)
    subscribers.close(self.subscriber)
end

--- Implements `Feed.age`.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return number
local function age(self)
    local ____self_subscriber_1 = self.subscriber
    local shared_watch = ____self_subscriber_1.shared_watch
    local last_received_at = ____self_subscriber_1.last_received_at
    local own = now() - last_received_at
    return shared_watch ~= nil and min(
        own,
        shared_watches.age(shared_watch)
    ) or own
end

--- Implements `Feed.current_error`: no stream is connected, or no full state can be read.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(self)
    local ____self_subscriber_2 = self.subscriber
    local err = ____self_subscriber_2.err
    local shared_watch = ____self_subscriber_2.shared_watch
    local pending_state = ____self_subscriber_2.pending_state
    if err ~= nil or shared_watch == nil or shared_watch.is_connected and pending_state == nil then
        return err
    end
    return shared_watch.last_error or errors.of_timer(timer_loop.problem(shared_watch.loop))
end

--- Returns the revision up to which `next` has delivered everything; 0 before any is known.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return number
local function revision(self)
    local ____self_subscriber_3 = self.subscriber
    local shared_watch = ____self_subscriber_3.shared_watch
    local delivered_revision = ____self_subscriber_3.delivered_revision
    local queue = ____self_subscriber_3.queue
    local pending_state = ____self_subscriber_3.pending_state
    if pending_state == nil and (shared_watch and shared_watch.next_revision) ~= nil and batch_queue.is_empty(queue) then
        return max(delivered_revision, shared_watch.next_revision - 1)
    end
    return delivered_revision
end

--- Returns the ID of the cluster that the feed is from; nil before etcd has answered.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string?
local function cluster_id(self)
    local shared_watch = self.subscriber.shared_watch
    if shared_watch ~= nil then
        self.cluster = shared_watch.history.cluster_id
    end
    return self.cluster
end

--- Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string
local function state(self)
    return watch_stats.state(self.subscriber)
end

--- Returns the counters of the feed and of the watch that serves it.
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

--- Asks etcd for its current revision, for a feed that starts there. Returns nil if the phase cannot wait.
---@param core resty.etcd.call.client_state.Core
---@param range resty.etcd.protocol.key_range.KeyRange
---@return resty.etcd.watch.types.HistoryPoint? current
---@return resty.etcd.protocol.errors.EtcdError? err
local function read_start(core, range)
    if not phases.can_wait() then
        return nil
    end
    return reads.current_revision(core, range, {quiet = true})
end

--- Creates the subscriber of a feed.
---@param opts resty.etcd.watch.options.FeedOptions
---@param subscriber_options resty.etcd.watch.types.SubscriberOptions
---@param from number?
---@param current resty.etcd.watch.types.HistoryPoint?
---@return resty.etcd.watch.types.Subscriber? res
---@return string? err
local function create_subscriber(opts, subscriber_options, from, current)
    local has_list = opts.list == true
    local history = current
    local unknown_before
    if not has_list and opts.resumed ~= true then
        unknown_before = opts.start_revision
    end
    if opts.resumed == true or opts.cluster_id ~= nil then
        history = {cluster_id = opts.cluster_id, raft_term = 0, revision = (opts.start_revision or 1) - 1}
    end
    local subscriber, err = subscribers.new(subscriber_options, {
        next_revision = from or 0,
        unknown_before = unknown_before,
        pending_state = has_list and "list" or nil,
        list_revision = has_list and from ~= nil and from > 1 and from - 1 or nil,
        history = history
    })
    if subscriber == nil then
        return nil, err
    end
    if has_list and from == 1 then
        subscribers.accept_full_state(subscriber, {}, 0)
    end
    return subscriber
end

--- Closes the subscriber when the returned object is collected as garbage. Its watch does the rest.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return table
local function make_guard(subscriber)
    local proxy = newproxy(true)
    local proxy_mt = getmetatable(proxy)
    proxy_mt.__gc = function()
        subscribers.mark_closed(subscriber)
    end
    return proxy
end

--- Opens a feed. It waits for etcd only if it starts at the current revision, and only in phases that can wait; in other
--- phases such a feed starts a moment later. Everything else happens in timers.
---@param core resty.etcd.call.client_state.Core a client
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.etcd_feed.WatchFeed? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function open(core, opts)
    if phases.is_init() then
        local text = "watches need timers, which the init phase does not have"
        return nil, errors.local_error("not_in_phase", text)
    end
    local subscriber_options, problem = options.read(opts)
    if subscriber_options == nil then
        return misuse(problem)
    end
    local from = opts.start_revision
    local current
    if from == nil and (opts.from_now == true or opts.list ~= true) then
        local point, err = read_start(core, subscriber_options.range)
        if err ~= nil then
            return nil, err
        end
        if point ~= nil then
            current = point
            from = point.revision + 1
        end
    end
    local subscriber, create_err = create_subscriber(opts, subscriber_options, from, current)
    if subscriber == nil then
        return misuse(create_err)
    end
    local connect = (opts.resumed == true or opts.cluster_id ~= nil) and sharing.open_for or sharing.join
    local shared_watch, start_err = connect(subscriber, core, from, run_loop.run)
    if shared_watch == nil then
        return misuse(start_err)
    end
    local fields = {
        core = core,
        subscriber = subscriber,
        survives_kill = true,
        guard = make_guard(subscriber),
        from = from,
        cluster = nil
    }
    return setmetatable(fields, mt)
end
_M.open = open

return _M
