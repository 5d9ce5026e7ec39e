-- Generated from src/resty/etcd/watch/feed.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What has changed by one revision: all of its events; none, where etcd only told that it has come so far; or
--- all keys as they are at that revision, which takes the place of everything before.
---@class resty.etcd.watch.feed.Batch
---@field revision number Everything up to it has been delivered, this batch included. Exact up to 2^53.
---@field events resty.etcd.protocol.message.RawEvent[]
---@field full? resty.etcd.protocol.message.RawKv[] All keys, in the order of their bytes; `events` is empty then.
---@field reason? ("compacted"|"restored"|"list"|"snapshot") Why all keys are told.

--- Batches in the order of their revisions, without gap or repetition, wherever they come from.
---@class resty.etcd.watch.feed.Feed
---@field next fun(self: resty.etcd.watch.feed.Feed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError? The next batch. May be called from one light thread at a time, whichever.
---@field age fun(self: resty.etcd.watch.feed.Feed): number Seconds since etcd was last heard of by the stream behind it.
---@field current_error? fun(self: resty.etcd.watch.feed.Feed): resty.etcd.protocol.errors.EtcdError Why etcd cannot be followed at the moment, or for good; nil if nothing is known to be wrong.
---@field close fun(self: resty.etcd.watch.feed.Feed) Ends it and frees what it holds, at once. A `next` that waits answers `closed`.

return _M
