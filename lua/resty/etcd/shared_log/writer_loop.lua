-- Generated from src/resty/etcd/shared_log/writer_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local coordinators = require("resty.etcd.shared_log.coordinator")
local compaction = require("resty.etcd.shared_log.compaction")
local writers = require("resty.etcd.shared_log.writer")
local now = clock.now

--- Maximum seconds of a wait for a batch. Compaction and cleanup are checked after each.
local MAX_WAIT = 0.25

--- Seconds before the next attempt after a compaction that failed.
local COMPACTION_RETRY = 10

local function is_stopped(writer)
    return writer.stop_reason ~= nil
end

local function compact(coordinator, writer)
    local ok, result, err = pcall(compaction.compact, writer)
    local ____ok_0
    if ok then
        ____ok_0 = err
    else
        ____ok_0 = result
    end
    local cause = ____ok_0
    if cause ~= nil then
        local text = printable.of(cause)
        ngx.log(
            ngx.INFO,
            "shared watch log: not compacted: ",
            text,
            "; retrying in ",
            COMPACTION_RETRY,
            " s"
        )
    end
    writers.end_compaction(writer, result == true and 0 or COMPACTION_RETRY)
    coordinators.wake(coordinator)
end

--- Compacts the log in a separate light thread if that is due, and removes epochs that are not needed any more.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@param loop resty.etcd.base.timer_types.TimerLoop
local function maintain(coordinator, writer, loop)
    if not writer.is_compacting and now() >= writer.next_compaction_at and compaction.is_due(writer) then
        writers.start_compaction(writer)
        ngx.thread.spawn(compact, coordinator, writer)
        timer_loop.note_leftovers(loop, 1)
    end
    writers.clean_up(writer)
end

local function write_batch(coordinator, writer, source, batch)
    if batch.full ~= nil then
        compaction.reset_to_full_state(
            writer,
            batch,
            source:cluster_id()
        )
    else
        writers.append(writer, batch)
    end
    coordinators.wake(coordinator)
end

--- Returns the writer's source, which it opens if there is none yet; nil if that failed and the writer was stopped.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@return resty.etcd.shared_log.writer.Source?
local function ensure_source(coordinator, writer)
    if writer.source == nil then
        local from = writer.revision > 0 and writer.revision + 1 or nil
        local source, err = coordinator.open_source(from, writer.cluster_id)
        if source == nil then
            writers.stop(
                writer,
                "broken",
                errors.to_text(err)
            )
            return nil
        end
        writers.set_source(writer, source)
    end
    return writer.source
end

--- Moves batches from etcd to the log. Returns true when the writer has stopped, false if another timer must continue.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return boolean
local function write(coordinator, writer, loop)
    local source = ensure_source(coordinator, writer)
    if source == nil then
        return true
    end
    local slice = time_slice.start()
    while not is_stopped(writer) do
        local wait_started_at = now()
        local batch, err = source:next(MAX_WAIT)
        time_slice.restart_after_wait(slice, wait_started_at)
        if is_stopped(writer) then
            break
        end
        if batch ~= nil then
            write_batch(coordinator, writer, source, batch)
        elseif ngx.worker.exiting() then
            writers.stop(writer, "resigned")
        elseif err.name ~= "timeout" then
            writers.stop(
                writer,
                "broken",
                errors.to_text(err)
            )
        end
        maintain(coordinator, writer, loop)
        time_slice.yield_if_due(slice)
        if timer_loop.must_hand_over(loop) and not writer.is_compacting then
            return false
        end
    end
    return true
end

--- One turn of the loop. An error abandons the log, because the batch that caused it is not in the log, and would raise it in
--- the next writer too: each worker then watches etcd, and the log is replaced later.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return number?
local function run(coordinator, writer, loop)
    local ok, result = pcall(write, coordinator, writer, loop)
    if ok and result == false then
        return 0
    end
    if not ok then
        ngx.log(
            ngx.ERR,
            "shared watch log: ",
            printable.of(result)
        )
        writers.stop(
            writer,
            "broken",
            tostring(result)
        )
    end
    writers.stop(writer, "resigned")
    coordinators.on_writer_stopped(coordinator, writer)
    return nil
end

--- Starts to write the log in a timer.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@return true? res
---@return string? err
local function start(coordinator, writer)
    local loop
    loop = timer_loop.new(
        "shared watch log",
        function() return run(coordinator, writer, loop) end,
        {on_terminated = function()
            writers.stop(writer, "resigned")
            return false
        end}
    )
    return timer_loop.start(loop, 0)
end
_M.start = start

return _M
