-- Generated from src/resty/etcd/shared_log/compaction.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local cursors = require("resty.etcd.shared_log.cursor")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local cleanup = require("resty.etcd.shared_log.cleanup")
local writers = require("resty.etcd.shared_log.writer")
local max = math.max

--- Bytes that a log can always grow to before it is compacted, even if its base is smaller.
local MIN_LOG_BYTES = 256 * 1024

--- Epochs without base after which a log is compacted: a worker that joins reads through all of them.
local MAX_EPOCHS = 64

--- Writes a full state as the base of an epoch that is not linked yet.
---@param writer resty.etcd.shared_log.writer.Writer
---@param epoch number
---@param full resty.etcd.watch.feed.Batch
---@param history number
---@param cluster_id string?
---@param is_needed fun(): boolean
---@return resty.etcd.shared_log.epoch_header.EpochHeader? res # the epoch's header; nil and an error if the base could not be written or is not needed any more
---@return string? err
local function write_base(writer, epoch, full, history, cluster_id, is_needed)
    local prefix = logs.key_of(writer.log, epoch, "b")
    local slice = time_slice.start()
    local kvs = full.full
    local revision = full.revision
    local n = #kvs
    local parts = {}
    local size = 0
    local base_bytes = 0
    local chunks = 0
    for i = 1, n + 1 do
        local part = i <= n and kv_encoding.encode(kvs[i], false) or ""
        if size > 0 and (i > n or size + #part > records.CHUNK_SIZE) then
            local record = {
                payload = table.concat(parts, ""),
                revision = revision,
                total = 0
            }
            local last, err = writers.store(
                writer,
                prefix,
                chunks + 1,
                record,
                slice
            )
            if last == nil then
                return nil, err
            end
            if not is_needed() then
                return nil, "the new base is not needed any more"
            end
            chunks = last
            base_bytes = base_bytes + size + records.CHUNK_OVERHEAD
            parts = {}
            size = 0
        end
        parts[#parts + 1] = part
        size = size + #part
        time_slice.yield_if_due(slice)
    end
    return {
        revision = revision,
        root = epoch,
        chunks = chunks,
        base_bytes = base_bytes,
        log_bytes = 0,
        history = history,
        cluster_id = cluster_id
    }
end

--- Switches to a new epoch whose base is a full state from etcd.
---@param writer resty.etcd.shared_log.writer.Writer
---@param epoch number
---@param batch resty.etcd.watch.feed.Batch
---@param cluster_id string?
---@return boolean ok
---@return string? err
local function switch_to_full_state(writer, epoch, batch, cluster_id)
    local history = batch.reason == "restored" and epoch or writer.history
    local function is_needed()
        return writer.stop_reason == nil
    end
    local header, err = write_base(
        writer,
        epoch,
        batch,
        history,
        cluster_id,
        is_needed
    )
    if header == nil then
        return false, err
    end
    local copied = {position = 0, bytes = 0, revision = batch.revision}
    return writers.switch_epoch(
        writer,
        epoch,
        header,
        copied,
        batch.reason or "list"
    )
end

--- Replaces the content of the log by a full state from etcd.
---@param writer resty.etcd.shared_log.writer.Writer
---@param batch resty.etcd.watch.feed.Batch
---@param cluster_id string?
local function reset_to_full_state(writer, batch, cluster_id)
    local log = writer.log
    local epoch = logs.allocate_epoch(log)
    if epoch == nil then
        writers.stop(writer, "broken", writers.KEYS_MISSING)
        return
    end
    local ok, err = switch_to_full_state(writer, epoch, batch, cluster_id)
    if not ok then
        writers.stop(writer, "broken", err)
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
    end
end

--- Copies the records after the base to the new epoch. When it has reached the end of the log, it switches.
---@param writer resty.etcd.shared_log.writer.Writer
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number
---@param header resty.etcd.shared_log.epoch_header.EpochHeader
---@return boolean ok
---@return string? err
local function copy_and_switch(writer, cursor, epoch, header)
    local prefix = logs.key_of(writer.log, epoch, "r")
    local slice = time_slice.start()
    local position = 0
    local bytes = 0
    while writer.stop_reason == nil do
        local outcome, record = cursors.step(cursor)
        if outcome == "end" then
            if cursor.epoch ~= writer.epoch or cursor.position ~= writer.position then
                return false, "another worker has taken over"
            end
            local copied = {position = position, bytes = bytes, revision = writer.revision}
            return writers.switch_epoch(
                writer,
                epoch,
                header,
                copied,
                nil
            )
        end
        if record == nil then
            return false, outcome
        end
        bytes = bytes + #record.payload + records.CHUNK_OVERHEAD
        record.total = bytes
        local last, err = writers.store(
            writer,
            prefix,
            position + 1,
            record,
            slice
        )
        if last == nil then
            return false, err
        end
        position = last
        time_slice.yield_if_due(slice)
    end
    return false
end

--- Reports whether the log must be compacted.
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean
local function is_due(writer)
    local base_bytes = writer.base_bytes
    local log_bytes = writer.log_bytes
    if writer.root == 0 then
        return false
    end
    local max_log_bytes = max(MIN_LOG_BYTES, base_bytes)
    if log_bytes > max_log_bytes or writer.epoch - writer.root > MAX_EPOCHS then
        return true
    end
    local log = writer.log
    return log_bytes > max_log_bytes / 4 and log.dict:free_space() < 2 * base_bytes and not cleanup.can_remove(log, writer.root)
end

--- Replaces the base and the records of the log by a new base. The writer can append meanwhile.
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean ok # false if that failed, and an error unless the writer was stopped
---@return string? err
local function compact(writer)
    local log = writer.log
    local root = writer.root
    local cursor = cursors.new(log)
    local full = cursors.join(cursor, root, "list")
    local epoch = logs.allocate_epoch(log)
    if full == nil or epoch == nil then
        return false, writers.KEYS_MISSING
    end
    local function is_needed()
        return writer.stop_reason == nil and writer.root == root
    end
    local header, base_err = write_base(
        writer,
        epoch,
        full,
        writer.history,
        writer.cluster_id,
        is_needed
    )
    local is_switched = false
    local err = base_err
    if header ~= nil then
        is_switched, err = copy_and_switch(writer, cursor, epoch, header)
    end
    if not is_switched then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
    end
    return is_switched, err
end
_M.compact = compact
_M.is_due = is_due
_M.reset_to_full_state = reset_to_full_state

return _M
