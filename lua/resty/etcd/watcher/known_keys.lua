-- Generated from src/resty/etcd/watcher/known_keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local table_new = require("table.new")
local match = string.match

--- The keys that exist according to the events so far, to find the difference to a full state later.
---@class resty.etcd.watcher.known_keys.KnownKeys
---@field revisions table `mod_revision`, `create_revision` and `version` in one text, by key as etcd stores it.
---@field unknown_before number? Keys that were last changed before this revision are not in `revisions`; nil if all keys are.

local function create(start_revision)
    return {revisions = {}, unknown_before = start_revision}
end

local function revisions_of_key(kv)
    return kv.mod_revision .. " " .. kv.create_revision .. " " .. kv.version
end

--- Reports whether a key of a full state has changed since it was delivered.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param kv resty.etcd.protocol.message.RawKv
---@param reason "compacted"|"restored"|"list"|"snapshot"
---@return boolean
local function has_changed(known, kv, reason)
    if reason == "restored" then
        return true
    end
    local before = known.revisions[kv.key]
    if before == nil and known.unknown_before ~= nil then
        return tonumber(kv.mod_revision) >= known.unknown_before
    end
    return before ~= revisions_of_key(kv)
end

--- Reports whether a key of a full state cannot be so if all changes up to a revision were delivered.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param kv resty.etcd.protocol.message.RawKv
---@param until number
---@return boolean
local function is_contradiction(known, kv, ____until)
    local before = known.revisions[kv.key]
    local mod_revision = tonumber(kv.mod_revision)
    if before == nil then
        return mod_revision <= ____until and (known.unknown_before == nil or mod_revision >= known.unknown_before)
    end
    if before == revisions_of_key(kv) then
        return false
    end
    local ____, create_revision, version = match(before, "^(%d+) (%d+) (%d+)$")
    if kv.create_revision == create_revision then
        return mod_revision <= ____until or tonumber(kv.version) <= tonumber(version)
    end
    return tonumber(kv.create_revision) <= ____until
end

--- Reports whether a full state is of another history than the known keys: etcd was restored from a backup, although cluster
--- ID, revision and raft term do not show it.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param full resty.etcd.protocol.message.RawKv[]
---@param until number all changes up to this revision were delivered
---@return boolean
local function contradicts(known, full, ____until)
    local slice = time_slice.start()
    for ____, kv in ipairs(full) do
        if is_contradiction(known, kv, ____until) then
            return true
        end
        time_slice.yield_if_due(slice)
    end
    return false
end

--- Returns the revisions of the keys of a full state.
---@param full resty.etcd.protocol.message.RawKv[]
---@return table
local function revisions_of(full)
    local revisions = table_new(0, #full)
    local slice = time_slice.start()
    for ____, kv in ipairs(full) do
        revisions[kv.key] = revisions_of_key(kv)
        time_slice.yield_if_due(slice)
    end
    return revisions
end

--- Applies events.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param events resty.etcd.protocol.message.RawEvent[]
local function apply(known, events)
    local slice = time_slice.start()
    for ____, event in ipairs(events) do
        time_slice.yield_if_due(slice)
        if event.type == "PUT" then
            known.revisions[event.kv.key] = revisions_of_key(event.kv)
        else
            known.revisions[event.kv.key] = nil
        end
    end
end
_M.apply = apply
_M.contradicts = contradicts
_M.new = create
_M.has_changed = has_changed
_M.revisions_of = revisions_of

return _M
