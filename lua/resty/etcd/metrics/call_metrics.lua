-- Generated from src/resty/etcd/metrics/call_metrics.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")

--- A call that has ended; for a stream, its opening.
---@class resty.etcd.metrics.call_metrics.CallInfo
---@field rpc string Name of the RPC, such as `Range`.
---@field endpoint? string Endpoint of the last attempt; nil if there was none.
---@field ms number Duration in milliseconds, all attempts and waits included.
---@field sent number Bytes of the request body, times the attempts.
---@field received number Bytes of the response bodies.
---@field tries number Number of attempts.
---@field outcome string `ok`, or the name of the error.
---@field err? resty.etcd.protocol.errors.EtcdError Nil for a call that succeeded.

--- Counters of one RPC since the client was created.
---@class resty.etcd.metrics.call_metrics.RpcStats
---@field outcomes table<string, number> Number of calls by outcome: `ok`, or the name of the error.
---@field retries number Attempts after the first.
---@field sent number
---@field received number
---@field seconds number Sum of the durations in seconds.
---@field within number[] Cumulative histogram: for each upper bound in `buckets`, the number of calls that took no longer.

---@class resty.etcd.metrics.call_metrics.Meter
---@field on_call (fun(info: resty.etcd.metrics.call_metrics.CallInfo))?
---@field stats table<string, resty.etcd.metrics.call_metrics.RpcStats>? Nil without `metrics`.
---@field has_logged_error boolean

--- Upper bounds of the histogram in seconds.
local buckets = {
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10
}

local function create(on_call, counts)
    return {on_call = on_call, stats = counts and ({}) or nil, has_logged_error = false}
end

local function new_stats()
    local within = {}
    for ____, _ in ipairs(buckets) do
        within[#within + 1] = 0
    end
    return {
        outcomes = {},
        retries = 0,
        sent = 0,
        received = 0,
        seconds = 0,
        within = within
    }
end

local function count(stats, info)
    local row = stats[info.rpc]
    if row == nil then
        row = new_stats()
        stats[info.rpc] = row
    end
    local seconds = info.ms / 1000
    row.outcomes[info.outcome] = (row.outcomes[info.outcome] or 0) + 1
    row.retries = row.retries + (info.tries > 1 and info.tries - 1 or 0)
    row.sent = row.sent + info.sent
    row.received = row.received + info.received
    row.seconds = row.seconds + seconds
    local within = row.within
    for i = #buckets, 1, -1 do
        if seconds > buckets[i] then
            break
        end
        within[i] = within[i] + 1
    end
end

--- Counts a call that has ended, and passes it to `on_call`.
---@param meter resty.etcd.metrics.call_metrics.Meter
---@param info resty.etcd.metrics.call_metrics.CallInfo
local function record(meter, info)
    if meter.stats ~= nil then
        count(meter.stats, info)
    end
    if meter.on_call ~= nil then
        local ok, err = pcall(meter.on_call, info)
        if not ok and not meter.has_logged_error then
            meter.has_logged_error = true
            ngx.log(
                ngx.WARN,
                "on_call: ",
                printable.of(err)
            )
        end
    end
end

--- Returns the error of a client without counters.
---@return nil res
---@return string err
---@return resty.etcd.protocol.errors.EtcdError details
local function not_counting()
    return errors.bad_request("opts.metrics is not set")
end
_M.buckets = buckets
_M.new = create
_M.not_counting = not_counting
_M.record = record

return _M
