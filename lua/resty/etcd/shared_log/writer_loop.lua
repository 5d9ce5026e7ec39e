-- Generated from src/resty/etcd/shared_log/writer_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")
local coordinators = require("resty.etcd.shared_log.coordinator")
local compaction = require("resty.etcd.shared_log.compaction")
local writers = require("resty.etcd.shared_log.writer")
local now = clock.now

--- Seconds after which it looks around, if nothing comes.
local POLL_INTERVAL = 0.25

--- Seconds before a new base is tried again, if that failed.
local COMPACTION_RETRY = 10

--- Seconds after which a batch was surely waited for, and others had their turn.
local WAITED = 0.001

--- Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends.
local TIMER_LIFETIME = 300

local function is_over(writer)
    return writer.stop_reason ~= nil
end

local function compact(coordinator, writer)
    local ok, err = pcall(compaction.compact, writer)
    if not ok or err ~= nil then
        ngx.log(ngx.INFO, "shared log of watches: no new base: ", err)
        writer.compact_at = now() + COMPACTION_RETRY
    end
    writer.is_compacting = false
    coordinators.wake(coordinator)
end

--- Lets a new base be made beside, when one is due.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
local function look_after(coordinator, writer)
    if not writer.is_compacting and now() >= writer.compact_at and compaction.is_due(writer) then
        writer.is_compacting = true
        ngx.thread.spawn(compact, coordinator, writer)
    end
    writers.tidy(writer)
end

local function take(coordinator, writer, source, batch)
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

--- Writes what comes, until the writer is none any more; false if it has only been at it for long.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
---@return boolean
local function write(coordinator, writer)
    local since = now()
    if writer.source == nil then
        local from = writer.revision > 0 and writer.revision + 1 or nil
        local source, err = coordinator.open_source(from, writer.cluster_id)
        if source == nil then
            writers.stop(
                writer,
                "broken",
                errors.to_text(err)
            )
            return true
        end
        writer.source = source
    end
    local source = writer.source
    local slice = time_slice.start()
    while not is_over(writer) do
        local asked = now()
        local batch, err = source:next(POLL_INTERVAL)
        if now() - asked > WAITED then
            slice.since = now()
        end
        if is_over(writer) then
            break
        end
        if batch ~= nil then
            take(coordinator, writer, source, batch)
        elseif ngx.worker.exiting() then
            writers.stop(writer, "leaving")
        elseif err.name ~= "timeout" then
            writers.stop(
                writer,
                "broken",
                errors.to_text(err)
            )
        end
        look_after(coordinator, writer)
        time_slice.yield_if_due(slice)
        if now() - since > TIMER_LIFETIME and not writer.is_compacting then
            return false
        end
    end
    return true
end

--- Writes the log, as a timer.
---@param _premature boolean
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
local function lead(_premature, coordinator, writer)
    local ok, is_done = pcall(write, coordinator, writer)
    if ok and is_done == false and (ngx.timer.at(0, lead, coordinator, writer)) ~= nil then
        return
    end
    if not ok then
        ngx.log(ngx.ERR, "shared log of watches: ", is_done)
    end
    writers.stop(writer, "leaving")
    if writer.source ~= nil then
        writer.source:close()
    end
    if coordinator.writer == writer then
        coordinator.writer = nil
    end
    if writer.stop_reason == "broken" then
        coordinators.give_up(coordinator, writer.log, writer.broken_reason)
    else
        writers.leave(writer)
    end
    coordinators.wake(coordinator)
end
_M.lead = lead

return _M
