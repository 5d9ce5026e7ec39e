-- Generated from src/resty/etcd/watcher/known_keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local table_new = require("table.new")

--- The keys that a watcher knows to exist, to find out later what it has missed.
---@class resty.etcd.watcher.known_keys.KnownKeys
---@field revisions table `mod_revision` by key, as etcd stores it.
---@field unknown_before number? Nothing is known of what was before this revision; nil if all is.

local function create(start_revision)
    return {revisions = {}, unknown_before = start_revision}
end

--- A key of a full state has changed since it was told of.
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
    return before ~= kv.mod_revision
end

--- The keys of a full state.
---@param full resty.etcd.protocol.message.RawKv[]
---@return table
local function revisions_of(full)
    local revisions = table_new(0, #full)
    local slice = time_slice.start()
    for ____, kv in ipairs(full) do
        revisions[kv.key] = kv.mod_revision
        time_slice.yield_if_due(slice)
    end
    return revisions
end

--- Takes note of events.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param events resty.etcd.protocol.message.RawEvent[]
local function note(known, events)
    local slice = time_slice.start()
    for ____, event in ipairs(events) do
        time_slice.yield_if_due(slice)
        if event.type == "PUT" then
            known.revisions[event.kv.key] = event.kv.mod_revision
        else
            known.revisions[event.kv.key] = nil
        end
    end
end
_M.new = create
_M.has_changed = has_changed
_M.note = note
_M.revisions_of = revisions_of

return _M
