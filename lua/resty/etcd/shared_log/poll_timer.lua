-- Generated from src/resty/etcd/shared_log/poll_timer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local coordinator = require("resty.etcd.shared_log.coordinator")
local timers = require("resty.etcd.base.timers")
local now = clock.now
local guard = pcall

--- Seconds after which a timer that has not been heard of is lost: nginx drops timers when there are too many.
local LOST = 2

--- Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends.
local SHIFT = 300

--- Seconds for which a hub rests that has thrown.
local REST = 1

--- Looks around for all hubs of a worker, in one timer: waking up is what costs, not what is looked at then.
---@class resty.etcd.shared_log.poll_timer.Ticker
---@field interval number Seconds between two rounds.
---@field hubs resty.etcd.shared_log.coordinator.Coordinator[] Those that have readers.
---@field turn number Of the timer at work; one of an earlier turn ends.
---@field is_running boolean
---@field ticked number

local function create(interval)
    return {
        interval = interval,
        hubs = {},
        turn = 0,
        is_running = false,
        ticked = 0
    }
end

local function tick(hub)
    local time = now()
    if time < hub.rests_until then
        return
    end
    local ok, err = guard(coordinator.tick, hub)
    if not ok then
        hub.rests_until = time + REST
        ngx.log(ngx.ERR, "shared log of watches: ", err)
    end
end

--- Lets those go that nobody reads from any more.
---@param ticker resty.etcd.shared_log.poll_timer.Ticker
local function drop_idle(ticker)
    local busy = {}
    local idle = {}
    for ____, hub in ipairs(ticker.hubs) do
        if hub.reader_count > 0 then
            busy[#busy + 1] = hub
        else
            hub.is_ticking = false
            idle[#idle + 1] = hub
        end
    end
    ticker.hubs = busy
    for ____, hub in ipairs(idle) do
        coordinator.leave(hub)
    end
end

--- One round; true if there is nothing to do any more for some.
---@param ticker resty.etcd.shared_log.poll_timer.Ticker
---@return boolean
local function go_round(ticker)
    local is_idle = false
    for ____, hub in ipairs(ticker.hubs) do
        if hub.reader_count > 0 then
            tick(hub)
        else
            is_idle = true
        end
    end
    return is_idle
end

local function stop(ticker)
    ticker.is_running = false
    local left = ticker.hubs
    ticker.hubs = {}
    for ____, hub in ipairs(left) do
        hub.is_ticking = false
        coordinator.leave(hub)
    end
end

local function run(_premature, ticker, turn)
    local since = now()
    while ticker.turn == turn do
        if #ticker.hubs == 0 or ngx.worker.exiting() then
            stop(ticker)
            return
        end
        ticker.ticked = now()
        if go_round(ticker) then
            drop_idle(ticker)
        end
        if now() - since > SHIFT and (ngx.timer.at(0, run, ticker, turn)) ~= nil then
            return
        end
        ngx.sleep(ticker.interval)
    end
end

--- Sees to it that a hub with readers is ticking.
---@param ticker resty.etcd.shared_log.poll_timer.Ticker
---@param hub resty.etcd.shared_log.coordinator.Coordinator
local function ensure(ticker, hub)
    local time = now()
    local is_running = ticker.is_running and time - ticker.ticked < LOST
    if is_running and hub.is_ticking or hub.reader_count == 0 or ngx.worker.exiting() then
        return
    end
    if not hub.is_ticking then
        hub.is_ticking = true
        local all = ticker.hubs
        all[#all + 1] = hub
    end
    if not is_running then
        ticker.turn = ticker.turn + 1
        ticker.ticked = time
        local ok = timers.at(0, run, ticker, ticker.turn)
        ticker.is_running = ok ~= nil
        hub.is_alone = ok == nil and hub.log == nil
    end
end
_M.new = create
_M.ensure = ensure

return _M
