-- Generated from src/resty/etcd/watcher/known_keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local table_new = require("table.new")

--- The keys that exist according to the events so far, to find the difference to a full state later.
---@class resty.etcd.watcher.known_keys.KnownKeys
---@field revisions table `mod_revision` by key, as etcd stores it.
---@field unknown_before number? Keys that were last changed before this revision are not in `revisions`; nil if all keys are.

local function create(start_revision)
    return {revisions = {}, unknown_before = start_revision}
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
    return before ~= kv.mod_revision
end

--- Returns the revisions of the keys of a full state.
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

--- Applies events.
---@param known resty.etcd.watcher.known_keys.KnownKeys
---@param events resty.etcd.protocol.message.RawEvent[]
local function apply(known, events)
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
_M.apply = apply
_M.new = create
_M.has_changed = has_changed
_M.revisions_of = revisions_of

return _M
