-- Generated from src/resty/etcd/watch/feed.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The changes of one revision: all of its events, or none if only etcd's current revision is reported. Or a full state: all
--- keys at that revision, which replaces everything before.
---@class resty.etcd.watch.feed.Batch
---@field revision number Everything up to this revision has been delivered with this batch. Exact up to 2^53.
---@field events resty.etcd.protocol.message.RawEvent[]
---@field full? resty.etcd.protocol.message.RawKv[] The full state: all keys, in the order of their bytes. `events` is empty then.
---@field reason? ("compacted"|"restored"|"list"|"snapshot") Set with `full`.

--- A source of batches in the order of their revisions, without gap or repetition.
---@class resty.etcd.watch.feed.Feed
---@field next fun(self: resty.etcd.watch.feed.Feed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError? Returns the next batch. One light thread at a time can call it.
---@field age fun(self: resty.etcd.watch.feed.Feed): number Returns the seconds since the last response from etcd.
---@field survives_kill? true A light thread that waits in `next` can be killed: the next call returns what it would have returned.
---@field current_error? fun(self: resty.etcd.watch.feed.Feed): resty.etcd.protocol.errors.EtcdError Returns why etcd cannot be followed at the moment, or permanently; nil if no error is known.
---@field cluster_id? fun(self: resty.etcd.watch.feed.Feed): string Returns the ID of the cluster that the batches are from; nil if it is not known.
---@field close fun(self: resty.etcd.watch.feed.Feed) Ends the feed and frees its resources immediately. A waiting `next` returns the error `closed`.

return _M
