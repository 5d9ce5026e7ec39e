-- Generated from src/resty/etcd/shared_log/coordinator.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local random = require("resty.etcd.base.random")
local logs = require("resty.etcd.shared_log.log")
local cleanup = require("resty.etcd.shared_log.cleanup")
local writers = require("resty.etcd.shared_log.writer")
local now = clock.now

--- Seconds of silence after which a writer counts as gone. It gives a sign of life five times as often.
local WRITER_LEASE = 1

--- Seconds between two looks at who writes, and whether the log is well.
local CHECK_INTERVAL = 0.1

--- Seconds that a worker has for taking over, before others try.
local CANDIDATE_TIME = 0.5

--- What one worker has of one log: it looks for what is new, for all of the worker's readers, and may be its writer.
---@class resty.etcd.shared_log.coordinator.Coordinator
---@field dict table
---@field base string In front of all keys in the dict.
---@field open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@field retry number Seconds after which a log that was given up is tried anew.
---@field run_writer fun(premature: boolean, coordinator: resty.etcd.shared_log.coordinator.Coordinator, writer: resty.etcd.shared_log.writer.Writer) Writes the log in a timer of its own.
---@field log resty.etcd.shared_log.log.Log? The log of the day; nil if there is none, or it is given up.
---@field is_alone boolean There is no log to wait for: readers go on by themselves.
---@field tail number Last epoch of the chain as far as is known.
---@field head_key string
---@field head any
---@field writer resty.etcd.shared_log.writer.Writer? This worker is the writer.
---@field readers table Of all readers, to be posted when there may be something new.
---@field reader_count number
---@field is_polled boolean Somebody lets it look around.
---@field paused_until number Not before that, after an error.
---@field next_check_at number
---@field retry_at number When a first log may be tried again, if the dict had no room for one.

--- Wakes all readers of this worker.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function wake(coordinator)
    for reader in pairs(coordinator.readers) do
        if reader:count() < 1 then
            reader:post(1)
        end
    end
end

local function stand_at(coordinator, log, tail)
    coordinator.tail = tail
    coordinator.head_key = logs.key_of(log, tail, "h")
    coordinator.head = nil
end

local function is_sealed(log, epoch)
    local ____, sealed = logs.head(log, epoch)
    return sealed
end

--- Looks for what is new: one read of one number.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function look_at_head(coordinator)
    local log = coordinator.log
    if log == nil then
        return
    end
    local value = coordinator.dict:get(coordinator.head_key)
    if value == nil then
        stand_at(
            coordinator,
            log,
            logs.number_at(log, "root") or 0
        )
        return
    end
    if value == coordinator.head then
        return
    end
    coordinator.head = value
    wake(coordinator)
    while is_sealed(log, coordinator.tail) do
        coordinator.next_check_at = 0
        local link = logs.link_of(log, coordinator.tail)
        if link == nil then
            coordinator.head = nil
            return
        end
        stand_at(coordinator, log, link.to)
    end
end

--- Gives the log up for all workers.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
---@param why string?
local function give_up(coordinator, log, why)
    if not logs.is_broken(log) then
        ngx.log(ngx.WARN, "shared log of watches is given up: ", why or writers.MISSING)
    end
    logs.mark_broken(log, coordinator.retry)
    coordinator.next_check_at = 0
end

local function is_same(a, b)
    return a == b or a ~= nil and b ~= nil and a.name == b.name
end

--- Finds the log of the day, starts one if there is none, or in the place of one that was given up long ago.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function find_log(coordinator)
    local dict = coordinator.dict
    local base = coordinator.base
    local known = coordinator.log
    local log = logs.current(dict, base)
    if log == nil or logs.is_broken(log) then
        local old = log
        local wait = old ~= nil and logs.retry_in(dict, base) or coordinator.retry_at - now()
        log = nil
        if wait <= 0 then
            if old ~= nil then
                dict:safe_set(
                    base .. "retry",
                    now() + coordinator.retry
                )
                cleanup.all(old)
            end
            local begun, err = logs.begin(dict, base, old)
            if begun == nil then
                coordinator.retry_at = now() + coordinator.retry
                ngx.log(ngx.WARN, "no room for a shared log of watches: ", err)
            end
            log = begun
        end
    end
    coordinator.is_alone = log == nil
    if not is_same(log, known) then
        if coordinator.writer ~= nil then
            writers.stop(coordinator.writer, "deposed")
            coordinator.writer = nil
        end
        coordinator.log = log
        if log ~= nil then
            stand_at(
                coordinator,
                log,
                logs.number_at(log, "root") or 0
            )
        end
        wake(coordinator)
    end
end

--- A sign of life, unless another one writes now.
---@param writer resty.etcd.shared_log.writer.Writer
local function keep_writing(writer)
    local log = writer.log
    local head, sealed = logs.head(log, writer.epoch)
    if head == nil then
        writers.on_epoch_missing(writer)
    elseif sealed then
        writers.stop(writer, "deposed")
    end
    if writer.stop_reason ~= nil then
        return
    end
    local contact = writer.source ~= nil and now() - writer.source:age() or nil
    logs.heartbeat(log, writer.epoch, contact)
    if logs.number_at(log, "root") ~= writer.root then
        logs.set_number(log, "root", writer.root)
    end
end

--- Tries to become the writer in the place of one that is gone.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
local function try_to_write(coordinator, log)
    local candidate = logs.number_at(log, "candidate")
    if candidate == nil then
        give_up(coordinator, log, nil)
        return
    end
    if now() - candidate < CANDIDATE_TIME then
        return
    end
    logs.set_number(
        log,
        "candidate",
        now()
    )
    local writer, err = writers.take_over(log, coordinator.tail)
    logs.set_number(log, "candidate", 0)
    if writer == nil then
        if err ~= "lost" then
            give_up(coordinator, log, err)
        end
        return
    end
    coordinator.writer = writer
    local ok = ngx.timer.at(0, coordinator.run_writer, coordinator, writer)
    if ok == nil then
        coordinator.writer = nil
        logs.release(log, writer.epoch)
    end
end

--- Looks at who writes, and whether the log is well.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function look(coordinator)
    find_log(coordinator)
    local log = coordinator.log
    if log == nil then
        return
    end
    look_at_head(coordinator)
    local writer = coordinator.writer
    if writer ~= nil then
        keep_writing(writer)
    elseif logs.seconds_since_heartbeat(log, coordinator.tail) > WRITER_LEASE then
        try_to_write(coordinator, log)
    end
end

--- One round of looking around.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function poll(coordinator)
    local time = now()
    look_at_head(coordinator)
    if time >= coordinator.next_check_at then
        coordinator.next_check_at = time + CHECK_INTERVAL * (1 + random.next() / 4)
        look(coordinator)
    end
end

--- Leaves the log to other workers.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function leave(coordinator)
    local writer = coordinator.writer
    if writer ~= nil then
        coordinator.writer = nil
        writers.stop(writer, "leaving")
        writers.leave(writer)
    end
    wake(coordinator)
end

local function create(dict, base, open_source, retry, lead)
    return {
        dict = dict,
        base = base,
        open_source = open_source,
        retry = retry,
        run_writer = lead,
        log = nil,
        is_alone = false,
        tail = 0,
        head_key = "",
        head = nil,
        writer = nil,
        readers = {},
        reader_count = 0,
        is_polled = false,
        paused_until = 0,
        next_check_at = 0,
        retry_at = 0
    }
end
_M.new = create
_M.give_up = give_up
_M.leave = leave
_M.poll = poll
_M.wake = wake

return _M
