-- Generated from src/resty/etcd/watch/stats.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What has come to a feed and its stream so far.
---@class resty.etcd.watch.stats.FeedStats
---@field batches number Batches taken out of the feed.
---@field queued number Events that wait for the consumer.
---@field overflows number How often the consumer was too slow for a stream that it shared.
---@field connected boolean The stream stands.
---@field opened number Streams opened.
---@field close_reasons table How they ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`...
---@field events number
---@field dropped number Events that had been delivered already, or never should have come.
---@field lists number Full states read for this feed.
---@field subscribers number Consumers that the stream serves now.
---@field endpoint? string Where the stream comes from.
---@field last_error? string Why there is no stream now, or why the last one ended.

--- `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return string
local function state(subscriber)
    local ____subscriber_0 = subscriber
    local closed = ____subscriber_0.is_closed
    local err = ____subscriber_0.err
    local shared_watch = ____subscriber_0.shared_watch
    local needs = ____subscriber_0.pending_state
    if closed then
        return "closed"
    end
    if err ~= nil then
        return "failed"
    end
    if needs ~= nil and (shared_watch and shared_watch.next_revision) ~= nil then
        return "listing"
    end
    if shared_watch == nil or shared_watch.is_blocked then
        return "behind"
    end
    return shared_watch.is_connected and "watching" or "connecting"
end

--- What has come to the feed and to the stream that serves it.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return resty.etcd.watch.stats.FeedStats
local function stats(subscriber)
    local ____subscriber_3 = subscriber
    local shared_watch = ____subscriber_3.shared_watch
    local batches = ____subscriber_3.batches
    local lists = ____subscriber_3.lists
    local queue = ____subscriber_3.queue
    local times_behind = ____subscriber_3.overflows
    local counted = {
        batches = batches,
        lists = lists,
        overflows = times_behind,
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
        counted.endpoint = endpoint
    end
    local err = subscriber.err or shared_watch and shared_watch.last_error
    if err ~= nil then
        counted.last_error = tostring(err)
    end
    return counted
end
_M.state = state
_M.stats = stats

return _M
