-- Generated from src/resty/etcd/shared_log/registry.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local dict_values = require("resty.etcd.base.dict_values")
local cleanup = require("resty.etcd.shared_log.cleanup")
local logs = require("resty.etcd.shared_log.log")
local min = math.min
local now = clock.now

--- Version of the keys, which is a part of them.
local PREFIX = "etcd logs 1|"

--- Maximum number of slots: the number in the dict can be that of another program.
local MAX_SLOTS = 1000

--- Maximum bytes of a namespace, and what it looks like, see open.
local MAX_NAMESPACE = 128
local NAMESPACE = "^.*|$"

--- Seconds that a time of another worker can be later than now: a worker can be interrupted between two operations.
local CLOCK_TOLERANCE = 1

--- Seconds between two notes that a log is used.
local NOTE_INTERVAL = 5

--- Seconds without a note after which a log is removed: reloads and restarts of mirrors take less.
local UNUSED_AFTER = 60

--- Seconds between two searches for logs that are not used, of all workers.
local SEARCH_INTERVAL = 10

--- Seconds after the last search after which the next one removes nothing: all workers were stopped, for example by a
-- freezer of containers, and have not noted yet which logs they use. Less than UNUSED_AFTER.
local MAX_SEARCH_DELAY = 30

local function slot_key(slot)
    return PREFIX .. tostring(slot)
end

local function used_key(namespace)
    return namespace .. "used"
end

--- Returns a time of the clock of all workers; nil if it is missing, or later than now.
---@param dict table
---@param key string
---@return number?
local function get_time(dict, key)
    return dict_values.get_time(
        dict,
        key,
        now(),
        CLOCK_TOLERANCE
    )
end

--- Returns the highest slot that was ever used.
---@param dict table
---@return number
local function last_slot(dict)
    return min(
        dict_values.get_integer(dict, PREFIX .. "slots") or 0,
        MAX_SLOTS
    )
end

--- Returns the namespace of a log in a slot; nil if there is none: its keys are removed, so no other text is one.
---@param dict table
---@param slot number
---@return string?
local function namespace_in(dict, slot)
    local namespace = string.match(
        dict_values.get_line(
            dict,
            slot_key(slot),
            MAX_NAMESPACE
        ) or "",
        NAMESPACE
    )
    return namespace
end

--- Raises the number of the highest slot. Another program can have put something else there.
---@param dict table
---@param last number
---@param slot number
local function note_slot(dict, last, slot)
    local key = PREFIX .. "slots"
    dict:safe_add(key, 0)
    if dict_values.get_integer(dict, key) == nil then
        dict:safe_set(key, slot)
        return
    end
    for _ = last + 1, slot do
        dict_values.increment(dict, key, 1)
    end
end

--- Puts a log into the first free slot, unless it has one.
---@param dict table
---@param namespace string
---@return boolean # false if the dict has no room for it
local function register(dict, namespace)
    local last = last_slot(dict)
    for slot = 1, last do
        if namespace_in(dict, slot) == namespace then
            return true
        end
    end
    for slot = 1, MAX_SLOTS do
        local ok, err = dict:safe_add(
            slot_key(slot),
            namespace
        )
        if ok then
            note_slot(dict, last, slot)
            return true
        end
        if err ~= "exists" then
            return false
        end
    end
    return false
end

--- Notes that a worker has readers of a log.
---@param dict table
---@param namespace string
local function note_used(dict, namespace)
    local key = used_key(namespace)
    local used_at = get_time(dict, key)
    if used_at == nil then
        if register(dict, namespace) then
            dict:safe_set(
                key,
                now()
            )
        end
    elseif now() - used_at >= NOTE_INTERVAL then
        dict:safe_set(
            key,
            now()
        )
    end
end

--- Removes the log of a namespace. Who comes meanwhile finds no current log, and creates another one.
---@param dict table
---@param namespace string
---@param slot number
local function remove(dict, namespace, slot)
    local log = logs.current(dict, namespace)
    logs.forget_current(dict, namespace)
    dict:delete(slot_key(slot))
    dict:delete(used_key(namespace))
    if log ~= nil then
        cleanup.remove_log(log)
    end
    ngx.log(ngx.NOTICE, "shared watch log: removed a log that no worker has used for ", UNUSED_AFTER, " s")
end

--- Reports whether it is time for a search, which then is this worker's.
---@param dict table
---@return boolean
local function try_start_search(dict)
    local key = PREFIX .. "searched"
    local searched_at = get_time(dict, key)
    if searched_at == nil then
        dict:safe_set(
            key,
            now()
        )
        return false
    end
    local seconds = now() - searched_at
    if seconds < SEARCH_INTERVAL then
        return false
    end
    dict:safe_set(
        key,
        now()
    )
    return seconds < MAX_SEARCH_DELAY
end

--- Removes the logs in the dict that are not used.
---@param dict table
local function remove_unused(dict)
    if not try_start_search(dict) then
        return
    end
    for slot = 1, last_slot(dict) do
        local namespace = namespace_in(dict, slot)
        if namespace ~= nil then
            local used_at = get_time(
                dict,
                used_key(namespace)
            )
            if used_at == nil then
                dict:safe_set(
                    used_key(namespace),
                    now()
                )
            elseif now() - used_at > UNUSED_AFTER then
                remove(dict, namespace, slot)
            end
        end
    end
end
_M.note_used = note_used
_M.remove_unused = remove_unused

return _M
