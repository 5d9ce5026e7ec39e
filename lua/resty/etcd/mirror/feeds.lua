-- Generated from src/resty/etcd/mirror/feeds.ts by TypeScriptToLua. Do not edit.
local _M = {}
local args = require("resty.etcd.dropin.args")
local watch_feed = require("resty.etcd.watch_feed")

--- Key and range end of all keys below a prefix.
---@param cli resty.etcd.dropin.state.State
---@param dir string
---@return table
local function range_of(cli, dir)
    local range = args.prefix_range(cli.key_prefix, dir)
    return {key = range.key, range_end = range.range_end}
end

--- Chooses where a mirror's batches come from.
---@param cli resty.etcd.dropin.state.State
---@param dir string prefix without the client's own
---@param opts resty.etcd.mirror.types.Options
---@return fun(): resty.etcd.feed.Feed?, resty.etcd.errors.EtcdError? res # what opens a feed of all keys below the prefix, the full state first
---@return string? err
local function choose(cli, dir, opts)
    if opts.mode == "node" then
        return nil, "mode = \"node\" is not available yet"
    end
    local ____range_of_result_0 = range_of(cli, dir)
    local key = ____range_of_result_0.key
    local range_end = ____range_of_result_0.range_end
    local wanted = {
        key = key,
        range_end = range_end,
        list = true,
        relist = true,
        progress = true
    }
    if opts.silence ~= nil then
        wanted.silence = opts.silence
    end
    if opts.share ~= nil then
        wanted.share = range_of(cli, opts.share)
    end
    return function() return watch_feed.open(cli, wanted) end
end
_M.choose = choose

return _M
