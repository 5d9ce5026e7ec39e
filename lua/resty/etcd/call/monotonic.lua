-- Generated from src/resty/etcd/call/monotonic.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")

--- How far a client has seen etcd come.
---@class resty.etcd.call.monotonic.RevisionFloor
---@field revision number
---@field cluster_id any
---@field refused number The last revision that was refused as too old.

local function create()
    return {revision = 0, cluster_id = nil, refused = 0}
end

--- Notes how far etcd has come. Another cluster, as after a restore from a backup, counts anew.
---@param order resty.etcd.call.monotonic.RevisionFloor
---@param header table?
local function note(order, header)
    local revision = tonumber(header and header.revision)
    if revision == nil then
        return
    end
    local cluster_id = header and header.cluster_id
    if order.cluster_id ~= cluster_id then
        order.cluster_id = cluster_id
        order.revision = revision
    elseif revision > order.revision then
        order.revision = revision
    end
end

--- Looks whether a reply is older than what was seen before its call began.
---@param order resty.etcd.call.monotonic.RevisionFloor
---@param not_before number the revision that was seen
---@param cluster_id any of the cluster that it was seen of: revisions of another one say nothing
---@param body table
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError? # an error if it is
local function check(order, not_before, cluster_id, body, endpoint)
    local header = body.header
    local revision = tonumber(header and header.revision)
    if revision ~= nil and revision < not_before and (header and header.cluster_id) == cluster_id then
        order.refused = revision
        local text = endpoint .. ": stale reply: revision " .. tostring(revision) .. ", seen already " .. tostring(not_before)
        local err = errors.local_error("stale_reply", text, endpoint)
        err.retryable = true
        return err
    end
    note(order, header)
    return nil
end

--- All members have answered with revisions below what was seen. If they must have agreed among them for it, what was
--- seen is history: they were restored from a backup, or began anew under the same cluster ID. Later calls are told so.
---@param order resty.etcd.call.monotonic.RevisionFloor
---@param is_current boolean the call was one that only members serve that are up to date
local function accept_rollback(order, is_current)
    if is_current and order.refused < order.revision then
        ngx.log(
            ngx.WARN,
            "etcd has gone back from revision ",
            order.revision,
            " to ",
            order.refused
        )
        order.revision = order.refused
    end
end
_M.check = check
_M.new = create
_M.accept_rollback = accept_rollback

return _M
