-- Generated from src/resty/etcd/mirror/apply.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local rebuild = require("resty.etcd.mirror.rebuild")
local indexes = require("resty.etcd.mirror.indexes")
local decode = require("resty.etcd.mirror.decode")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")
local table_new = require("table.new")
local sub = string.sub

--- Up to so many events are taken in as they are, in less than 10 ms; for more of them the tables are made anew.
local FEW = 128

--- Keys that wait to be put in order, and that nobody has asked for.
local MANY_ADDED = 4096

--- What an event comes to: a new value, an item that is not taken in, or else a deletion.
---@class resty.etcd.mirror.apply.Step
---@field key string
---@field kv resty.etcd.mirror.types.Kv?
---@field invalid resty.etcd.mirror.types.Invalid?

--- The user's functions are run, nothing is changed yet.
---@param state resty.etcd.mirror.types.State
---@param events resty.etcd.protocol.message.RawEvent[]
---@param found table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.mirror.apply.Step[]
local function prepare(state, events, found, slice)
    local steps = {}
    for ____, event in ipairs(events) do
        time_slice.yield_if_due(slice)
        local raw = event.kv
        local key = sub(raw.key, state.prefix_length + 1)
        if event.type == "DELETE" then
            steps[#steps + 1] = {key = key, kv = nil, invalid = nil}
        else
            local kv, err = decode.make(state, raw, key)
            if kv == nil then
                steps[#steps + 1] = {
                    key = key,
                    kv = nil,
                    invalid = decode.reject(state, raw, key, err)
                }
            else
                rebuild.ask_indexes(state, kv, found)
                steps[#steps + 1] = {key = key, kv = kv, invalid = nil}
            end
        end
    end
    return steps
end

--- Changes the tables in one go; returns what was really changed.
---@param state resty.etcd.mirror.types.State
---@param steps resty.etcd.mirror.apply.Step[]
---@param found table
---@return resty.etcd.mirror.types.Change[]
local function commit(state, steps, found)
    local changes = {}
    local ____state_0 = state
    local kvs = ____state_0.kvs
    local added = ____state_0.unsorted_keys
    for ____, step in ipairs(steps) do
        local key = step.key
        local kv = step.kv
        if step.invalid ~= nil then
            state.invalid_items[key] = step.invalid
        else
            local old = kvs[key]
            state.invalid_items[key] = nil
            if kv ~= nil then
                kvs[key] = kv
                if old == nil then
                    state.key_count = state.key_count + 1
                    added[#added + 1] = key
                end
                changes[#changes + 1] = {type = "PUT", key = key, kv = kv, old = old}
            elseif old ~= nil then
                kvs[key] = nil
                state.key_count = state.key_count - 1
                state.has_deleted_keys = true
                changes[#changes + 1] = {type = "DELETE", key = key, old = old}
            end
            for name, index in pairs(state.indexes) do
                indexes.update(index, key, found[name][key])
            end
        end
    end
    if #changes > 0 then
        rebuild.forget_lists(state)
    end
    return changes
end

--- The same for many events of one revision: the tables are made anew, and taken into use at once.
---@param state resty.etcd.mirror.types.State
---@param steps resty.etcd.mirror.apply.Step[]
---@param found table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.mirror.types.Change[]?
local function commit_many(state, steps, found, slice)
    local made = rebuild.create(state.key_count)
    local changes = {}
    local by_key = table_new(0, #steps)
    local added = made.unsorted_keys
    local kvs = state.kvs
    for key, item in pairs(state.invalid_items) do
        made.invalid_items[key] = item
    end
    for ____, step in ipairs(steps) do
        time_slice.yield_if_due(slice)
        local key = step.key
        by_key[key] = step
        if step.invalid ~= nil then
            made.invalid_items[key] = step.invalid
        else
            made.invalid_items[key] = nil
        end
        if step.kv ~= nil and kvs[key] == nil then
            added[#added + 1] = key
            made.kvs[key] = step.kv
            changes[#changes + 1] = {type = "PUT", key = key, kv = step.kv}
        end
    end
    sorted_keys.sort_pending(state)
    for ____, key in ipairs(state.sorted) do
        time_slice.yield_if_due(slice)
        local old = kvs[key]
        local step = by_key[key]
        if step == nil or step.invalid ~= nil then
            rebuild.keep(made, key, old)
        elseif step.kv ~= nil then
            rebuild.keep(made, key, step.kv)
            changes[#changes + 1] = {type = "PUT", key = key, kv = step.kv, old = old}
        else
            changes[#changes + 1] = gc_barrier.mark_now({type = "DELETE", key = key, old = old})
        end
    end
    return rebuild.swap_in(state, made, found, slice) and changes or nil
end

--- Takes in what one revision has changed.
---@param state resty.etcd.mirror.types.State
---@param events resty.etcd.protocol.message.RawEvent[]
---@return resty.etcd.mirror.types.Change[]? # what is different now, for readers; all of it is visible. nil if the mirror was closed meanwhile
local function take_events(state, events)
    local slice = time_slice.start()
    local found = rebuild.new_index_values(state, #events)
    local steps = prepare(state, events, found, slice)
    if #steps > FEW then
        return commit_many(state, steps, found, slice)
    end
    if state.is_closed then
        return nil
    end
    local changes = commit(state, steps, found)
    if #state.unsorted_keys > MANY_ADDED then
        sorted_keys.sort_pending(state)
    end
    return changes
end

--- What is held of a key, taken in or not, is what etcd has.
---@param raw resty.etcd.protocol.message.RawKv
---@param held table?
---@return boolean
local function is_same(raw, held)
    return held ~= nil and held.mod_revision == raw.mod_revision and held.create_revision == raw.create_revision
end

--- Takes in a full state: what has not changed is left as it is.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@param is_other boolean etcd's history is another one, so that equal revisions say nothing
---@return resty.etcd.mirror.types.Change[]? # what is different now, for readers; all of it is visible. Nothing for the very first state: see `all_new`. nil if the mirror was closed meanwhile
local function take_full(state, batch, is_other)
    local slice = time_slice.yield_and_start()
    local full = batch.full
    local kvs = state.kvs
    local made = rebuild.create(#full)
    local is_first = state.data_version == 0
    local changes = {}
    local found = rebuild.new_index_values(state, (is_first or is_other) and #full or 0)
    for ____, raw in ipairs(full) do
        time_slice.yield_if_due(slice)
        local key = sub(raw.key, state.prefix_length + 1)
        local held = kvs[key]
        local bad = state.invalid_items[key]
        if not is_other and is_same(raw, bad or held) then
            if bad ~= nil then
                made.invalid_items[key] = bad
            end
            if held ~= nil then
                rebuild.keep(made, key, held)
            end
        else
            local kv, err = decode.make(state, raw, key)
            if kv ~= nil then
                rebuild.ask_indexes(state, kv, found)
                rebuild.keep(made, key, kv)
                if not is_first then
                    changes[#changes + 1] = gc_barrier.mark_now({type = "PUT", key = key, kv = kv, old = held})
                end
            else
                made.invalid_items[key] = decode.reject(state, raw, key, err)
                if held ~= nil and (is_other or held.create_revision == raw.create_revision) then
                    rebuild.keep(made, key, held)
                end
            end
        end
    end
    sorted_keys.sort_pending(state)
    for ____, key in ipairs(state.sorted) do
        time_slice.yield_if_due(slice)
        if made.kvs[key] == nil then
            changes[#changes + 1] = gc_barrier.mark_now({type = "DELETE", key = key, old = kvs[key]})
        end
    end
    if #changes == 0 and not is_first then
        if state.is_closed then
            return nil
        end
        state.invalid_items = made.invalid_items
        return changes
    end
    return rebuild.swap_in(state, made, found, slice) and changes or nil
end

--- The first state as changes, for those who want to hear of it: a list as long as that is not made for nobody.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Change[]
local function all_new(state)
    local slice = time_slice.start()
    local changes = {}
    sorted_keys.sort_pending(state)
    for ____, key in ipairs(state.sorted) do
        time_slice.yield_if_due(slice)
        changes[#changes + 1] = gc_barrier.mark_now({type = "PUT", key = key, kv = state.kvs[key]})
    end
    return changes
end
_M.all_new = all_new
_M.take_events = take_events
_M.take_full = take_full

return _M
