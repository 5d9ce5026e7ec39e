-- Generated from src/resty/etcd/watch_ask.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call")
local pages = require("resty.etcd.pages")
local rpcs = require("resty.etcd.rpc")

--- A client that never goes back in time refuses what an etcd restored from a backup answers.
---@param core resty.etcd.core.Core
---@param err resty.etcd.errors.EtcdError
local function forget_order(core, err)
    local order = core.order
    if err.name == "stale_reply" and order ~= nil then
        order.revision = 0
    end
end

local function known_from(reply)
    local header = reply.body.header
    return {
        cluster_id = header and header.cluster_id,
        raft_term = tonumber(header and header.raft_term) or 0,
        revision = tonumber(header and header.revision) or 0
    }
end

--- Asks etcd how far it has come, with a linearizable read that costs little.
---@param core resty.etcd.core.Core
---@param range resty.etcd.key_range.KeyRange
---@return resty.etcd.watch_hub.Known? res
---@return resty.etcd.errors.EtcdError? err
local function status(core, range)
    local reply, err = call.unary_within(core, rpcs.range, {key = range.key, count_only = true})
    if reply == nil then
        forget_order(core, err)
        return nil, err
    end
    return known_from(reply)
end

--- Reads all keys of the range at one revision.
---@param core resty.etcd.core.Core
---@param range resty.etcd.key_range.KeyRange
---@param revision number? nil for the latest
---@return resty.etcd.feed.RawKv[]? kvs
---@return number|resty.etcd.errors.EtcdError revision
local function list(core, range, revision)
    local request = {}
    request.key = range.key
    request.range_end = range.range_end
    request.revision = revision
    local reply, err = pages.read_raw(core, request, nil)
    if reply == nil then
        forget_order(core, err)
        return nil, err
    end
    local kvs = reply.body.kvs or ({})
    return kvs, revision or known_from(reply).revision
end

--- The etcd that answered is not the one that is known, or was set back: it was restored from a backup.
---@param before resty.etcd.watch_hub.Known
---@param after resty.etcd.watch_hub.Known
---@return boolean
local function went_back(before, after)
    return before.cluster_id ~= nil and after.cluster_id ~= before.cluster_id or after.revision < before.revision or after.raft_term < before.raft_term
end
_M.list = list
_M.status = status
_M.went_back = went_back

return _M
