-- Generated from src/resty/etcd/mirror/apply.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local decode = require("resty.etcd.mirror.decode")
local indexes = require("resty.etcd.mirror.indexes")
local lists = require("resty.etcd.mirror.lists")
local rebuild = require("resty.etcd.mirror.rebuild")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")
local stores = require("resty.etcd.mirror.store")
local table_new = require("table.new")

--- Events that are applied to the tables in use, in less than 10 ms; for more of them new tables are built.
local MAX_IN_PLACE = 128

--- Unsorted keys after which they are sorted in, even if no list is asked for.
local MAX_UNSORTED = 4096

--- The effect of an event: a new kv, an invalid item, or else a deletion.
---@class resty.etcd.mirror.apply.Step
---@field key string
---@field kv resty.etcd.mirror.types.Kv?
---@field invalid resty.etcd.mirror.types.Invalid?

--- Runs the user's functions. It changes nothing, and can yield.
---@param state resty.etcd.mirror.types.State
---@param events resty.etcd.protocol.message.RawEvent[]
---@param new_values table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.mirror.apply.Step[]
local function prepare(state, events, new_values, slice)
    local decoder = state.decoder
    local steps = {}
    for ____, event in ipairs(events) do
        time_slice.yield_if_due(slice)
        local raw = event.kv
        local key = decode.key_of(decoder, raw)
        if event.type == "DELETE" then
            steps[#steps + 1] = {key = key, kv = nil, invalid = nil}
        else
            local kv, err = decode.make(decoder, raw, key)
            if kv == nil then
                steps[#steps + 1] = {
                    key = key,
                    kv = nil,
                    invalid = decode.reject(decoder, raw, key, err)
                }
            else
                indexes.compute_values(state.indexes, kv, new_values)
                steps[#steps + 1] = {key = key, kv = kv, invalid = nil}
            end
        end
    end
    return steps
end

--- Changes the tables in use, without yielding.
---@param state resty.etcd.mirror.types.State
---@param steps resty.etcd.mirror.apply.Step[]
---@param new_values table
---@return resty.etcd.mirror.types.Change[] # the changes of the content
local function commit_in_place(state, steps, new_values)
    local changes = {}
    local store = state.store
    for ____, step in ipairs(steps) do
        local key = step.key
        local kv = step.kv
        local invalid = step.invalid
        if invalid ~= nil then
            stores.set_invalid(store, key, invalid)
        else
            if kv ~= nil then
                changes[#changes + 1] = {
                    type = "PUT",
                    key = key,
                    kv = kv,
                    old = stores.put(store, key, kv)
                }
            else
                local old = stores.remove(store, key)
                if old ~= nil then
                    changes[#changes + 1] = {type = "DELETE", key = key, old = old}
                end
            end
            indexes.update_all(state.indexes, key, new_values)
        end
    end
    if #changes > 0 then
        lists.clear(store.lists)
    end
    return changes
end

--- Builds new tables and swaps them in.
---@param state resty.etcd.mirror.types.State
---@param steps resty.etcd.mirror.apply.Step[]
---@param new_values table
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.mirror.types.Change[]? # the changes of the content; nil if the mirror was closed meanwhile
local function commit_by_rebuild(state, steps, new_values, slice)
    local store = state.store
    local tables = rebuild.new(store.key_count)
    local changes = {}
    local by_key = table_new(0, #steps)
    local unsorted = tables.unsorted
    local kvs = store.kvs
    for key, item in pairs(store.invalid_items) do
        tables.invalid_items[key] = item
    end
    for ____, step in ipairs(steps) do
        time_slice.yield_if_due(slice)
        local key = step.key
        by_key[key] = step
        if step.invalid ~= nil then
            tables.invalid_items[key] = step.invalid
        else
            tables.invalid_items[key] = nil
        end
        if step.kv ~= nil and kvs[key] == nil then
            unsorted[#unsorted + 1] = key
            tables.kvs[key] = step.kv
            changes[#changes + 1] = {type = "PUT", key = key, kv = step.kv}
        end
    end
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        local old = kvs[key]
        local step = by_key[key]
        if step == nil or step.invalid ~= nil then
            rebuild.append(tables, key, old)
        elseif step.kv ~= nil then
            rebuild.append(tables, key, step.kv)
            changes[#changes + 1] = {type = "PUT", key = key, kv = step.kv, old = old}
        else
            changes[#changes + 1] = gc_barrier.mark_now({type = "DELETE", key = key, old = old})
        end
    end
    return rebuild.swap_in(state, tables, new_values, slice) and changes or nil
end

--- Applies the events of one revision.
---@param state resty.etcd.mirror.types.State
---@param events resty.etcd.protocol.message.RawEvent[]
---@return resty.etcd.mirror.types.Change[]? # the changes of the content, all of them visible; nil if the mirror was closed meanwhile
local function apply_events(state, events)
    local slice = time_slice.start()
    local new_values = indexes.new_values(state.indexes, #events)
    local steps = prepare(state, events, new_values, slice)
    if #steps > MAX_IN_PLACE then
        return commit_by_rebuild(state, steps, new_values, slice)
    end
    if state.loop.is_closed then
        return nil
    end
    local changes = commit_in_place(state, steps, new_values)
    if #state.store.order.unsorted > MAX_UNSORTED then
        sorted_keys.sort_pending(state.store)
    end
    return changes
end

--- Reports whether the mirror already has this revision of a key, as a kv or as an invalid item.
---@param raw resty.etcd.protocol.message.RawKv
---@param known table?
---@return boolean
local function is_same(raw, known)
    return known ~= nil and known.mod_revision == raw.mod_revision and known.create_revision == raw.create_revision
end

--- Reports whether a key of a full state cannot be so if the mirror has all changes up to a revision.
---@param state resty.etcd.mirror.types.State
---@param raw resty.etcd.protocol.message.RawKv
---@param until number
---@return boolean
local function is_contradiction(state, raw, ____until)
    local store = state.store
    local key = decode.key_of(state.decoder, raw)
    local item = store.invalid_items[key]
    local known = item or store.kvs[key]
    if known == nil then
        return tonumber(raw.mod_revision) <= ____until
    end
    local version = item == nil and store.kvs[key].version or nil
    if raw.create_revision ~= known.create_revision then
        return tonumber(raw.create_revision) <= ____until
    end
    if raw.mod_revision == known.mod_revision then
        return version ~= nil and version ~= raw.version
    end
    local is_older = version ~= nil and tonumber(raw.version) <= tonumber(version)
    return is_older or tonumber(raw.mod_revision) <= ____until
end

--- Reports whether a full state is of another history than the mirror's content: etcd was restored from a backup, although
--- cluster ID, revision and raft term do not show it.
---@param state resty.etcd.mirror.types.State
---@param full resty.etcd.protocol.message.RawKv[]
---@param until number the mirror has all changes up to this revision; 0 if it has no state
---@return boolean
local function contradicts(state, full, ____until)
    local slice = time_slice.start()
    for ____, raw in ipairs(full) do
        if is_contradiction(state, raw, ____until) then
            return true
        end
        time_slice.yield_if_due(slice)
    end
    return false
end

--- Applies a full state. Kvs of unchanged keys stay the same tables.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@param has_diverged boolean whether etcd's history is another one, so that an equal revision does not mean an equal value
---@return resty.etcd.mirror.types.Change[]? # the changes of the content, all of them visible; empty for the very first state: see `all_as_changes`; nil if the mirror was closed meanwhile
local function apply_full_state(state, batch, has_diverged)
    local slice = time_slice.yield_and_start()
    local full = batch.full
    local ____state_0 = state
    local decoder = ____state_0.decoder
    local store = ____state_0.store
    local kvs = store.kvs
    local tables = rebuild.new(#full)
    local is_first = store.version == 0
    local changes = {}
    local new_values = indexes.new_values(state.indexes, (is_first or has_diverged) and #full or 0)
    for ____, raw in ipairs(full) do
        time_slice.yield_if_due(slice)
        local key = decode.key_of(decoder, raw)
        local old = kvs[key]
        local old_invalid = store.invalid_items[key]
        if not has_diverged and is_same(raw, old_invalid or old) then
            if old_invalid ~= nil then
                tables.invalid_items[key] = old_invalid
            end
            if old ~= nil then
                rebuild.append(tables, key, old)
            end
        else
            local kv, err = decode.make(decoder, raw, key)
            if kv ~= nil then
                indexes.compute_values(state.indexes, kv, new_values)
                rebuild.append(tables, key, kv)
                if not is_first then
                    changes[#changes + 1] = gc_barrier.mark_now({type = "PUT", key = key, kv = kv, old = old})
                end
            else
                tables.invalid_items[key] = decode.reject(decoder, raw, key, err)
                if old ~= nil and (has_diverged or old.create_revision == raw.create_revision) then
                    rebuild.append(tables, key, old)
                end
            end
        end
    end
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        if tables.kvs[key] == nil then
            changes[#changes + 1] = gc_barrier.mark_now({type = "DELETE", key = key, old = kvs[key]})
        end
    end
    if #changes == 0 and not is_first then
        if state.loop.is_closed then
            return nil
        end
        stores.replace_invalid_items(store, tables.invalid_items)
        return changes
    end
    return rebuild.swap_in(state, tables, new_values, slice) and changes or nil
end

--- Returns the first state as changes. Separate, because a mirror without callbacks does not need so long a list.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Change[]
local function all_as_changes(state)
    local slice = time_slice.start()
    local changes = {}
    local store = state.store
    sorted_keys.sort_pending(store)
    for ____, key in ipairs(store.order.sorted) do
        time_slice.yield_if_due(slice)
        changes[#changes + 1] = gc_barrier.mark_now({type = "PUT", key = key, kv = store.kvs[key]})
    end
    return changes
end
_M.all_as_changes = all_as_changes
_M.apply_events = apply_events
_M.apply_full_state = apply_full_state
_M.contradicts = contradicts

return _M
