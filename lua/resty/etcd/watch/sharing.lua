-- Generated from src/resty/etcd/watch/sharing.ts by TypeScriptToLua. Do not edit.
local _M = {}
local batch_queue = require("resty.etcd.watch.batch_queue")
local histories = require("resty.etcd.watch.history")
local key_range = require("resty.etcd.protocol.key_range")
local shared_watches = require("resty.etcd.watch.shared_watch")
local subscribers = require("resty.etcd.watch.subscriber")
local max = math.max

--- Returns the range that the watch of a subscriber covers. It is wider than the subscriber's own if the user allows that,
--- because each watch takes a connection. Nothing else widens a watch: over a transport that multiplexes watches on one
--- connection, this can return the subscriber's own range.
---@param options resty.etcd.watch.types.SubscriberOptions
---@return resty.etcd.protocol.key_range.KeyRange
local function range_of(options)
    return options.shared_range or options.range
end

--- Lets the subscriber take what its watch knows of etcd to its next one.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function carry_history(subscriber, shared_watch)
    subscribers.set_history(
        subscriber,
        histories.copy(shared_watch.history),
        shared_watch.history_token
    )
end

--- Detaches a slow subscriber from its watch. It resumes later on a separate one.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@param revision number
local function detach(shared_watch, subscriber, revision)
    subscribers.note_overflow(subscriber)
    subscribers.drop_buffered(subscriber)
    subscribers.skip_to(subscriber, revision)
    carry_history(subscriber, shared_watch)
    shared_watches.unsubscribe(subscriber)
end

--- Detaches the subscribers whose queues are full, so that a slow one does not stall the others.
--- A full subscriber that is alone stays: the shared watch pauses instead.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number of the batch that is to be delivered
---@return resty.etcd.watch.types.Subscriber? # the subscriber that stays although its queue is full, or nil
local function detach_slow(shared_watch, revision)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if batch_queue.is_full(subscriber.queue) and not subscribers.ignores_events(subscriber) then
            if #shared_watch.subscribers == 1 and subscriber.pending_state == nil then
                return subscriber
            end
            detach(shared_watch, subscriber, revision)
        end
    end
    return nil
end

--- Reports whether a watch delivers what the options ask for, from whatever revision on.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param options resty.etcd.watch.types.SubscriberOptions
---@return boolean
local function is_compatible(shared_watch, options)
    return key_range.contains(
        shared_watch.range,
        range_of(options)
    ) and shared_watch.filters == options.filters and (shared_watch.prev_kv or not options.prev_kv) and shared_watch.idle_timeout <= options.idle_timeout
end

--- Reports whether nothing contradicts that the watch and the subscriber have seen the same history of etcd.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function has_history_of(shared_watch, subscriber)
    if subscriber.history_token ~= nil then
        return subscriber.history_token == shared_watch.history_token
    end
    local ____opt_0 = subscriber.history
    local cluster_id = ____opt_0 and ____opt_0.cluster_id
    local other_id = shared_watch.history.cluster_id
    return cluster_id == nil or other_id == nil or cluster_id == other_id
end

--- Reports whether the position of the watch lets the subscriber join.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@param from number?
---@return boolean
local function can_join(shared_watch, subscriber, from)
    local next = shared_watch.next_revision
    if from ~= nil then
        return next ~= nil and next <= from
    end
    if subscriber.pending_state == nil then
        return next == nil and not shared_watch.is_streaming and shared_watch.history.cluster_id == nil
    end
    return not shared_watch.is_catching_up and (next == nil or next <= shared_watch.history.revision + 1)
end

--- Returns the watch with the latest position that the subscriber can join; nil if there is none.
---@param core resty.etcd.call.client_state.Core
---@param subscriber resty.etcd.watch.types.Subscriber
---@param from number?
---@return resty.etcd.watch.types.SharedWatch?
local function find(core, subscriber, from)
    local best
    if subscribers.is_isolated(subscriber) then
        return nil
    end
    for ____, shared_watch in ipairs(shared_watches.watches_of(core)) do
        local is_candidate = is_compatible(shared_watch, subscriber.options) and has_history_of(shared_watch, subscriber) and can_join(shared_watch, subscriber, from)
        if is_candidate and (best == nil or (shared_watch.next_revision or 0) > (best.next_revision or 0)) then
            best = shared_watch
        end
    end
    return best
end

--- Creates a watch that serves the subscriber from a revision on.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param next number? nil for the current revision
---@param run fun(shared_watch: resty.etcd.watch.types.SharedWatch): number?
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function open_for(subscriber, core, next, run)
    local options = subscriber.options
    local is_catching_up = false
    for ____, other in ipairs(shared_watches.watches_of(core)) do
        is_catching_up = is_catching_up or not other.is_catching_up and is_compatible(other, options)
    end
    local shared_watch, err = shared_watches.new(
        core,
        subscriber,
        range_of(options),
        next,
        is_catching_up,
        run
    )
    if shared_watch == nil then
        return nil, err
    end
    local ok, start_err = shared_watches.start(shared_watch)
    if ok == nil then
        return nil, start_err
    end
    shared_watches.publish(shared_watch)
    shared_watches.subscribe(shared_watch, subscriber)
    return shared_watch
end

--- Lets a watch serve the subscriber: an existing one that has not passed its start revision, or a new one.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param from number? nil to start at the current revision, or with the full state that will be read
---@param run fun(shared_watch: resty.etcd.watch.types.SharedWatch): number?
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function join(subscriber, core, from, run)
    local shared_watch = find(core, subscriber, from)
    if shared_watch == nil then
        return open_for(subscriber, core, from, run)
    end
    shared_watches.subscribe(shared_watch, subscriber)
    return shared_watch
end

--- Reports whether a watch that was catching up has reached the other one.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param other resty.etcd.watch.types.SharedWatch
---@return boolean
local function has_caught_up(shared_watch, other)
    return other ~= shared_watch and not other.is_catching_up and other.next_revision ~= nil and other.next_revision <= shared_watch.next_revision and other.history.cluster_id == shared_watch.history.cluster_id and not shared_watch.history_token.lost
end

--- Moves the subscribers of a watch that was catching up to the watch that it has reached.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function merge(shared_watch)
    if not shared_watch.is_catching_up then
        return
    end
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        for ____, other in ipairs(shared_watches.watches_of(shared_watch.core)) do
            if not subscribers.is_isolated(subscriber) and has_caught_up(shared_watch, other) and is_compatible(other, subscriber.options) then
                subscribers.skip_to(subscriber, shared_watch.next_revision)
                shared_watches.unsubscribe(subscriber)
                shared_watches.subscribe(other, subscriber)
                break
            end
        end
    end
end

--- Moves each subscriber that needs less than the whole range of the watch to a separate watch with the same position.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function split(shared_watch)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if not key_range.contains(
            range_of(subscriber.options),
            shared_watch.range
        ) then
            carry_history(subscriber, shared_watch)
            shared_watches.unsubscribe(subscriber)
            local next = max(subscriber.next_revision, shared_watch.next_revision or 0)
            subscribers.skip_to(subscriber, next)
            local opened = open_for(subscriber, shared_watch.core, next > 0 and next or nil, shared_watch.run)
            if opened == nil then
                subscribers.drop_buffered(subscriber)
            end
        end
    end
end
_M.detach_slow = detach_slow
_M.join = join
_M.merge = merge
_M.open_for = open_for
_M.split = split

return _M
