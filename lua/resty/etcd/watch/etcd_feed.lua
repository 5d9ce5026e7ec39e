-- Generated from src/resty/etcd/watch/etcd_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local reads = require("resty.etcd.watch.reads")
local subscriber = require("resty.etcd.watch.subscriber")
local shared_watch = require("resty.etcd.watch.shared_watch")
local options = require("resty.etcd.watch.options")
local watch_stats = require("resty.etcd.watch.stats")
local run_loop = require("resty.etcd.watch.run_loop")
local sharing = require("resty.etcd.watch.sharing")
local now = clock.now
local max = math.max
local min = math.min
local guard = pcall

--- A waiting consumer looks up so often, in seconds, whether the timers that it relies on run.
local LOOK = 1

---@class resty.etcd.watch.etcd_feed.Fields
---@field core resty.etcd.call.client_state.Core
---@field consumer resty.etcd.watch.types.Subscriber
---@field guard table Closes the consumer when the feed is garbage.
---@field from number? First revision that it reports, if that was known from the start.
---@field cluster string? Of streams that it left.

--- A feed out of etcd itself. Events and keys in its batches may be shared with other consumers: they are read,
--- never written to. One that is dropped without `close` is closed when it is collected as garbage.
---@class resty.etcd.watch.etcd_feed.WatchFeed: resty.etcd.watch.etcd_feed.Fields
---@field age fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field close fun(self: resty.etcd.watch.etcd_feed.WatchFeed)
---@field cluster_id fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string?
---@field next fun(self: resty.etcd.watch.etcd_feed.WatchFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?
---@field revision fun(self: resty.etcd.watch.etcd_feed.WatchFeed): number
---@field state fun(self: resty.etcd.watch.etcd_feed.WatchFeed): string
---@field stats fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.watch.stats.FeedStats
---@field trouble fun(self: resty.etcd.watch.etcd_feed.WatchFeed): resty.etcd.protocol.errors.EtcdError?

--- Goes on where the consumer stands, on a stream that has not passed it.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function resume(feed)
    local consumer = feed.consumer
    local is_behind = consumer.hub == nil and not consumer.listing
    if is_behind and consumer.err == nil and batch_queue.has_room(consumer.queue) then
        local from = consumer.next
        if consumer.needs ~= nil and consumer.list_at == nil then
            from = nil
        end
        sharing.join(consumer, feed.core, from, run_loop.run)
    end
end

--- What has become possible after a batch was taken.
---@param feed resty.etcd.watch.etcd_feed.Fields
local function after_pop(feed)
    local consumer = feed.consumer
    local hub = consumer.hub
    if hub == nil then
        resume(feed)
    elseif hub.blocked and batch_queue.has_room(consumer.queue) then
        hub.blocked = false
        hub.room:post(1)
    end
end

--- Waits until something may have come; returns what keeps it from waiting.
---@param consumer resty.etcd.watch.types.Subscriber
---@param seconds number
---@return resty.etcd.protocol.errors.EtcdError?
local function wait(consumer, seconds)
    consumer.waiting = true
    local ok, done, err = guard(consumer.ready.wait, consumer.ready, seconds)
    consumer.waiting = false
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
    local consumer = self.consumer
    local deadline = timeout ~= nil and now() + timeout or nil
    while true do
        if consumer.closed then
            return nil, errors.local_error("closed", "closed")
        end
        if ngx.worker.exiting() then
            if consumer.err == nil then
                shared_watch.unsubscribe(consumer)
                subscriber.fail(
                    consumer,
                    shared_watch.exiting()
                )
            end
            batch_queue.clear(consumer.queue)
        end
        local batch = batch_queue.pop(consumer.queue)
        if batch ~= nil then
            consumer.delivered = max(consumer.delivered, batch.revision)
            if batch.full ~= nil then
                consumer.delivered = batch.revision
            end
            consumer.batches = consumer.batches + 1
            after_pop(self)
            return batch
        end
        if consumer.err ~= nil then
            return nil, consumer.err
        end
        resume(self)
        if consumer.hub ~= nil then
            shared_watch.restart_if_lost(consumer.hub)
        end
        local left = deadline ~= nil and deadline - now() or LOOK
        if left <= 0 then
            return nil, errors.local_error("timeout", "timeout")
        end
        local err = wait(
            consumer,
            min(left, LOOK)
        )
        if err ~= nil then
            return nil, err
        end
    end
end

local function close(self)
    local consumer = self.consumer
    consumer.closed = true
    shared_watch.unsubscribe(consumer)
    subscriber.drop_held(consumer)
    batch_queue.clear(consumer.queue)
    subscriber.wake(consumer)
end

local function age(self)
    local ____self_consumer_3 = self.consumer
    local hub = ____self_consumer_3.hub
    local heard_at = ____self_consumer_3.heard_at
    local own = now() - heard_at
    return hub ~= nil and min(
        own,
        shared_watch.age(hub)
    ) or own
end

--- Why etcd cannot be followed now: the stream does not stand, or no full state can be read.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return resty.etcd.protocol.errors.EtcdError?
local function trouble(self)
    local ____self_consumer_4 = self.consumer
    local err = ____self_consumer_4.err
    local hub = ____self_consumer_4.hub
    local needs = ____self_consumer_4.needs
    if err ~= nil or hub == nil or hub.connected and needs == nil then
        return err
    end
    return hub.last_error
end

--- Everything up to it has been delivered by `next`; 0 before anything is known.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return number
local function revision(self)
    local ____self_consumer_5 = self.consumer
    local hub = ____self_consumer_5.hub
    local delivered = ____self_consumer_5.delivered
    local queue = ____self_consumer_5.queue
    local needs = ____self_consumer_5.needs
    if needs == nil and (hub and hub.next) ~= nil and batch_queue.is_empty(queue) then
        return max(delivered, hub.next - 1)
    end
    return delivered
end

--- The cluster it is fed from, nil before that has answered.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string?
local function cluster_id(self)
    local hub = self.consumer.hub
    if hub ~= nil then
        self.cluster = hub.known.cluster_id
    end
    return self.cluster
end

--- `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return string
local function state(self)
    return watch_stats.state(self.consumer)
end

--- What has come to the feed and to the stream that serves it.
---@param self resty.etcd.watch.etcd_feed.WatchFeed
---@return resty.etcd.watch.stats.FeedStats
local function stats(self)
    return watch_stats.stats(self.consumer)
end
local methods = {
    age = age,
    close = close,
    cluster_id = cluster_id,
    next = next_batch,
    revision = revision,
    state = state,
    stats = stats,
    trouble = trouble
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
---@param consumer resty.etcd.watch.types.Subscriber
---@param from number?
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function connect(core, consumer, from, opts)
    if opts.resumed ~= true and opts.cluster_id == nil then
        return sharing.join(consumer, core, from, run_loop.run)
    end
    consumer.known = {cluster_id = opts.cluster_id, raft_term = 0, revision = (opts.start_revision or 1) - 1}
    return sharing.open_for(consumer, core, from, run_loop.run)
end

--- Closes the consumer when nobody holds its feed any more. The stream's timer sees to the rest.
---@param consumer resty.etcd.watch.types.Subscriber
---@return table
local function make_guard(consumer)
    local proxy = newproxy(true)
    local proxy_mt = getmetatable(proxy)
    proxy_mt.__gc = function()
        consumer.closed = true
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
    local consumer, create_err = subscriber.new(wants, from or 0, needs)
    if consumer == nil then
        return misuse(create_err)
    end
    consumer.known = known
    if opts.list ~= true and opts.resumed ~= true then
        consumer.unknown_before = opts.start_revision
    end
    if opts.list == true and from ~= nil then
        if from == 1 then
            subscriber.accept_full_state(consumer, {}, 0)
        else
            consumer.list_at = from - 1
        end
    end
    local hub, start_err = connect(core, consumer, from, opts)
    if hub == nil then
        return misuse(start_err)
    end
    local fields = {
        core = core,
        consumer = consumer,
        guard = make_guard(consumer),
        from = from,
        cluster = nil
    }
    return setmetatable(fields, mt)
end
_M.open = open

return _M
