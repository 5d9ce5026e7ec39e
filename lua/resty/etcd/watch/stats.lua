-- Generated from src/resty/etcd/watch/stats.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Counters of a feed and of the watch that serves it.
---@class resty.etcd.watch.stats.FeedStats
---@field batches number Batches taken out of the feed.
---@field queued number Events in the queue.
---@field overflows number How often batches were taken too slowly for a watch that others share.
---@field connected boolean etcd has confirmed the watch on the current stream.
---@field opened number Streams on which etcd confirmed the watch.
---@field close_reasons table How streams ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`...
---@field events number Events received on the stream, of all keys that it covers.
---@field dropped number Events discarded, because they had been delivered already or were out of order.
---@field lists number Full states read for this feed.
---@field subscribers number Subscribers that the watch serves now.
---@field endpoint? string Endpoint of the current stream.
---@field last_error? string Why there is no stream now, or why the last one ended.

--- Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return string
local function state(subscriber)
    local ____subscriber_0 = subscriber
    local is_closed = ____subscriber_0.is_closed
    local err = ____subscriber_0.err
    local shared_watch = ____subscriber_0.shared_watch
    local pending_state = ____subscriber_0.pending_state
    if is_closed then
        return "closed"
    end
    if err ~= nil then
        return "failed"
    end
    if pending_state ~= nil and (shared_watch and shared_watch.next_revision) ~= nil then
        return "listing"
    end
    if shared_watch == nil or shared_watch.is_paused then
        return "behind"
    end
    return shared_watch.is_connected and "watching" or "connecting"
end

--- Returns the counters of a subscriber and of the watch that serves it.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return resty.etcd.watch.stats.FeedStats
local function stats(subscriber)
    local ____subscriber_3 = subscriber
    local shared_watch = ____subscriber_3.shared_watch
    local batches = ____subscriber_3.batches
    local lists = ____subscriber_3.lists
    local queue = ____subscriber_3.queue
    local overflows = ____subscriber_3.overflows
    local counters = {
        batches = batches,
        lists = lists,
        overflows = overflows,
        queued = queue.events,
        connected = (shared_watch and shared_watch.is_connected) == true,
        opened = shared_watch and shared_watch.open_count or 0,
        close_reasons = shared_watch and shared_watch.close_reasons or ({}),
        events = shared_watch and shared_watch.events or 0,
        dropped = shared_watch and shared_watch.dropped or 0,
        subscribers = shared_watch and #shared_watch.subscribers or 0
    }
    local ____opt_16 = shared_watch and shared_watch.stream
    local endpoint = ____opt_16 and ____opt_16.endpoint
    if endpoint ~= nil then
        counters.endpoint = endpoint
    end
    local err = subscriber.err or shared_watch and shared_watch.last_error
    if err ~= nil then
        counters.last_error = tostring(err)
    end
    return counters
end
_M.state = state
_M.stats = stats

return _M
