-- Generated from src/resty/etcd/order.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.errors")

--- How far a client has seen etcd come.
---@class resty.etcd.order.Order
---@field revision number
---@field cluster_id any

local function create()
    return {revision = 0, cluster_id = nil}
end

--- Notes how far etcd has come. Another cluster, as after a restore from a backup, counts anew.
---@param order resty.etcd.order.Order
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
---@param order resty.etcd.order.Order
---@param not_before number
---@param body table
---@param endpoint string
---@return resty.etcd.errors.EtcdError? # an error if it is
local function check(order, not_before, body, endpoint)
    local header = body.header
    local revision = tonumber(header and header.revision)
    if revision ~= nil and revision < not_before and (header and header.cluster_id) == order.cluster_id then
        local text = endpoint .. ": stale reply: revision " .. tostring(revision) .. ", seen already " .. tostring(not_before)
        local err = errors.failure("stale_reply", text, endpoint)
        err.retryable = true
        return err
    end
    note(order, header)
    return nil
end
_M.check = check
_M.new = create

return _M
