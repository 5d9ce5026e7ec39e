-- Generated from src/resty/etcd/metrics/prometheus.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")
local call_metrics = require("resty.etcd.metrics.call_metrics")
local buckets = call_metrics.buckets
local concat = table.concat
local format = string.format

--- Maximum bytes of the value of a label: every line of the output repeats it.
local MAX_LABEL = 1024

--- Returns names in sorted order, so that the output is stable.
---@param of table
---@return string[]
local function sorted_names(of)
    local names = {}
    for name in pairs(of) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- Checks labels that the caller gave.
---@param labels any
---@return string?
local function check_labels(labels)
    if labels == nil then
        return nil
    end
    if type(labels) ~= "table" then
        return "labels must be table"
    end
    for name, value in pairs(labels) do
        local is_name = string.match(
            tostring(name),
            "^[%a_][%w_]*$"
        )
        if is_name == nil or name == "rpc" or name == "outcome" or name == "le" then
            return "labels: invalid name: " .. tostring(name)
        end
        if type(value) ~= "string" and type(value) ~= "number" then
            return "labels: " .. name .. " must be string or number"
        end
    end
    return nil
end

--- Formats the labels that every line begins with.
---@param labels table<string, string|number>
---@return string
local function format_labels(labels)
    local parts = {}
    for ____, name in ipairs(sorted_names(labels)) do
        local text = string.sub(
            tostring(labels[name]),
            1,
            MAX_LABEL
        )
        local escaped = string.gsub(text, "[\\\"]", "\\%0")
        local value = string.gsub(escaped, "\n", "\\n")
        parts[#parts + 1] = name .. "=\"" .. printable.of(value, #value) .. "\","
    end
    return concat(parts)
end

local function call_lines(lines, labels, row)
    for ____, outcome in ipairs(sorted_names(row.outcomes)) do
        lines[#lines + 1] = format(
            "resty_etcd_calls_total{%s,outcome=\"%s\"} %d",
            labels,
            printable.key(outcome),
            row.outcomes[outcome]
        )
    end
end

local function retry_line(lines, labels, row)
    lines[#lines + 1] = format("resty_etcd_retries_total{%s} %d", labels, row.retries)
end

local function sent_line(lines, labels, row)
    lines[#lines + 1] = format("resty_etcd_sent_bytes_total{%s} %d", labels, row.sent)
end

local function received_line(lines, labels, row)
    lines[#lines + 1] = format("resty_etcd_received_bytes_total{%s} %d", labels, row.received)
end

local function seconds_lines(lines, labels, row)
    local all = 0
    for ____, n in pairs(row.outcomes) do
        all = all + n
    end
    for i = 1, #buckets do
        local le = printable.of(buckets[i])
        lines[#lines + 1] = format("resty_etcd_call_seconds_bucket{%s,le=\"%s\"} %d", labels, le, row.within[i])
    end
    lines[#lines + 1] = format("resty_etcd_call_seconds_bucket{%s,le=\"+Inf\"} %d", labels, all)
    lines[#lines + 1] = format("resty_etcd_call_seconds_sum{%s} %.6f", labels, row.seconds)
    lines[#lines + 1] = format("resty_etcd_call_seconds_count{%s} %d", labels, all)
end

--- Formats counters in the text format of Prometheus.
---@param stats table<string, resty.etcd.metrics.call_metrics.RpcStats>
---@param labels table<string, string|number>
---@return string
local function format_stats(stats, labels)
    local lines = {}
    local constant = format_labels(labels)
    local rpcs = sorted_names(stats)
    local function add_metric(name, kind, help, line)
        lines[#lines + 1] = "# HELP resty_etcd_" .. name .. " " .. help
        lines[#lines + 1] = "# TYPE resty_etcd_" .. name .. " " .. kind
        for ____, rpc in ipairs(rpcs) do
            line(
                lines,
                constant .. "rpc=\"" .. printable.key(rpc) .. "\"",
                stats[rpc]
            )
        end
    end
    add_metric("calls_total", "counter", "Finished calls.", call_lines)
    add_metric("retries_total", "counter", "Attempts after the first.", retry_line)
    add_metric("sent_bytes_total", "counter", "Bytes of request bodies.", sent_line)
    add_metric("received_bytes_total", "counter", "Bytes of response bodies.", received_line)
    add_metric("call_seconds", "histogram", "Duration of calls in seconds.", seconds_lines)
    lines[#lines + 1] = ""
    return concat(lines, "\n")
end
_M.check_labels = check_labels
_M.format_stats = format_stats

return _M
