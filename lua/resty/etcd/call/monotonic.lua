-- Generated from src/resty/etcd/call/monotonic.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")

--- The least revision that replies can have.
---@class resty.etcd.call.monotonic.RevisionFloor
---@field revision number Highest revision that the client has seen.
---@field cluster_id any Cluster of that revision; nil before the first reply.
---@field rejected number Revision of the last reply that was rejected as stale.

local function create()
    return {revision = 0, cluster_id = nil, rejected = 0}
end

--- Raises the floor to the revision of a reply. A reply of another cluster, as after a restore from a backup, resets it.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param header table?
local function note(floor, header)
    local revision = tonumber(header and header.revision)
    if revision == nil then
        return
    end
    local cluster_id = header and header.cluster_id
    if floor.cluster_id ~= cluster_id then
        floor.cluster_id = cluster_id
        floor.revision = revision
    elseif revision > floor.revision then
        floor.revision = revision
    end
end

--- Checks that a reply is not older than what the client had seen when the call began.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param not_before number the revision that was seen
---@param cluster_id any cluster of that revision; revisions of different clusters are not compared
---@param body table
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError? # an error if the reply is older
local function check(floor, not_before, cluster_id, body, endpoint)
    local header = body.header
    local revision = tonumber(header and header.revision)
    if revision ~= nil and revision < not_before and (header and header.cluster_id) == cluster_id then
        floor.rejected = revision
        local text = endpoint .. ": stale reply: revision " .. tostring(revision) .. ", seen already " .. tostring(not_before)
        local err = errors.local_error("stale_reply", text, endpoint)
        err.retryable = true
        return err
    end
    note(floor, header)
    return nil
end

--- Lowers the floor after every member answered with a lower revision. If the call was linearizable, the quorum agrees on
--- that revision: the cluster was restored from a backup, or was created again with the same cluster ID.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param is_linearizable boolean
local function accept_rollback(floor, is_linearizable)
    if is_linearizable and floor.rejected < floor.revision then
        local text = "revision " .. tostring(floor.revision) .. " was seen, the current one is " .. tostring(floor.rejected)
        ngx.log(ngx.WARN, "history of etcd diverged: ", text)
        floor.revision = floor.rejected
    end
end
_M.check = check
_M.new = create
_M.accept_rollback = accept_rollback

return _M
