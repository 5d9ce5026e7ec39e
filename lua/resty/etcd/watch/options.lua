-- Generated from src/resty/etcd/watch/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local key_range = require("resty.etcd.protocol.key_range")
local sort = table.sort
local concat = table.concat
local DEFAULT_IDLE_TIMEOUT = 60
local DEFAULT_EVENTS = 10000
local DEFAULT_BYTES = 16 * 1024 * 1024

--- What a consumer wants to be fed with. Keys are as etcd stores them, without any of the client's prefix.
---@class resty.etcd.watch.options.FeedOptions
---@field key string Any bytes; "" with a `range_end` is the first key of all.
---@field range_end? string As etcd takes it: nil or "" for the key alone, "\0" for all keys from `key` on.
---@field start_revision? number First revision to report. Without it and without `list` the feed begins `from_now` on.
---@field from_now? boolean The feed begins with what comes after `open`, which asks etcd for its revision before it returns.
---@field resumed? boolean Everything before `start_revision` has been seen: an etcd that is not there yet was restored from a backup. Without it such a revision is waited for.
---@field cluster_id? string The cluster that the revisions are of, if that is known: another one was restored from a backup.
---@field list? boolean The first batch is the full state, reason `list`: at `start_revision` - 1 or `from_now` if given.
---@field relist? boolean When events are gone for good, after a compaction or a restore from a backup, the feed goes on with a full state, reason `compacted` or `restored`. Without it that is a final error of this name.
---@field progress? boolean Also batches without events, whenever etcd says how far it has come.
---@field prev_kv? boolean Events carry what the key was before; others on the same stream may get it too.
---@field filters? string[] "NOPUT", "NODELETE": events that etcd leaves out.
---@field idle_timeout? number Seconds without any byte after which the stream counts as dead and is opened again; default 60.
---@field shared_range? table A wider range, for a stream that also serves others within that range.
---@field max_queue? number Events that may wait for the consumer; default 10,000.
---@field max_queue_bytes? number Bytes of events that may wait for the consumer; default 16 MiB.

--- Checks the options. Returns nil and what is wrong with them, if anything is.
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.types.SubscriberOptions? res
---@return string? err
local function read(opts)
    local range = key_range.of(opts.key, opts.range_end)
    if range.key == "" or key_range.is_empty(range) then
        return nil, "no key is in this range"
    end
    local shared = opts.shared_range
    local shared_range = shared ~= nil and key_range.of(shared.key, shared.range_end) or nil
    if shared_range ~= nil and not key_range.contains(shared_range, range) then
        return nil, "the range to share does not contain the keys"
    end
    local filters = {}
    for ____, filter in ipairs(opts.filters or ({})) do
        filters[#filters + 1] = filter
    end
    sort(filters)
    return {
        range = range,
        shared_range = shared_range,
        relist = opts.relist == true,
        progress = opts.progress == true,
        prev_kv = opts.prev_kv == true,
        filters = concat(filters, " "),
        idle_timeout = opts.idle_timeout or DEFAULT_IDLE_TIMEOUT,
        max_events = opts.max_queue or DEFAULT_EVENTS,
        max_bytes = opts.max_queue_bytes or DEFAULT_BYTES
    }
end
_M.read = read

return _M
