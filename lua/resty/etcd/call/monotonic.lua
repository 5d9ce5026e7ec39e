-- Generated from src/resty/etcd/call/monotonic.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")

--- The least revision that replies can have.
---@class resty.etcd.call.monotonic.RevisionFloor
---@field revision number Highest revision that the client has seen.
---@field cluster_id string? Cluster of that revision; nil before the first reply.
---@field others table Highest revisions of other clusters, of which replies came before: a stray endpoint can answer in between.
---@field other_count number
---@field rejected number Revision of the last reply that was rejected as stale.
---@field rejected_cluster string? Its cluster.

--- Maximum number of other clusters, against a server that invents them.
local MAX_OTHERS = 16

local function create()
    return {
        revision = 0,
        cluster_id = nil,
        others = {},
        other_count = 0,
        rejected = 0,
        rejected_cluster = nil
    }
end

--- Forgets what was seen: etcd was restored from a backup.
---@param floor resty.etcd.call.monotonic.RevisionFloor
local function reset(floor)
    floor.revision = 0
    floor.others = {}
    floor.other_count = 0
end

--- Makes another cluster the one of the floor.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param cluster_id string?
local function change_cluster(floor, cluster_id)
    local ____floor_0 = floor
    local others = ____floor_0.others
    local before = ____floor_0.cluster_id
    if before ~= nil and others[before] == nil then
        floor.other_count = floor.other_count + 1
        if floor.other_count > MAX_OTHERS then
            floor.others = {}
            floor.other_count = 1
        end
    end
    if before ~= nil then
        floor.others[before] = floor.revision
    end
    floor.cluster_id = cluster_id
    floor.revision = others[cluster_id or ""] or 0
end

--- Raises the floor to the revision of a reply. Each cluster has a floor: their revisions are not compared.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param header table?
local function note(floor, header)
    local revision = int64.to_number(header and header.revision)
    if revision == nil then
        return
    end
    local cluster_id = header and header.cluster_id
    if floor.cluster_id ~= cluster_id then
        change_cluster(floor, cluster_id)
    end
    if revision > floor.revision then
        floor.revision = revision
    end
end

--- Checks that a reply is not older than what the client had seen when the call began.
---@param floor resty.etcd.call.monotonic.RevisionFloor
---@param is_read boolean only reads are checked
---@param seen_revision number the revision that was seen
---@param seen_cluster string? its cluster; a reply of another one is compared with the revision of that, as far as there is one
---@param body table
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError? # an error if the reply is older
local function check(floor, is_read, seen_revision, seen_cluster, body, endpoint)
    local header = body.header
    local revision = int64.to_number(header and header.revision)
    local cluster_id = header and header.cluster_id
    local not_before = cluster_id == seen_cluster and seen_revision or (floor.others[cluster_id or ""] or 0)
    if is_read and revision ~= nil and revision < not_before then
        floor.rejected = revision
        floor.rejected_cluster = cluster_id
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
    local ____floor_9 = floor
    local rejected = ____floor_9.rejected
    local rejected_cluster = ____floor_9.rejected_cluster
    local others = ____floor_9.others
    local is_current = rejected_cluster == floor.cluster_id
    local seen = is_current and floor.revision or (others[rejected_cluster or ""] or 0)
    if is_linearizable and rejected < seen then
        local text = "revision " .. tostring(seen) .. " was seen, the current one is " .. tostring(rejected)
        ngx.log(ngx.WARN, "history of etcd diverged: ", text)
        if is_current then
            floor.revision = rejected
        else
            others[rejected_cluster or ""] = rejected
        end
    end
end
_M.accept_rollback = accept_rollback
_M.check = check
_M.new = create
_M.reset = reset

return _M
