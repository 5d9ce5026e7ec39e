-- Generated from src/resty/etcd/shared_log/compaction.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local cursors = require("resty.etcd.shared_log.cursor")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local cleanup = require("resty.etcd.shared_log.cleanup")
local writers = require("resty.etcd.shared_log.writer")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local max = math.max

--- A log is shorter than this, or than its base.
local SHORT = 256 * 1024

--- Epochs in the chain that have no base: each one is a step for those who join.
local MANY = 64

--- Writes all keys aside, as the base of an epoch that is not in the chain yet.
---@param writer resty.etcd.shared_log.writer.Writer
---@param epoch number
---@param kvs resty.etcd.protocol.message.RawKv[]
---@param revision number
---@param is_wanted fun(): boolean asked now and then
---@return number? count # how many pieces it has, and their bytes; nil, 0 and an error if it could not be written
---@return number bytes
---@return string? err
local function write_base(writer, epoch, kvs, revision, is_wanted)
    local prefix = logs.key_of(writer.log, epoch, "b")
    local slice = time_slice.start()
    local n = #kvs
    local parts = {}
    local size = 0
    local bytes = 0
    local count = 0
    for i = 1, n + 1 do
        local part = i <= n and kv_encoding.encode(kvs[i], false) or ""
        if size > 0 and (i > n or size + #part > records.PIECE) then
            local record = {
                payload = table.concat(parts, ""),
                revision = revision,
                total = 0
            }
            local last, err = writers.store(
                writer,
                prefix,
                count + 1,
                record,
                slice
            )
            if last == nil then
                return nil, 0, err
            end
            if not is_wanted() then
                return nil, 0, "not wanted"
            end
            count = last
            bytes = bytes + size + records.OVERHEAD
            parts = {}
            size = 0
        end
        parts[#parts + 1] = part
        size = size + #part
        time_slice.yield_if_due(slice)
    end
    return count, bytes
end

--- Puts an epoch with a base behind the writer's and makes it the writer's. Nothing waits in here.
---@param writer resty.etcd.shared_log.writer.Writer
---@param epoch number
---@param start resty.etcd.shared_log.epoch_header.Beginning
---@param position number pieces that the new epoch has already
---@param reason ("compacted"|"restored"|"list"|"snapshot")?
---@return string? # nil, or why the epoch could not even be prepared
local function switch_epoch(writer, epoch, start, position, reason)
    local log = writer.log
    local prepared, err = epoch_header.prepare(log, epoch, start)
    if not prepared then
        return err
    end
    logs.publish(log, epoch, position)
    logs.heartbeat(
        log,
        epoch,
        logs.number_at(
            log,
            tostring(writer.epoch) .. "c"
        ) or 0
    )
    logs.seal(log, writer.epoch)
    local link = {to = epoch, at = writer.position, skip = position, reason = reason}
    local linked, link_err = logs.add_link(log, writer.epoch, link)
    local root = logs.number_at(log, "root")
    if root == nil or link_err == "no memory" then
        writers.stop(writer, "broken", link_err or writers.MISSING)
        return nil
    end
    if not linked or root > writer.epoch then
        writers.stop(writer, "deposed")
        return nil
    end
    logs.set_number(log, "root", epoch)
    writer.epoch = epoch
    writer.position = position
    writer.root = epoch
    writer.base_bytes = start.base_bytes
    writer.history = start.history
    return nil
end

--- Begins anew with a full state.
---@param writer resty.etcd.shared_log.writer.Writer
---@param batch resty.etcd.watch.feed.Batch
---@param cluster_id string?
local function reset_to_full_state(writer, batch, cluster_id)
    local log = writer.log
    local epoch = logs.allocate_epoch(log)
    if epoch == nil then
        writers.stop(writer, "broken", writers.MISSING)
        return
    end
    local revision = batch.revision
    local function is_wanted()
        return writer.stop_reason == nil
    end
    local count, bytes, base_err = write_base(
        writer,
        epoch,
        batch.full,
        revision,
        is_wanted
    )
    local err = base_err
    if count ~= nil then
        local history = batch.reason == "restored" and epoch or writer.history
        local start = {
            revision = revision,
            root = epoch,
            pieces = count,
            base_bytes = bytes,
            log_bytes = 0,
            history = history,
            cluster_id = cluster_id
        }
        err = switch_epoch(
            writer,
            epoch,
            start,
            0,
            batch.reason or "list"
        )
    end
    if writer.epoch ~= epoch then
        writers.stop(writer, "broken", err)
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
        return
    end
    writer.revision = revision
    writer.log_bytes = 0
    writer.cluster_id = cluster_id
end

--- Copies what came after the base; then, without waiting, puts base and copies in the place of the log.
---@param writer resty.etcd.shared_log.writer.Writer
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number
---@param start resty.etcd.shared_log.epoch_header.Beginning
---@return string?
local function copy_and_move(writer, cursor, epoch, start)
    local prefix = logs.key_of(writer.log, epoch, "r")
    local slice = time_slice.start()
    local position = 0
    local total = 0
    while writer.stop_reason == nil do
        local finding, record = cursors.step(cursor)
        if finding == "end" then
            if cursor.epoch ~= writer.epoch or cursor.position ~= writer.position then
                return "taken over"
            end
            local err = switch_epoch(
                writer,
                epoch,
                start,
                position,
                nil
            )
            if writer.epoch == epoch then
                writer.log_bytes = total
            end
            return err
        end
        if record == nil then
            return finding
        end
        total = total + #record.payload + records.OVERHEAD
        record.total = total
        local last, err = writers.store(
            writer,
            prefix,
            position + 1,
            record,
            slice
        )
        if last == nil then
            return err
        end
        position = last
        time_slice.yield_if_due(slice)
    end
    return "over"
end

--- True if a new base is due.
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean
local function is_due(writer)
    local base_bytes = writer.base_bytes
    local log_bytes = writer.log_bytes
    if writer.root == 0 then
        return false
    end
    local longest = max(SHORT, base_bytes)
    if log_bytes > longest or writer.epoch - writer.root > MANY then
        return true
    end
    local log = writer.log
    return log_bytes > longest / 4 and log.dict:free_space() < 2 * base_bytes and not cleanup.is_due(log, writer.root)
end

--- Puts a new base under the log. The writer may add to it meanwhile.
---@param writer resty.etcd.shared_log.writer.Writer
---@return string? # nil, or why that did not succeed
local function compact(writer)
    local log = writer.log
    local root = writer.root
    local cursor = cursors.new(log)
    local full = cursors.join(cursor, root, "list")
    local epoch = logs.allocate_epoch(log)
    if full == nil or epoch == nil then
        return writers.MISSING
    end
    local function is_wanted()
        return writer.stop_reason == nil and writer.root == root
    end
    local revision = full.revision
    local count, bytes, base_err = write_base(
        writer,
        epoch,
        full.full,
        revision,
        is_wanted
    )
    local err = base_err
    if count ~= nil then
        local history = writer.history
        local cluster_id = writer.cluster_id
        local start = {
            revision = revision,
            root = epoch,
            pieces = count,
            base_bytes = bytes,
            log_bytes = 0,
            history = history,
            cluster_id = cluster_id
        }
        err = copy_and_move(writer, cursor, epoch, start)
    end
    if writer.epoch ~= epoch then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
    end
    return err
end
_M.compact = compact
_M.is_due = is_due
_M.reset_to_full_state = reset_to_full_state

return _M
