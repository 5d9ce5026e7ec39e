-- Generated from src/resty/etcd/mirror/status.ts by TypeScriptToLua. Do not edit.
local _M = {}
local timer_loop = require("resty.etcd.base.timer_loop")
local errors = require("resty.etcd.protocol.errors")
local lookups = require("resty.etcd.mirror.lookups")

--- The state of a mirror, for status pages.
---@class resty.etcd.mirror.status.Status
---@field status "closed"|"ready"|"starting"|"retrying" "starting" before the first full state, "ready", "retrying" while etcd cannot be followed, "closed".
---@field ready boolean
---@field revision number
---@field version number
---@field count number Number of keys.
---@field age number Seconds since the last response from etcd.
---@field invalid number Number of invalid items.
---@field pending_changes number Changes that the callbacks of `on_change` have not received yet.
---@field prefix string
---@field mode string
---@field err string? Why etcd cannot be followed.

--- Numbers since the mirror was created.
---@class resty.etcd.mirror.status.Stats: resty.etcd.mirror.types.LoopCounters
---@field invalid number Items that `decode`, `validate` or `transform` rejected.
---@field callback_errors number Errors that callbacks of `on_change` have thrown.
---@field coalesced number Times that changes which waited for a callback were merged into one difference.
---@field index_errors number Errors that index functions have thrown.

--- Returns the invalid items by key.
---@param self resty.etcd.mirror.types.State
---@return table<string, resty.etcd.mirror.types.Invalid>
local function invalid(self)
    local copy = {}
    for key, item in pairs(self.store.invalid_items) do
        copy[key] = item
    end
    return copy
end

--- Returns why etcd cannot be followed; nil if no error is known.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(state)
    local ____state_loop_0 = state.loop
    local last_error = ____state_loop_0.last_error
    local feed = ____state_loop_0.feed
    local ____last_error_4 = last_error
    if ____last_error_4 == nil then
        local ____temp_3
        if (feed and feed.current_error) ~= nil then
            ____temp_3 = feed:current_error()
        else
            ____temp_3 = nil
        end
        ____last_error_4 = ____temp_3
    end
    local known = ____last_error_4
    return known or errors.of_timer(timer_loop.problem(state.loop.timer))
end

local function state_of(self)
    local store = self.store
    local invalid_count = 0
    for _ in pairs(store.invalid_items) do
        invalid_count = invalid_count + 1
    end
    local err = current_error(self)
    local ready = store.is_ready
    local status = ready and "ready" or "starting"
    if self.loop.is_closed then
        status = "closed"
    elseif err ~= nil then
        status = "retrying"
    end
    local message = err ~= nil and errors.to_text_with_hint(err) or nil
    return {
        status = status,
        ready = ready,
        revision = store.revision,
        version = store.version,
        count = store.key_count,
        age = lookups.age(self),
        invalid = invalid_count,
        pending_changes = self.notifications.pending_count,
        prefix = self.dir,
        mode = self.mode,
        err = message
    }
end

local function stats(self)
    local ____self_loop_counters_5 = self.loop.counters
    local batches = ____self_loop_counters_5.batches
    local puts = ____self_loop_counters_5.puts
    local deletes = ____self_loop_counters_5.deletes
    local full = ____self_loop_counters_5.full
    local failures = ____self_loop_counters_5.failures
    local full_states = {}
    for reason, count in pairs(full) do
        full_states[reason] = count
    end
    return {
        batches = batches,
        puts = puts,
        deletes = deletes,
        full = full_states,
        failures = failures,
        invalid = self.decoder.rejected_count,
        callback_errors = self.notifications.error_count,
        coalesced = self.notifications.coalesced_count,
        index_errors = self.indexes.error_count
    }
end
_M.invalid = invalid
_M.state_of = state_of
_M.stats = stats
_M.current_error = current_error

return _M
