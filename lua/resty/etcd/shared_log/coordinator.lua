-- Generated from src/resty/etcd/shared_log/coordinator.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local random = require("resty.etcd.base.random")
local logs = require("resty.etcd.shared_log.log")
local cleanup = require("resty.etcd.shared_log.cleanup")
local writers = require("resty.etcd.shared_log.writer")
local now = clock.now

--- Seconds of silence after which a writer counts as gone. It gives a sign of life five times as often.
local LEASE = 1

--- Seconds between two looks at who writes, and whether the log is well.
local LOOK = 0.1

--- Seconds that a worker has for taking over, before others try.
local CANDIDATE = 0.5

--- What one worker has of one log: it looks for what is new, for all of the worker's readers, and may be its writer.
---@class resty.etcd.shared_log.coordinator.Coordinator
---@field dict table
---@field base string In front of all keys in the dict.
---@field open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@field retry number Seconds after which a log that was given up is tried anew.
---@field lead fun(premature: boolean, hub: resty.etcd.shared_log.coordinator.Coordinator, writer: resty.etcd.shared_log.writer.Writer) Writes the log in a timer of its own.
---@field log resty.etcd.shared_log.log.Log? The log of the day; nil if there is none, or it is given up.
---@field is_alone boolean There is no log to wait for: readers go on by themselves.
---@field tail number Last epoch of the chain as far as is known.
---@field head_key string
---@field head any
---@field writer resty.etcd.shared_log.writer.Writer? This worker is the writer.
---@field readers table Of all readers, to be posted when there may be something new.
---@field reader_count number
---@field is_ticking boolean Somebody lets it look around.
---@field rests_until number Not before that, after an error.
---@field next_look number
---@field retry_at number When a first log may be tried again, if the dict had no room for one.

--- Wakes all readers of this worker.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function wake(hub)
    for reader in pairs(hub.readers) do
        if reader:count() < 1 then
            reader:post(1)
        end
    end
end

local function stand_at(hub, log, tail)
    hub.tail = tail
    hub.head_key = logs.key_of(log, tail, "h")
    hub.head = nil
end

local function is_sealed(log, epoch)
    local ____, sealed = logs.head(log, epoch)
    return sealed
end

--- Looks for what is new: one read of one number.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function look_at_head(hub)
    local log = hub.log
    if log == nil then
        return
    end
    local value = hub.dict:get(hub.head_key)
    if value == nil then
        stand_at(
            hub,
            log,
            logs.number_at(log, "root") or 0
        )
        return
    end
    if value == hub.head then
        return
    end
    hub.head = value
    wake(hub)
    while is_sealed(log, hub.tail) do
        hub.next_look = 0
        local link = logs.link_of(log, hub.tail)
        if link == nil then
            hub.head = nil
            return
        end
        stand_at(hub, log, link.to)
    end
end

--- Gives the log up for all workers.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
---@param why string?
local function give_up(hub, log, why)
    if not logs.is_broken(log) then
        ngx.log(ngx.WARN, "shared log of watches is given up: ", why or writers.MISSING)
    end
    logs.mark_broken(log, hub.retry)
    hub.next_look = 0
end

local function is_same(a, b)
    return a == b or a ~= nil and b ~= nil and a.name == b.name
end

--- Finds the log of the day, starts one if there is none, or in the place of one that was given up long ago.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function find_log(hub)
    local dict = hub.dict
    local base = hub.base
    local known = hub.log
    local log = logs.current(dict, base)
    if log == nil or logs.is_broken(log) then
        local old = log
        local wait = old ~= nil and logs.retry_in(dict, base) or hub.retry_at - now()
        log = nil
        if wait <= 0 then
            if old ~= nil then
                dict:safe_set(
                    base .. "retry",
                    now() + hub.retry
                )
                cleanup.all(old)
            end
            local begun, err = logs.begin(dict, base, old)
            if begun == nil then
                hub.retry_at = now() + hub.retry
                ngx.log(ngx.WARN, "no room for a shared log of watches: ", err)
            end
            log = begun
        end
    end
    hub.is_alone = log == nil
    if not is_same(log, known) then
        if hub.writer ~= nil then
            writers.stop(hub.writer, "deposed")
            hub.writer = nil
        end
        hub.log = log
        if log ~= nil then
            stand_at(
                hub,
                log,
                logs.number_at(log, "root") or 0
            )
        end
        wake(hub)
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
    if writer.over ~= nil then
        return
    end
    local contact = writer.source ~= nil and now() - writer.source:age() or nil
    logs.heartbeat(log, writer.epoch, contact)
    if logs.number_at(log, "root") ~= writer.root then
        logs.set_number(log, "root", writer.root)
    end
end

--- Tries to become the writer in the place of one that is gone.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
local function try_to_write(hub, log)
    local candidate = logs.number_at(log, "candidate")
    if candidate == nil then
        give_up(hub, log, nil)
        return
    end
    if now() - candidate < CANDIDATE then
        return
    end
    logs.set_number(
        log,
        "candidate",
        now()
    )
    local writer, err = writers.take_over(log, hub.tail)
    logs.set_number(log, "candidate", 0)
    if writer == nil then
        if err ~= "lost" then
            give_up(hub, log, err)
        end
        return
    end
    hub.writer = writer
    local ok = ngx.timer.at(0, hub.lead, hub, writer)
    if ok == nil then
        hub.writer = nil
        logs.release(log, writer.epoch)
    end
end

--- Looks at who writes, and whether the log is well.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function look(hub)
    find_log(hub)
    local log = hub.log
    if log == nil then
        return
    end
    look_at_head(hub)
    local writer = hub.writer
    if writer ~= nil then
        keep_writing(writer)
    elseif logs.seconds_since_heartbeat(log, hub.tail) > LEASE then
        try_to_write(hub, log)
    end
end

--- One round of looking around.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function tick(hub)
    local time = now()
    look_at_head(hub)
    if time >= hub.next_look then
        hub.next_look = time + LOOK * (1 + random.next() / 4)
        look(hub)
    end
end

--- Leaves the log to other workers.
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function leave(hub)
    local writer = hub.writer
    if writer ~= nil then
        hub.writer = nil
        writers.stop(writer, "leaving")
        writers.leave(writer)
    end
    wake(hub)
end

local function create(dict, base, open_source, retry, lead)
    return {
        dict = dict,
        base = base,
        open_source = open_source,
        retry = retry,
        lead = lead,
        log = nil,
        is_alone = false,
        tail = 0,
        head_key = "",
        head = nil,
        writer = nil,
        readers = {},
        reader_count = 0,
        is_ticking = false,
        rests_until = 0,
        next_look = 0,
        retry_at = 0
    }
end
_M.new = create
_M.give_up = give_up
_M.leave = leave
_M.tick = tick
_M.wake = wake

return _M
