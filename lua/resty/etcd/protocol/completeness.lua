-- Generated from src/resty/etcd/protocol/completeness.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")

--- Reports whether a revision or a version is present: they count from 1, and are exact as numbers.
---@param text string?
---@return boolean
local function is_counted(text)
    return (int64.to_number(text) or 0) >= 1
end

--- Reports whether a kv has its key. etcd has no empty key.
---@param kv table
---@return boolean
local function has_key(kv)
    return kv.key ~= nil and kv.key ~= ""
end

--- Reports whether a kv has its key, its revisions and its version.
---@param kv table
---@return boolean
local function is_complete_kv(kv)
    return has_key(kv) and is_counted(kv.mod_revision) and is_counted(kv.create_revision) and is_counted(kv.version)
end

--- Reports whether an event has what its type requires: a deletion only its key and `mod_revision`.
---@param event table
---@return boolean
local function is_complete_event(event)
    local kv = event.kv
    local prev_kv = event.prev_kv
    if kv == nil or prev_kv ~= nil and not is_complete_kv(prev_kv) then
        return false
    end
    local ____temp_0
    if event.type == "DELETE" then
        ____temp_0 = has_key(kv) and is_counted(kv.mod_revision)
    else
        ____temp_0 = is_complete_kv(kv)
    end
    return ____temp_0
end

--- Checks what etcd has answered to the read of a single key.
---@param kv table? nil if the key does not exist
---@param key string
---@param endpoint string? that has answered
---@return resty.etcd.protocol.errors.EtcdError? # an error if the kv is incomplete, or that of another key
local function check_read(kv, key, endpoint)
    if kv == nil or is_complete_kv(kv) and kv.key == key then
        return nil
    end
    local text = "malformed reply: not the key-value pair that was requested, or one without revision or version"
    return errors.local_error("bad_reply", text, endpoint)
end
_M.check_read = check_read
_M.has_key = has_key
_M.is_complete_event = is_complete_event
_M.is_complete_kv = is_complete_kv
_M.is_counted = is_counted

return _M
