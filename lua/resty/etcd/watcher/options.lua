-- Generated from src/resty/etcd/watcher/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local int64 = require("resty.etcd.protocol.int64")
local keys = require("resty.etcd.protocol.keys")

--- What a watcher is to watch, and how.
---@class resty.etcd.watcher.options.WatcherOptions
---@field prefix? boolean All keys that start with the key, which may be "" then.
---@field range_end? string All keys from the key up to this one; "\0" for all from the key on.
---@field start_revision? (string|number) First revision to report, which may be in the future; default: what comes after the call.
---@field prev_kv? boolean Events tell what the key was before.
---@field filters? (string|string[]) "NOPUT", "NODELETE", or both: events to leave out.
---@field raw? boolean Values are left as etcd stores them.
---@field list? boolean The first batch is the present state, or that before `start_revision`, as puts.
---@field relist? boolean Lost revisions are made up for by what has changed since; without it they end the watcher.
---@field progress? boolean Batches without events tell how far etcd has come.
---@field idle_timeout? number Seconds without any byte after which the stream is opened anew; default 60.
---@field shared_prefix? string A shorter prefix, whose stream watchers of several keys under it share.
---@field max_queue? number Events that may wait to be taken; default 10,000.
---@field max_queue_bytes? number Bytes of events that may wait to be taken; default 16 MiB.
---@field on_batch? (fun(batch: resty.etcd.watcher.batch.WatchBatch?, err?: resty.etcd.protocol.errors.EtcdError)) Called with each batch, in a timer; with nil and an error if the watcher comes to an end by itself.

local function is_positive(value)
    return type(value) == "number" and value > 0
end

local function is_filter(value)
    return value == "NOPUT" or value == "NODELETE"
end

local function is_type(value, name)
    return value == nil or type(value) == name
end

--- The filters as a list, nil if they are none.
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

--- What is wrong with the options; nil if nothing is.
---@param key any
---@param opts resty.etcd.watcher.options.WatcherOptions
---@return string?
local function check(key, opts)
    if type(key) ~= "string" then
        return "key must be string"
    end
    if key == "" and opts.prefix ~= true then
        return "key should not be empty"
    end
    if not is_type(opts.range_end, "string") or opts.range_end == "" then
        return "opts.range_end must be string, not empty"
    end
    if opts.prefix == true and opts.range_end ~= nil then
        return "opts.prefix and opts.range_end exclude each other"
    end
    if opts.start_revision ~= nil and (tonumber(int64.to_text(opts.start_revision)) or 0) < 1 then
        return "opts.start_revision must be a positive integer"
    end
    if opts.idle_timeout ~= nil and not is_positive(opts.idle_timeout) then
        return "opts.idle_timeout must be number of seconds"
    end
    if opts.max_queue ~= nil and not is_positive(opts.max_queue) then
        return "opts.max_queue must be a positive number"
    end
    if opts.max_queue_bytes ~= nil and not is_positive(opts.max_queue_bytes) then
        return "opts.max_queue_bytes must be a positive number"
    end
    if not is_type(opts.shared_prefix, "string") then
        return "opts.shared_prefix must be string"
    end
    if not is_type(opts.on_batch, "function") then
        return "opts.on_batch must be function"
    end
    if opts.filters ~= nil and read_filters(opts.filters) == nil then
        return "opts.filters must be \"NOPUT\", \"NODELETE\" or a list of them"
    end
    return nil
end

--- What the feed behind the watcher is to be. The options are without fault.
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
