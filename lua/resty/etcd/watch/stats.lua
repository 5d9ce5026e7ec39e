-- Generated from src/resty/etcd/watch/stats.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What has come to a feed and its stream so far.
---@class resty.etcd.watch.stats.FeedStats
---@field batches number Batches taken out of the feed.
---@field queued number Events that wait for the consumer.
---@field times_behind number How often the consumer was too slow for a stream that it shared.
---@field connected boolean The stream stands.
---@field opened number Streams opened.
---@field ends table How they ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`...
---@field events number
---@field dropped number Events that had been delivered already, or never should have come.
---@field lists number Full states read for this feed.
---@field consumers number Consumers that the stream serves now.
---@field endpoint? string Where the stream comes from.
---@field last_error? string Why there is no stream now, or why the last one ended.

--- `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`.
---@param consumer resty.etcd.watch.types.Subscriber
---@return string
local function state(consumer)
    local ____consumer_0 = consumer
    local closed = ____consumer_0.closed
    local err = ____consumer_0.err
    local hub = ____consumer_0.hub
    local needs = ____consumer_0.needs
    if closed then
        return "closed"
    end
    if err ~= nil then
        return "failed"
    end
    if needs ~= nil and (hub and hub.next) ~= nil then
        return "listing"
    end
    if hub == nil or hub.blocked then
        return "behind"
    end
    return hub.connected and "watching" or "connecting"
end

--- What has come to the feed and to the stream that serves it.
---@param consumer resty.etcd.watch.types.Subscriber
---@return resty.etcd.watch.stats.FeedStats
local function stats(consumer)
    local ____consumer_3 = consumer
    local hub = ____consumer_3.hub
    local batches = ____consumer_3.batches
    local lists = ____consumer_3.lists
    local queue = ____consumer_3.queue
    local times_behind = ____consumer_3.times_behind
    local counted = {
        batches = batches,
        lists = lists,
        times_behind = times_behind,
        queued = queue.events,
        connected = (hub and hub.connected) == true,
        opened = hub and hub.opened or 0,
        ends = hub and hub.ends or ({}),
        events = hub and hub.events or 0,
        dropped = hub and hub.dropped or 0,
        consumers = hub and #hub.consumers or 0
    }
    local ____opt_16 = hub and hub.stream
    local endpoint = ____opt_16 and ____opt_16.endpoint
    if endpoint ~= nil then
        counted.endpoint = endpoint
    end
    local err = consumer.err or hub and hub.last_error
    if err ~= nil then
        counted.last_error = tostring(err)
    end
    return counted
end
_M.state = state
_M.stats = stats

return _M
