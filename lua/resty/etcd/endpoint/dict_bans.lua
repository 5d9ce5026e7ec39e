-- Generated from src/resty/etcd/endpoint/dict_bans.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local dict_values = require("resty.etcd.base.dict_values")
local now = clock.now
local max = math.max

--- Prefix of the key that exists during a ban. The key of the number of failures is the host.
local UNHEALTHY = "unhealthy-"

--- Prefix of the end of a key, which is stored as text: by the monotonic clock, and by `ngx.now`.
local END = "resty.etcd|end|"

--- Seconds by which the end of a key outlasts the key: the wall clock can be set forward.
local EXTRA_EXPIRY = 86400

--- Maximum bytes of the text of an end: two times.
local MAX_END_LENGTH = 64

--- Largest difference in seconds between two ways to compute an expiry time: shared dicts round to milliseconds.
local MAX_ROUNDING = 0.01

--- The end of a key that this driver has set.
---@class resty.etcd.endpoint.dict_bans.End
---@field monotonic number
---@field wall number

local function set_end(dict, key, seconds)
    local text = string.format(
        "%.3f %.3f",
        now() + seconds,
        ngx.now() + seconds
    )
    dict:safe_set(END .. key, text, seconds + EXTRA_EXPIRY)
end

local function end_of(dict, key)
    local text = dict_values.get_line(dict, END .. key, MAX_END_LENGTH)
    local monotonic, wall = string.match(text or "", "^(%d+%.%d%d%d) (%d+%.%d%d%d)$")
    if monotonic == nil then
        return nil
    end
    return {
        monotonic = tonumber(monotonic),
        wall = tonumber(wall)
    }
end

--- Reports whether a key exists after its end, because the wall clock was set back. False for keys of other programs.
---@param dict table
---@param key string
---@param end resty.etcd.endpoint.dict_bans.End
---@return boolean
local function is_overdue(dict, key, ____end)
    if ____end.monotonic > now() then
        return false
    end
    local seconds = dict:ttl(key)
    return seconds ~= nil and math.abs(ngx.now() + seconds - ____end.wall) < MAX_ROUNDING
end

--- Reports whether an endpoint is banned.
---@param dict table
---@param host string
---@return boolean
local function is_banned(dict, host)
    local key = UNHEALTHY .. host
    local has_flag = dict_values.has(dict, key)
    local ____end = end_of(dict, key)
    if ____end == nil then
        return has_flag
    end
    if not has_flag then
        return ____end.monotonic > now() and ____end.wall <= ngx.now()
    end
    if is_overdue(dict, key, ____end) then
        dict:delete(key)
        return false
    end
    return true
end

--- Counts a failure.
---@param dict table
---@param host string
---@param seconds number time window in which failures are counted together; 0 has no end
---@return number? res # the number of failures in the time window; or nil and an error text
---@return string? err
local function count_failure(dict, host, seconds)
    local ____end = end_of(dict, host)
    if ____end ~= nil and is_overdue(dict, host, ____end) then
        dict:delete(host)
    end
    if dict_values.has(dict, host) and dict_values.get_number(dict, host) == nil then
        dict:delete(host)
    end
    dict:safe_add(host, 0, seconds)
    local fails = dict_values.increment(dict, host, 1)
    if fails == nil then
        return nil, "no memory"
    end
    if fails == 1 and seconds > 0 then
        set_end(dict, host, seconds)
    end
    return fails
end

--- Bans an endpoint for some seconds.
---@param dict table
---@param host string
---@param seconds number
---@return boolean # true unless it is banned already
local function ban(dict, host, seconds)
    if is_banned(dict, host) then
        return false
    end
    local key = UNHEALTHY .. host
    local duration = max(seconds, 0.001)
    set_end(dict, key, duration)
    local added = dict:safe_add(key, 1, duration)
    return added
end
_M.ban = ban
_M.count_failure = count_failure
_M.is_banned = is_banned

return _M
