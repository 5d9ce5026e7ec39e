-- Generated from src/resty/etcd/shared_log/epoch_header.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local decimal = require("resty.etcd.base.decimal")
local dict_values = require("resty.etcd.base.dict_values")
local logs = require("resty.etcd.shared_log.log")
local records = require("resty.etcd.shared_log.records")

--- The state that an epoch starts from.
---@class resty.etcd.shared_log.epoch_header.EpochHeader
---@field revision number The last revision before the epoch's first record; 0 if none is known.
---@field root number The epoch whose base this one builds on: itself or an earlier one; 0 if there is none.
---@field chunks number Number of chunks of the epoch's own base; 0 if it has none.
---@field base_bytes number Bytes of the base that the epoch builds on.
---@field log_bytes number Bytes of the log between that base and this epoch.
---@field history number The last epoch that began because etcd's history diverged (restore from backup); 0 if none did.
---@field cluster_id string?

---@class resty.etcd.shared_log.epoch_header.StoredHeader: resty.etcd.shared_log.epoch_header.EpochHeader
---@field created_at number

local format = string.format
local match = string.match
local now = clock.now

--- In the order in which `create_epoch` writes the fields.
local FIELDS = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d*)$"

--- Maximum bytes of a header: eight numbers.
local MAX_SIZE = 256

--- Returns an epoch's header, or nil if it is missing or damaged.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return resty.etcd.shared_log.epoch_header.StoredHeader?
local function read(log, epoch)
    local value = dict_values.get_text(
        log.dict,
        logs.key_of(log, epoch, "s"),
        MAX_SIZE
    )
    local a, b, c, d, e, f, g, cluster_id = match(value or "", FIELDS)
    local revision = decimal.parse(a)
    local root = decimal.parse(b)
    local chunks = decimal.parse(c)
    local base_bytes = decimal.parse(d)
    local log_bytes = decimal.parse(e)
    local history = decimal.parse(f)
    local created_at = decimal.parse(g)
    if revision == nil or root == nil or chunks == nil or base_bytes == nil then
        return nil
    end
    if log_bytes == nil or history == nil or created_at == nil or root > epoch then
        return nil
    end
    return {
        revision = revision,
        root = root,
        chunks = chunks,
        base_bytes = base_bytes,
        log_bytes = log_bytes,
        history = history,
        cluster_id = logs.nil_if_empty(cluster_id),
        created_at = created_at / 1000
    }
end

--- Returns the header of a successor that continues an epoch after its chunk `at`; nil if keys are missing.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param at number
---@return resty.etcd.shared_log.epoch_header.EpochHeader?
local function of_successor(log, epoch, at)
    local header = read(log, epoch)
    if header == nil then
        if epoch ~= 0 then
            return nil
        end
        header = {
            revision = 0,
            root = 0,
            chunks = 0,
            base_bytes = 0,
            log_bytes = 0,
            history = 0,
            cluster_id = nil
        }
    end
    header.chunks = 0
    if at > 0 then
        local record = records.read(
            log.dict,
            logs.key_of(log, epoch, "r"),
            at
        )
        if record == nil then
            return nil
        end
        header.revision = record.revision
        header.log_bytes = record.total
    end
    return header
end

--- Makes an epoch complete, except for its base and for the link that leads to it.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param header resty.etcd.shared_log.epoch_header.EpochHeader
---@return boolean ok
---@return string? err
local function create_epoch(log, epoch, header)
    local place = format("%d %d", header.revision, header.root)
    local sizes = format("%d %d %d", header.chunks, header.base_bytes, header.log_bytes)
    local times = format(
        "%d %d",
        header.history,
        now() * 1000
    )
    local text = place .. " " .. sizes .. " " .. times .. " " .. (header.cluster_id or "")
    local ok, err = log.dict:safe_set(
        logs.key_of(log, epoch, "s"),
        text
    )
    if not ok then
        return false, err
    end
    for ____, part in ipairs({"h", "c", "l"}) do
        local stored, store_err = log.dict:safe_set(
            logs.key_of(log, epoch, part),
            0
        )
        if not stored then
            return false, store_err
        end
    end
    return true
end
_M.create_epoch = create_epoch
_M.of_successor = of_successor
_M.read = read

return _M
