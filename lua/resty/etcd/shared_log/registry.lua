-- Generated from src/resty/etcd/shared_log/registry.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local cleanup = require("resty.etcd.shared_log.cleanup")
local logs = require("resty.etcd.shared_log.log")
local now = clock.now

--- Version of the keys, which is a part of them.
local PREFIX = "etcd logs 1|"

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

local function get_number(dict, key)
    local value = dict:get(key)
    return value
end

--- Returns the highest slot that was ever used.
---@param dict table
---@return number
local function last_slot(dict)
    return get_number(dict, PREFIX .. "slots") or 0
end

--- Puts a log into the first free slot, unless it has one.
---@param dict table
---@param namespace string
---@return boolean # false if the dict has no room for it
local function register(dict, namespace)
    local last = last_slot(dict)
    for slot = 1, last do
        local value = dict:get(slot_key(slot))
        if value == namespace then
            return true
        end
    end
    local slot = 1
    while true do
        local ok, err = dict:safe_add(
            slot_key(slot),
            namespace
        )
        if ok then
            break
        end
        if err ~= "exists" then
            return false
        end
        slot = slot + 1
    end
    dict:safe_add(PREFIX .. "slots", 0)
    for _ = last + 1, slot do
        dict:incr(PREFIX .. "slots", 1)
    end
    return true
end

--- Notes that a worker has readers of a log.
---@param dict table
---@param namespace string
local function note_used(dict, namespace)
    local key = used_key(namespace)
    local used_at = get_number(dict, key)
    if used_at == nil then
        if register(dict, namespace) then
            dict:safe_add(
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
    local searched_at = get_number(dict, key)
    if searched_at == nil then
        dict:safe_add(
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
        local namespace = dict:get(slot_key(slot))
        if type(namespace) == "string" then
            local used_at = get_number(
                dict,
                used_key(namespace)
            )
            if used_at == nil then
                dict:safe_add(
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
