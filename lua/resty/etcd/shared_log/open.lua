-- Generated from src/resty/etcd/shared_log/open.ts by TypeScriptToLua. Do not edit.
local _M = {}
local phase = require("resty.etcd.base.phase")
local errors = require("resty.etcd.protocol.errors")
local log_feed = require("resty.etcd.shared_log.log_feed")
local poll_timers = require("resty.etcd.shared_log.poll_timer")

--- Version of the keys and values in the dict. It is part of each key, so that versions can share a dict in a reload.
local LAYOUT = 1

--- Seconds between two polls of the head of the log: the latency that the log adds at most.
local POLL_INTERVAL = 0.005

--- Seconds before an abandoned log is replaced.
local RETRY_AFTER = 60

--- Polls all logs of this worker.
local poll_timer = poll_timers.new(POLL_INTERVAL)

--- By dict and by key prefix. Those of closed mirrors are collected as garbage: feeds and the poll timer hold the others.
local coordinators = {}

--- Opens a feed for this worker from a log in a shared dict, which one worker writes for all workers of the nginx.
---@param dict table
---@param identity string names the content of the log: the same for all workers that share it, and for no others
---@param range_key string first key of the range, for log lines
---@param open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError? opens a feed straight from etcd: for the worker that writes, and for all workers if the log fails
---@return resty.etcd.watch.feed.Feed? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function open(dict, identity, range_key, open_source)
    if phase.is_init() then
        return nil, errors.local_error("not_in_phase", "shared watch log: not available in init: no worker is running yet")
    end
    local namespace = "etcd log " .. tostring(LAYOUT) .. "|" .. string.sub(
        ngx.md5(identity),
        1,
        20
    ) .. "|"
    local of_dict = coordinators[dict]
    if of_dict == nil then
        of_dict = setmetatable({}, {__mode = "v"})
        coordinators[dict] = of_dict
    end
    local coordinator = of_dict[namespace]
    if coordinator == nil then
        coordinator = log_feed.new_coordinator(
            dict,
            namespace,
            range_key,
            open_source,
            RETRY_AFTER
        )
        of_dict[namespace] = coordinator
    end
    return log_feed.attach(poll_timer, coordinator)
end
_M.open = open

return _M
