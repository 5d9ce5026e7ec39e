-- Generated from src/resty/etcd/watcher/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local int64 = require("resty.etcd.protocol.int64")
local keys = require("resty.etcd.protocol.keys")

--- What a watcher watches, and how it delivers that.
---@class resty.etcd.watcher.options.WatcherOptions
---@field prefix? boolean All keys that start with the key, which can be "" then.
---@field range_end? string All keys from the key up to this one, exclusive; "\0" for all from the key on.
---@field start_revision? (string|number) First revision to report, which can be in the future; default: the next one after the call.
---@field prev_kv? boolean Events carry the previous key-value pair.
---@field filters? (string|string[]) "NOPUT", "NODELETE", or both: events to leave out.
---@field raw? boolean Values are kept as etcd stores them.
---@field list? boolean The first batch is the current state, or that before `start_revision`, as puts.
---@field relist? boolean Lost revisions are replaced by the difference to a full state. Without it they end the watcher.
---@field progress? boolean Batches without events report etcd's current revision.
---@field idle_timeout? number Seconds without any byte after which the stream is checked, and opened again if it is dead; default 60.
---@field shared_prefix? string A shorter prefix. Watchers with the same one share a watch of all keys below it.
---@field max_queue? number Maximum number of events in the queue; default 10,000.
---@field max_queue_bytes? number Maximum size in bytes of the events in the queue; default 16 MiB.
---@field on_batch? (fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: string, details?: resty.etcd.protocol.errors.EtcdError)) Called with each batch, in a timer; with nil, an error text and the details when an error ends the watcher.

local function is_filter(value)
    return value == "NOPUT" or value == "NODELETE"
end

--- Returns the filters as a list; nil if they are invalid.
---@param filters any
---@return string[]?
local function read_filters(filters)
    local all = type(filters) == "string" and ({filters}) or filters
    if type(all) ~= "table" then
        return nil
    end
    local list = {}
    for ____, filter in ipairs(all) do
        if not is_filter(filter) then
            return nil
        end
        list[#list + 1] = filter
    end
    return list
end

local function check_range_end(value)
    return value == "" and "opts.range_end must be string, not empty" or nil
end

local function check_start_revision(value)
    local revision = tonumber(int64.to_text(value)) or 0
    return (revision < 1 or int64.to_text(revision) == nil) and "opts.start_revision must be a positive integer" or nil
end

local function check_filters(value)
    local is_invalid = read_filters(value) == nil
    return is_invalid and "opts.filters must be \"NOPUT\", \"NODELETE\" or a list of them" or nil
end
local OPTIONS = {rules = {
    {name = "prefix", type = "boolean"},
    {name = "range_end", type = "string", expected = "string, not empty", check = check_range_end},
    {name = "start_revision", check = check_start_revision},
    {name = "prev_kv", type = "boolean"},
    {name = "filters", check = check_filters},
    {name = "raw", type = "boolean"},
    {name = "list", type = "boolean"},
    {name = "relist", type = "boolean"},
    {name = "progress", type = "boolean"},
    {name = "idle_timeout", type = "number", above = 0, expected = "number of seconds"},
    {name = "shared_prefix", type = "string"},
    {name = "max_queue", type = "number", above = 0, expected = "a positive number"},
    {name = "max_queue_bytes", type = "number", above = 0, expected = "a positive number"},
    {name = "on_batch", type = "function"}
}}

--- Checks key and options, which are not nil. Returns an error text, or nil if they are valid.
---@param key any
---@param opts any
---@return string?
local function check(key, opts)
    if type(key) ~= "string" then
        return "key must be string"
    end
    local problem = checks.check_options(opts, OPTIONS)
    if problem ~= nil then
        return problem
    end
    local wanted = opts
    if wanted.prefix == true then
        return wanted.range_end ~= nil and "opts.prefix and opts.range_end exclude each other" or nil
    end
    return checks.check_key(key)
end

--- Returns the options of the feed behind the watcher. `check` has accepted the watcher's options.
---@param cli resty.etcd.call.client_state.ClientState
---@param key string
---@param opts resty.etcd.watcher.options.WatcherOptions
---@return resty.etcd.watch.options.FeedOptions
local function to_feed(cli, key, opts)
    local start = keys.with_prefix(cli.key_prefix, key)
    local feed = {key = start}
    if opts.prefix == true then
        feed.range_end = keys.prefix_end(start)
    elseif opts.range_end ~= nil then
        feed.range_end = keys.real_range_end(cli.key_prefix, opts.range_end)
    end
    if opts.start_revision ~= nil then
        feed.start_revision = tonumber(int64.to_text(opts.start_revision))
    end
    if opts.shared_prefix ~= nil then
        local shared = keys.with_prefix(cli.key_prefix, opts.shared_prefix)
        feed.shared_range = {
            key = shared,
            range_end = keys.prefix_end(shared)
        }
    end
    if opts.filters ~= nil and opts.relist ~= true then
        feed.filters = read_filters(opts.filters)
    end
    if opts.idle_timeout ~= nil then
        feed.idle_timeout = opts.idle_timeout
    end
    if opts.max_queue ~= nil then
        feed.max_queue = opts.max_queue
    end
    if opts.max_queue_bytes ~= nil then
        feed.max_queue_bytes = opts.max_queue_bytes
    end
    feed.prev_kv = opts.prev_kv == true
    feed.progress = opts.progress == true
    feed.relist = opts.relist == true
    feed.list = opts.list == true or opts.relist == true
    feed.from_now = opts.list ~= true and opts.start_revision == nil
    return feed
end
_M.check = check
_M.read_filters = read_filters
_M.to_feed = to_feed

return _M
