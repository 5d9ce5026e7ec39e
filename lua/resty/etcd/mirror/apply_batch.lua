-- Generated from src/resty/etcd/mirror/apply_batch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local apply = require("resty.etcd.mirror.apply")
local stores = require("resty.etcd.mirror.store")
local waiters = require("resty.etcd.mirror.waiters")
local max = math.max

--- Reports whether history has diverged. It also has if revisions go backwards: a new feed cannot know.
---@param loop resty.etcd.mirror.types.Loop
---@param batch resty.etcd.watch.feed.Batch
---@return boolean
local function has_diverged(loop, batch)
    return batch.full ~= nil and (batch.reason == "restored" or batch.revision < loop.feed_revision)
end

--- Marks a full state as that of a restore if it contradicts the content.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
local function find_divergence(state, batch)
    local ____batch_0 = batch
    local full = ____batch_0.full
    local ____until = state.loop.feed_revision
    if full ~= nil and ____until > 0 and not has_diverged(state.loop, batch) and apply.contradicts(state, full, ____until) then
        batch.reason = "restored"
    end
end

--- Changes the content. The events up to a confirmed revision cancel each other out: they are skipped.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]?
local function apply_content(state, batch)
    local loop = state.loop
    if batch.full ~= nil then
        return apply.apply_full_state(
            state,
            batch,
            has_diverged(loop, batch)
        )
    end
    if #batch.events > 0 and batch.revision > loop.confirmed_revision then
        return apply.apply_events(state, batch.events)
    end
    return {}
end

--- Notes the revision of a batch whose changes are in the store.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@param has_changed boolean
local function advance(state, batch, has_changed)
    local ____state_1 = state
    local loop = ____state_1.loop
    local store = ____state_1.store
    stores.advance(
        store,
        has_diverged(loop, batch) and batch.revision or max(store.revision, batch.revision),
        has_changed
    )
    loop.feed_revision = batch.revision
    if batch.full ~= nil then
        loop.confirmed_revision = 0
    end
    waiters.wake_all(state.revision_waiters)
end

--- Notes that etcd has confirmed the content for a revision.
---@param state resty.etcd.mirror.types.State
---@param revision number
local function confirm(state, revision)
    stores.advance(state.store, revision, false)
    state.loop.confirmed_revision = revision
    waiters.wake_all(state.revision_waiters)
end

local function count(loop, batch)
    local counters = loop.counters
    counters.batches = counters.batches + 1
    if batch.full ~= nil then
        local reason = batch.reason or "list"
        counters.full[reason] = (counters.full[reason] or 0) + 1
    end
    for ____, event in ipairs(batch.events) do
        if event.type == "PUT" then
            counters.puts = counters.puts + 1
        else
            counters.deletes = counters.deletes + 1
        end
    end
end

local function clear_error(state)
    local loop = state.loop
    if loop.last_error ~= nil then
        loop.last_error = nil
        ngx.log(ngx.NOTICE, state.log.subject, ": follows etcd again")
    end
end

--- Applies a batch. Nothing yields between the change of the store and the end of this function.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]? # the changes of the content; nil if the mirror was closed meanwhile: nothing has changed then
local function apply_batch(state, batch)
    local ____state_2 = state
    local loop = ____state_2.loop
    local store = ____state_2.store
    find_divergence(state, batch)
    local changes = apply_content(state, batch)
    if changes == nil then
        return nil
    end
    count(loop, batch)
    local is_first = batch.full ~= nil and store.version == 0
    advance(state, batch, #changes > 0 or is_first)
    loop.has_received = true
    if batch.reason ~= "snapshot" then
        loop.has_etcd_state = true
        clear_error(state)
    end
    if batch.full ~= nil and not store.is_ready then
        stores.mark_ready(store)
        waiters.wake_all(state.ready_waiters)
    end
    return changes
end
_M.apply_batch = apply_batch
_M.confirm = confirm

return _M
