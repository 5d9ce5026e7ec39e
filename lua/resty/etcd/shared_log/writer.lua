-- Generated from src/resty/etcd/shared_log/writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local cleanup = require("resty.etcd.shared_log.cleanup")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local now = clock.now

--- Somebody else has removed what is needed, or the dict has, for others.
local MISSING = "keys are missing"

--- Seconds for which readers may be on their way out of what is to be removed.
local GRACE = 5

--- Bytes of the dict that are kept free, as long as there is anything to remove for it.
local RESERVE = 64 * 1024

--- Seconds between two looks whether a new base is done for which the log has to wait.
local PRESSED = 0.005

--- A feed out of etcd itself.
---@class resty.etcd.shared_log.writer.Source: resty.etcd.watch.feed.Feed
---@field cluster_id fun(self: resty.etcd.shared_log.writer.Source): string? The cluster it is fed from, nil before that is known.

--- The one who writes the log.
---@class resty.etcd.shared_log.writer.Writer
---@field log resty.etcd.shared_log.log.Log
---@field epoch number Its epoch, the last one of the chain.
---@field position number Its last published piece.
---@field revision number
---@field root number Where reading begins.
---@field base_bytes number
---@field log_bytes number
---@field history number The epoch with which etcd's history became another one.
---@field cluster_id string?
---@field tidy_at number When it is to look again for what may be removed.
---@field is_compacting boolean A new base is being made.
---@field compact_at number Not before that.
---@field source resty.etcd.shared_log.writer.Source? Where the batches come from.
---@field stop_reason ("broken"|"deposed"|"leaving")?
---@field broken_reason string? Why the log cannot go on.

local function stop(writer, over, trouble)
    if writer.stop_reason == nil then
        writer.stop_reason = over
        writer.broken_reason = trouble
        if writer.source ~= nil then
            writer.source:close()
        end
    end
end

--- An epoch is gone because others are far ahead, and not because the dict has lost it.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@return boolean
local function is_passed(log, epoch)
    return logs.link_of(log, epoch) ~= nil
end

--- The writer's epoch is gone.
---@param writer resty.etcd.shared_log.writer.Writer
local function on_epoch_missing(writer)
    local over = is_passed(writer.log, writer.epoch) and "deposed" or "broken"
    stop(writer, over, MISSING)
end

--- Lets another worker begin at once.
---@param writer resty.etcd.shared_log.writer.Writer
local function leave(writer)
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

--- How far the chain has come at piece `at` of its last epoch, as a successor is to begin.
---@param log resty.etcd.shared_log.log.Log
---@param epoch number
---@param at number
---@return resty.etcd.shared_log.epoch_header.Beginning?
local function start_after(log, epoch, at)
    local start = epoch_header.read(log, epoch)
    if start == nil then
        if epoch ~= 0 then
            return nil
        end
        start = {
            revision = 0,
            root = 0,
            pieces = 0,
            base_bytes = 0,
            log_bytes = 0,
            history = 0,
            cluster_id = nil
        }
    end
    start.pieces = 0
    if at > 0 then
        local record = records.read(
            log.dict,
            logs.key_of(log, epoch, "r"),
            at
        )
        if record == nil then
            return nil
        end
        start.revision = record.revision
        start.log_bytes = record.total
    end
    return start
end

--- Becomes the writer, if no other worker was faster.
---@param log resty.etcd.shared_log.log.Log
---@param tail number the last epoch of the chain, whose writer is gone
---@return resty.etcd.shared_log.writer.Writer? res # nil and `lost` if another one was; any other error means that the log is broken
---@return string? err
local function take_over(log, tail)
    local ____, is_sealed = logs.head(log, tail)
    if not is_sealed then
        logs.seal(log, tail)
    end
    local at = logs.head(log, tail)
    local start
    if at ~= nil then
        start = start_after(log, tail, at)
    end
    local epoch = logs.allocate_epoch(log)
    if at == nil or start == nil or epoch == nil then
        return nil, is_passed(log, tail) and "lost" or MISSING
    end
    local prepared, err = epoch_header.prepare(log, epoch, start)
    if not prepared then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
        return nil, err or ""
    end
    logs.heartbeat(
        log,
        epoch,
        logs.number_at(
            log,
            tostring(tail) .. "c"
        ) or 0
    )
    local linked, link_err = logs.add_link(log, tail, {to = epoch, at = at, skip = 0, reason = nil})
    if not linked then
        cleanup.remove_epoch(
            log,
            epoch,
            time_slice.start()
        )
        return nil, link_err == "exists" and "lost" or (link_err or "")
    end
    local root = logs.number_at(log, "root")
    if root == nil then
        return nil, MISSING
    end
    if root > tail then
        logs.release(log, epoch)
        return nil, "lost"
    end
    return {
        log = log,
        epoch = epoch,
        position = 0,
        revision = start.revision,
        root = start.root,
        base_bytes = start.base_bytes,
        log_bytes = start.log_bytes,
        history = start.history,
        cluster_id = start.cluster_id,
        tidy_at = 0,
        is_compacting = false,
        compact_at = 0,
        source = nil,
        stop_reason = nil,
        broken_reason = nil
    }
end

--- Removes the oldest of what is not needed, even if readers that are slow are still there.
---@param writer resty.etcd.shared_log.writer.Writer
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean # false if there is nothing left of it
local function make_room(writer, slice)
    local log = writer.log
    local root = writer.root
    if not cleanup.is_due(log, root) then
        return false
    end
    cleanup.before(
        log,
        cleanup.oldest(log, root),
        slice
    )
    return true
end

--- Makes room before it is needed: whoever takes over, or puts a new base in place, cannot wait for any.
---@param writer resty.etcd.shared_log.writer.Writer
---@param slice resty.etcd.base.time_slice.TimeSlice
local function keep_room(writer, slice)
    while writer.log.dict:free_space() < RESERVE and make_room(writer, slice) do
    end
end

--- Writes a record somewhere aside; where there is no memory, as much is removed of what is not needed as it takes.
---@param writer resty.etcd.shared_log.writer.Writer
---@param prefix string
---@param first number
---@param record resty.etcd.shared_log.records.Record
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return number? res # the number of its last piece
---@return string? err
local function store(writer, prefix, first, record, slice)
    keep_room(writer, slice)
    while true do
        local last, err = records.write(writer.log.dict, prefix, first, record)
        if last ~= nil then
            return last
        end
        if not make_room(writer, slice) then
            return nil, err
        end
    end
end

--- A new base is being made, and if the log grew on there would be no room for that, and what is copied behind it.
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean
local function must_wait_for_compaction(writer)
    local needed = writer.base_bytes + writer.log_bytes + RESERVE
    return writer.is_compacting and writer.log.dict:free_space() < needed
end

--- Adds a batch of events.
---@param writer resty.etcd.shared_log.writer.Writer
---@param batch resty.etcd.watch.feed.Batch
local function append(writer, batch)
    local slice = time_slice.start()
    local payload = kv_encoding.encode_events(batch.events, slice)
    keep_room(writer, slice)
    while must_wait_for_compaction(writer) do
        if not make_room(writer, slice) then
            ngx.sleep(PRESSED)
        end
    end
    while writer.stop_reason == nil do
        local log = writer.log
        local epoch = writer.epoch
        local position = writer.position
        local total = writer.log_bytes + #payload + records.OVERHEAD
        local record = {payload = payload, revision = batch.revision, total = total}
        local last, err = records.write(
            log.dict,
            logs.key_of(log, epoch, "r"),
            position + 1,
            record
        )
        if last ~= nil then
            local published, gone = logs.publish(log, epoch, last - position)
            if gone then
                on_epoch_missing(writer)
                return
            end
            if not published then
                stop(writer, "deposed")
                return
            end
            writer.position = last
            writer.revision = batch.revision
            writer.log_bytes = total
            return
        end
        if not make_room(writer, slice) then
            stop(writer, "broken", err)
        end
    end
end

--- Removes what is not needed any more, after a while.
---@param writer resty.etcd.shared_log.writer.Writer
local function tidy(writer)
    local time = now()
    if time >= writer.tidy_at then
        writer.tidy_at = time + GRACE / 5
        local epoch = cleanup.settled(writer.log, writer.root, GRACE)
        if epoch ~= nil then
            cleanup.before(
                writer.log,
                epoch,
                time_slice.start()
            )
        end
    end
end
_M.append = append
_M.leave = leave
_M.on_epoch_missing = on_epoch_missing
_M.MISSING = MISSING
_M.start_after = start_after
_M.stop = stop
_M.store = store
_M.take_over = take_over
_M.tidy = tidy

return _M
