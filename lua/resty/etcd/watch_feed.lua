-- Generated from src/resty/etcd/watch_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.errors")

--- What a consumer wants to be fed with. Keys are as etcd stores them, without any of the client's prefix.
---@class resty.etcd.watch_feed.FeedOptions
---@field key string Any bytes; "" with a `range_end` is the first key of all.
---@field range_end? string As etcd takes it: nil or "" for the key alone, "\0" for all keys from `key` on.
---@field start_revision? number First revision to report. Without it and without `list` the feed begins with what comes after `open`, which asks etcd for its revision before it returns.
---@field resumed? boolean Everything before `start_revision` has been seen: an etcd that is not there yet was restored from a backup. Without it such a revision is waited for.
---@field cluster_id? string The cluster that the revisions are of, if that is known: another one was restored from a backup.
---@field list? boolean The first batch is the full state, reason `list`: at `start_revision` - 1 if that is given, else as it is now.
---@field relist? boolean When events are gone for good, after a compaction or a restore from a backup, the feed goes on with a full state, reason `compacted` or `restored`. Without it that is a final error of this name.
---@field progress? boolean Also batches without events, whenever etcd says how far it has come.
---@field prev_kv? boolean Events carry what the key was before; others on the same stream may get it too.
---@field filters? string[] "NOPUT", "NODELETE": events that etcd leaves out.
---@field silence? number Seconds without any byte after which the stream counts as dead and is opened again; default 60.
---@field share? table A wider range, for a stream that also serves others within that range.
---@field max_queue? number Events that may wait for the consumer; default 10,000.
---@field max_queue_bytes? number Bytes of events that may wait for the consumer; default 16 MiB.

--- What has come to a stream so far.
---@class resty.etcd.watch_feed.StreamStats
---@field connected boolean The stream stands.
---@field opened number Streams opened.
---@field ends table How they ended, by name: `closed`, `silence`, `unavailable`, `connect_failed`, `compacted`...
---@field events number
---@field dropped number Events that had been delivered already, or never should have come.
---@field lists number Full states read.
---@field consumers number Consumers that the stream serves now.
---@field last_error? string Why there is no stream now, or why the last one ended.

--- A feed out of etcd itself. Events and keys in its batches may be shared with other consumers: they are read,
--- never written to. One that is dropped without `close` is closed when it is collected as garbage.
---@class resty.etcd.watch_feed.WatchFeed: resty.etcd.feed.Feed
---@field revision fun(self: resty.etcd.watch_feed.WatchFeed): number Everything up to it has been delivered by `next`; 0 before anything is known.
---@field cluster_id fun(self: resty.etcd.watch_feed.WatchFeed): string? The cluster it is fed from, nil before it has answered.
---@field state fun(self: resty.etcd.watch_feed.WatchFeed): string `connecting`, `listing`, `watching`, `behind` (the consumer is too slow), `closed` or `failed`.
---@field stats fun(self: resty.etcd.watch_feed.WatchFeed): resty.etcd.watch_feed.StreamStats

--- Opens a feed. Only without `list` and `start_revision` does it wait for etcd, in phases that can wait.
--- All else goes on in timers.
---@param _core resty.etcd.core.Core
---@param _opts resty.etcd.watch_feed.FeedOptions
---@return resty.etcd.watch_feed.WatchFeed? res
---@return resty.etcd.errors.EtcdError? err
local function open(_core, _opts)
    return nil, errors.failure("bad_request", "under construction")
end
_M.open = open

return _M
