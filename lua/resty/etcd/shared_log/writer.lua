-- Generated from src/resty/etcd/shared_log/writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local cleanup = require("resty.etcd.shared_log.cleanup")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local writer_error = require("resty.etcd.shared_log.writer_error")
local waits = require("resty.etcd.base.wait")
local now = clock.now
local max = math.max

--- Cause of a broken log that lacks keys: the dict has evicted them, or another program has removed them.
local KEYS_MISSING = "keys are missing from the dict"

--- Seconds for which epochs before a new base are kept, so that their readers reach it without a full state.
local KEEP_TIME = 5

--- Seconds between two checks for epochs that can be removed.
local CLEANUP_INTERVAL = 1

--- Free bytes that the dict must have while something can be removed: a takeover or a compaction cannot wait for room.
local RESERVE = 64 * 1024

--- Seconds between two checks whether the compaction is done that an append waits for.
local COMPACTION_POLL_INTERVAL = 0.005

--- A feed straight from etcd.
---@class resty.etcd.shared_log.writer.Source: resty.etcd.watch.feed.Feed
---@field cluster_id fun(self: resty.etcd.shared_log.writer.Source): string? Returns the ID of the cluster that it reads from; nil before it is known.

--- The state of the worker that writes the log.
---@class resty.etcd.shared_log.writer.Writer
---@field log resty.etcd.shared_log.log.Log
---@field epoch number Its epoch: the last one of the chain.
---@field position number Its last published chunk.
---@field revision number
---@field root number The epoch whose base its own epoch builds on: where reading starts.
---@field base_bytes number
---@field log_bytes number Bytes of the log since the base.
---@field history number As in the header of its epoch.
---@field cluster_id string?
---@field next_cleanup_at number
---@field is_compacting boolean
---@field next_compaction_at number Earliest time of the next compaction, after one that failed.
---@field source resty.etcd.shared_log.writer.Source? Where the batches come from; nil before the first one is requested.
---@field source_opened_at number
---@field last_received_at number When a writer of the log last received a response from etcd; 0 if none did.
---@field published_error string The value that readers find of the error of this writer or its predecessor, see writer_error.ts.
---@field stop_reason ("broken"|"fenced"|"resigned")?
---@field stop_detail string? Cause of `broken`.

--- Records that a writer has copied into a new epoch before it links it.
---@class resty.etcd.shared_log.writer.CopiedRecords
---@field position number Their last chunk; 0 if nothing was copied.
---@field bytes number
---@field revision number Revision of the last one; that of the epoch's base if nothing was copied.

local function stop(writer, reason, detail)
    if writer.stop_reason == nil then
        writer.stop_reason = reason
        writer.stop_detail = detail
        if writer.source ~= nil then
            writer.source:close()
        end
    end
end

--- Sets the feed that the writer reads from. The feed of a writer that was stopped meanwhile is closed.
---@param writer resty.etcd.shared_log.writer.Writer
---@param source resty.etcd.shared_log.writer.Source
local function set_source(writer, source)
    writer.source = source
    writer.source_opened_at = now()
    if writer.stop_reason ~= nil then
        source:close()
    end
end

--- Reports whether an epoch has a successor. If one is missing that has, the chain has moved on, and the epoch was
--- removed; one without was dropped by the dict.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return boolean
local function has_successor(log, epoch)
    return logs.link_of(log, epoch) ~= nil
end

--- Stops a writer whose epoch is missing.
---@param writer resty.etcd.shared_log.writer.Writer
local function on_epoch_missing(writer)
    stop(
        writer,
        has_successor(writer.log, writer.epoch) and "fenced" or "broken",
        KEYS_MISSING
    )
end

--- Lets another worker take over immediately.
---@param writer resty.etcd.shared_log.writer.Writer
local function release(writer)
    local log = writer.log
    local head, is_sealed = logs.head(log, writer.epoch)
    if head == nil then
        return
    end
    logs.release(log, writer.epoch)
    if not is_sealed then
        logs.seal(log, writer.epoch)
    end
end

--- Publishes what the writer knows of etcd. Before it has a response from its own source, what its predecessor has
--- published holds: a source that was just opened knows nothing.
---@param writer resty.etcd.shared_log.writer.Writer
local function publish_contact(writer)
    local ____writer_0 = writer
    local log = ____writer_0.log
    local source = ____writer_0.source
    if source ~= nil then
        local received_at = now() - source:age()
        if received_at > writer.source_opened_at then
            writer.last_received_at = max(writer.last_received_at, received_at)
        end
        local ____temp_1
        if source.current_error ~= nil then
            ____temp_1 = source:current_error()
        else
            ____temp_1 = nil
        end
        local err = ____temp_1
        local value = writer_error.encode(err)
        local is_known = err ~= nil or writer.last_received_at > writer.source_opened_at
        if is_known and value ~= writer.published_error then
            writer.published_error = value
            writer_error.publish(log, value)
        end
    end
    logs.heartbeat(log, writer.epoch, writer.last_received_at)
end

--- Records a heartbeat, unless another worker has sealed the writer's epoch. Corrects the root if a late writer set it.
---@param writer resty.etcd.shared_log.writer.Writer
local function heartbeat(writer)
    local log = writer.log
    local head, is_sealed = logs.head(log, writer.epoch)
    if head == nil or not is_sealed and head ~= writer.position then
        on_epoch_missing(writer)
    elseif is_sealed then
        stop(writer, "fenced")
    end
    if writer.stop_reason ~= nil then
        return
    end
    publish_contact(writer)
    if logs.get_number(log, "root") ~= writer.root then
        logs.set_number(log, "root", writer.root)
    end
end

--- Makes this worker the writer, unless another worker is faster.
---@param log resty.etcd.shared_log.log.Log
---@param tail number the last epoch of the chain, whose writer has resigned or died
---@return resty.etcd.shared_log.writer.Writer? res # nil and `lost` if another worker was faster; nil and another error if the log is broken
---@return string? err
local function take_over(log, tail)
    local ____, is_sealed = logs.head(log, tail)
    if not is_sealed then
        logs.seal(log, tail)
    end
    local at = logs.head(log, tail)
    local header
    if at ~= nil then
        header = epoch_header.of_successor(log, tail, at)
    end
    local epoch = logs.allocate_epoch(log)
    if at == nil or header == nil or epoch == nil then
        return nil, has_successor(log, tail) and "lost" or KEYS_MISSING
    end
    local created, err = epoch_header.create_epoch(log, epoch, header)
    if not created then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
        return nil, err or ""
    end
    local last_received_at = logs.last_received_at(log, tail)
    logs.heartbeat(log, epoch, last_received_at)
    writer_error.reserve(log)
    local linked, link_err = logs.add_link(log, tail, {to = epoch, at = at, skip = 0, reason = nil})
    if not linked then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
        return nil, link_err == "exists" and "lost" or (link_err or "")
    end
    local root = logs.get_number(log, "root")
    if root == nil then
        return nil, KEYS_MISSING
    end
    if root > tail then
        logs.release(log, epoch)
        return nil, "lost"
    end
    return {
        log = log,
        epoch = epoch,
        position = 0,
        revision = header.revision,
        root = header.root,
        base_bytes = header.base_bytes,
        log_bytes = header.log_bytes,
        history = header.history,
        cluster_id = header.cluster_id,
        next_cleanup_at = 0,
        is_compacting = false,
        next_compaction_at = 0,
        source = nil,
        source_opened_at = 0,
        last_received_at = last_received_at,
        published_error = writer_error.read(log),
        stop_reason = nil,
        stop_detail = nil
    }
end

--- Links an epoch with a base behind the writer's, and makes it the writer's. It must not yield: what the old epoch gets
--- meanwhile would be missing in the new one.
---@param writer resty.etcd.shared_log.writer.Writer
---@param epoch number
---@param header resty.etcd.shared_log.epoch_header.EpochHeader
---@param copied resty.etcd.shared_log.writer.CopiedRecords what the epoch holds after its base
---@param reason string? set if the epoch does not continue the old one: why readers need its base
---@return boolean ok # false and an error if the epoch could not be created, false if the writer was stopped
---@return string? err
local function switch_epoch(writer, epoch, header, copied, reason)
    local log = writer.log
    local created, err = epoch_header.create_epoch(log, epoch, header)
    if not created then
        return false, err
    end
    logs.publish(log, epoch, copied.position, copied.position)
    logs.heartbeat(log, epoch, writer.last_received_at)
    logs.seal(log, writer.epoch)
    local link = {to = epoch, at = writer.position, skip = copied.position, reason = reason}
    local linked, link_err = logs.add_link(log, writer.epoch, link)
    local root = logs.get_number(log, "root")
    if root == nil or link_err == "no memory" then
        stop(writer, "broken", link_err or KEYS_MISSING)
        return false
    end
    if not linked or root > writer.epoch then
        stop(writer, "fenced")
        return false
    end
    logs.set_number(log, "root", epoch)
    writer.epoch = epoch
    writer.position = copied.position
    writer.revision = copied.revision
    writer.root = epoch
    writer.base_bytes = header.base_bytes
    writer.log_bytes = copied.bytes
    writer.history = header.history
    writer.cluster_id = header.cluster_id
    return true
end

local function start_compaction(writer)
    writer.is_compacting = true
end

---@param writer resty.etcd.shared_log.writer.Writer
---@param retry_in number seconds before the next compaction can start
local function end_compaction(writer, retry_in)
    writer.is_compacting = false
    writer.next_compaction_at = now() + retry_in
end

--- Removes the oldest epochs that are not needed any more, even if slow readers are still there.
---@param writer resty.etcd.shared_log.writer.Writer
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean # false if there was nothing to remove
local function remove_oldest(writer, slice)
    local log = writer.log
    local root = writer.root
    if not cleanup.can_remove(log, root) then
        return false
    end
    cleanup.remove_before(
        log,
        cleanup.oldest_removable_base(log, root),
        slice
    )
    return true
end

local function keep_reserve(writer, slice)
    while writer.log.dict:free_space() < RESERVE and remove_oldest(writer, slice) do
    end
end

--- Stores a record of an epoch that is not linked yet. In a full dict it removes old epochs to make room.
---@param writer resty.etcd.shared_log.writer.Writer
---@param prefix string
---@param first number
---@param record resty.etcd.shared_log.records.LogRecord
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return number? res # the number of the record's last chunk
---@return string? err
local function store(writer, prefix, first, record, slice)
    keep_reserve(writer, slice)
    while true do
        local last, err = records.write(writer.log.dict, prefix, first, record)
        if last ~= nil then
            return last
        end
        if not remove_oldest(writer, slice) then
            return nil, err
        end
    end
end

--- Reports whether the log must not grow while it is compacted: the dict could not hold the new base and the copies.
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean
local function must_wait_for_compaction(writer)
    local needed = writer.base_bytes + writer.log_bytes + RESERVE
    return writer.is_compacting and writer.log.dict:free_space() < needed
end

--- Appends a batch of events.
---@param writer resty.etcd.shared_log.writer.Writer
---@param batch resty.etcd.watch.feed.Batch
local function append(writer, batch)
    local slice = time_slice.start()
    local payload = kv_encoding.encode_events(batch.events, slice)
    keep_reserve(writer, slice)
    while must_wait_for_compaction(writer) do
        if not remove_oldest(writer, slice) then
            waits.sleep(COMPACTION_POLL_INTERVAL)
        end
    end
    while writer.stop_reason == nil do
        local log = writer.log
        local epoch = writer.epoch
        local position = writer.position
        local total = writer.log_bytes + #payload + records.CHUNK_OVERHEAD
        local record = {payload = payload, revision = batch.revision, total = total}
        local last, err = records.write(
            log.dict,
            logs.key_of(log, epoch, "r"),
            position + 1,
            record
        )
        if last ~= nil then
            local published, is_missing = logs.publish(log, epoch, last - position, last)
            if is_missing then
                on_epoch_missing(writer)
                return
            end
            if not published then
                stop(writer, "fenced")
                return
            end
            writer.position = last
            writer.revision = batch.revision
            writer.log_bytes = total
            return
        end
        if not remove_oldest(writer, slice) then
            stop(writer, "broken", err)
        end
    end
end

--- Removes epochs whose readers had time to move on.
---@param writer resty.etcd.shared_log.writer.Writer
local function clean_up(writer)
    local time = now()
    if time >= writer.next_cleanup_at then
        writer.next_cleanup_at = time + CLEANUP_INTERVAL
        local base = cleanup.newest_base_of_age(writer.log, writer.root, KEEP_TIME)
        if base ~= nil then
            cleanup.remove_before(
                writer.log,
                base,
                time_slice.start()
            )
        end
    end
end
_M.append = append
_M.clean_up = clean_up
_M.end_compaction = end_compaction
_M.heartbeat = heartbeat
_M.KEYS_MISSING = KEYS_MISSING
_M.release = release
_M.set_source = set_source
_M.start_compaction = start_compaction
_M.stop = stop
_M.store = store
_M.switch_epoch = switch_epoch
_M.take_over = take_over

return _M
