-- Generated from src/resty/etcd/watch/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local key_range = require("resty.etcd.protocol.key_range")
local sort = table.sort
local concat = table.concat

--- Seconds.
local DEFAULT_IDLE_TIMEOUT = 60
local DEFAULT_MAX_EVENTS = 10000
local DEFAULT_MAX_BYTES = 16 * 1024 * 1024

--- What a feed delivers. Keys are as etcd stores them, with the client's prefix.
---@class resty.etcd.watch.options.FeedOptions
---@field key string Any bytes; "" with a `range_end` is the start of the key space.
---@field range_end? string As in etcd: nil or "" for the key alone, "\0" for all keys from `key` on.
---@field start_revision? number First revision to report. Without it and without `list` the feed starts as with `from_now`.
---@field from_now? boolean The feed starts after the current revision, which `open` asks etcd for before it returns.
---@field resumed? boolean Everything before `start_revision` has been seen: if etcd has not reached it, etcd was restored from a backup. Without `resumed` the feed waits for such a revision.
---@field cluster_id? string ID of the cluster that the revisions are of, if it is known: with another ID, etcd was restored from a backup.
---@field list? boolean The first batch is the full state, reason `list`: at `start_revision` - 1 or `from_now` if given.
---@field relist? boolean Events that are lost, after a compaction or a restore from a backup, are replaced by a full state, reason `compacted` or `restored`. Without it, they end the feed with an error of this name.
---@field progress? boolean Batches without events report etcd's current revision, whenever etcd sends that.
---@field prev_kv? boolean Events carry the previous key-value pair. Other subscribers of the same watch can receive it, too.
---@field filters? string[] "NOPUT", "NODELETE": events that etcd leaves out.
---@field idle_timeout? number Seconds without any byte after which the stream is checked, and opened again if it is dead; default 60.
---@field shared_range? table A wider range that the watch can cover, to be shared with other feeds within that range.
---@field max_queue? number Maximum number of events in the queue; default 10,000.
---@field max_queue_bytes? number Maximum size in bytes of the events in the queue; default 16 MiB.

--- Converts the options, and checks what can be wrong with ranges. Returns nil and an error text if they are invalid.
---@param opts resty.etcd.watch.options.FeedOptions
---@return resty.etcd.watch.types.SubscriberOptions? res
---@return string? err
local function read(opts)
    local range = key_range.of(opts.key, opts.range_end)
    if range.key == "" or key_range.is_empty(range) then
        return nil, "the range contains no key"
    end
    local shared = opts.shared_range
    local shared_range = shared ~= nil and key_range.of(shared.key, shared.range_end) or nil
    if shared_range ~= nil and not key_range.contains(shared_range, range) then
        return nil, "opts.shared_prefix must be a prefix of all watched keys"
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
        max_events = opts.max_queue or DEFAULT_MAX_EVENTS,
        max_bytes = opts.max_queue_bytes or DEFAULT_MAX_BYTES
    }
end
_M.read = read

return _M
