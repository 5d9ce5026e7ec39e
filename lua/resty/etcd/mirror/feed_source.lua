-- Generated from src/resty/etcd/mirror/feed_source.ts by TypeScriptToLua. Do not edit.
local _M = {}
local identities = require("resty.etcd.call.identity")
local keys = require("resty.etcd.protocol.keys")
local open = require("resty.etcd.shared_log.open")
local snapshot_feed = require("resty.etcd.storage.snapshot_feed")
local etcd_feed = require("resty.etcd.watch.etcd_feed")

--- Returns the key and range end of all keys below a prefix.
---@param cli resty.etcd.call.client_state.ClientState
---@param dir string
---@return table
local function range_of(cli, dir)
    local range = keys.prefix_range(cli.key_prefix, dir)
    return {key = range.key, range_end = range.range_end}
end

--- Returns the function that opens a feed from etcd: for the writer of a shared log, and for all workers if the log fails.
---@param cli resty.etcd.call.client_state.ClientState
---@param wanted resty.etcd.watch.options.FeedOptions
---@return fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
local function opener(cli, wanted)
    return function(from, cluster_id)
        local ____wanted_0 = wanted
        local key = ____wanted_0.key
        local range_end = ____wanted_0.range_end
        local shared_range = ____wanted_0.shared_range
        local options = {key = key, relist = true, progress = true}
        if range_end ~= nil then
            options.range_end = range_end
        end
        if shared_range ~= nil then
            options.shared_range = shared_range
        end
        if wanted.idle_timeout ~= nil then
            options.idle_timeout = wanted.idle_timeout
        end
        if from == nil then
            options.list = true
        else
            options.start_revision = from
            options.resumed = true
            if cluster_id ~= nil then
                options.cluster_id = cluster_id
            end
        end
        return etcd_feed.open(cli, options)
    end
end

--- Returns a source that starts from a snapshot file if etcd does not respond immediately.
---@param source fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?
---@param path string
---@param identity string
---@param interval number?
---@return fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?
local function with_snapshot(source, path, identity, interval)
    local state = snapshot_feed.new_state(path, identity, interval)
    return function()
        local feed, err = source()
        if feed == nil then
            return nil, err
        end
        return snapshot_feed.wrap(feed, state)
    end
end

--- Chooses where the batches of a mirror come from.
---@param cli resty.etcd.call.client_state.ClientState
---@param dir string without the client's `key_prefix`
---@param opts resty.etcd.mirror.types.Options
---@return fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError? res # a function that opens a feed of all keys below the prefix, which starts with a full state
---@return string? err
local function choose(cli, dir, opts)
    local ____range_of_result_1 = range_of(cli, dir)
    local key = ____range_of_result_1.key
    local range_end = ____range_of_result_1.range_end
    local wanted = {
        key = key,
        range_end = range_end,
        list = true,
        relist = true,
        progress = true
    }
    if opts.idle_timeout ~= nil then
        wanted.idle_timeout = opts.idle_timeout
    end
    if opts.shared_prefix ~= nil then
        wanted.shared_range = range_of(cli, opts.shared_prefix)
    end
    local identity = identities.of_range(cli, key, range_end)
    local function source()
        return etcd_feed.open(cli, wanted)
    end
    if opts.mode == "shared" then
        local dict = ngx.shared[opts.shm_name or ""]
        if dict == nil then
            return nil, "opts.shm_name: no shared dict " .. (opts.shm_name or "")
        end
        local open_source = opener(cli, wanted)
        source = function() return open.open(dict, identity, key, open_source) end
    end
    if opts.snapshot ~= nil then
        source = with_snapshot(source, opts.snapshot, identity, opts.snapshot_interval)
    end
    return source
end
_M.choose = choose

return _M
