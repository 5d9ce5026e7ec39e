-- Generated from src/resty/etcd/shared_log/epoch_header.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local logs = require("resty.etcd.shared_log.log")

--- What an epoch begins with.
---@class resty.etcd.shared_log.epoch_header.Beginning
---@field revision number Everything up to it comes before; 0 if nothing is known yet.
---@field root number The epoch whose base it stands on: itself, or an earlier one.
---@field pieces number Pieces of its base; 0 for none.
---@field base_bytes number Bytes of the base that it stands on.
---@field log_bytes number Bytes of the log between that base and this epoch.
---@field history number The epoch with which etcd's history became another one, restored from a backup; 0 for none.
---@field cluster_id string?

---@class resty.etcd.shared_log.epoch_header.Start: resty.etcd.shared_log.epoch_header.Beginning
---@field made_at number When it was made.

local format = string.format
local match = string.match
local now = clock.now
local START = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d*)$"

--- What an epoch begins with; nil if that is gone.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return resty.etcd.shared_log.epoch_header.Start?
local function read(log, epoch)
    local value = log.dict:get(logs.key_of(log, epoch, "s"))
    if type(value) ~= "string" then
        return nil
    end
    local revision, root, pieces, base_bytes, log_bytes, history, made_at, cluster_id = match(value, START)
    if revision == nil then
        return nil
    end
    return {
        revision = tonumber(revision),
        root = tonumber(root),
        pieces = tonumber(pieces),
        base_bytes = tonumber(base_bytes),
        log_bytes = tonumber(log_bytes),
        history = tonumber(history),
        cluster_id = logs.not_empty(cluster_id),
        made_at = tonumber(made_at) / 1000
    }
end

--- Makes an epoch complete, but for its base and for the link that leads to it.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param start resty.etcd.shared_log.epoch_header.Beginning
---@return boolean ok
---@return string? err
local function prepare(log, epoch, start)
    local place = format("%d %d", start.revision, start.root)
    local sizes = format("%d %d %d", start.pieces, start.base_bytes, start.log_bytes)
    local times = format(
        "%d %d",
        start.history,
        now() * 1000
    )
    local text = place .. " " .. sizes .. " " .. times .. " " .. (start.cluster_id or "")
    local ok, err = log.dict:safe_set(
        logs.key_of(log, epoch, "s"),
        text
    )
    if not ok then
        return false, err
    end
    for ____, what in ipairs({"h", "c", "l"}) do
        local stored, store_err = log.dict:safe_set(
            logs.key_of(log, epoch, what),
            0
        )
        if not stored then
            return false, store_err
        end
    end
    return true
end
_M.prepare = prepare
_M.read = read

return _M
