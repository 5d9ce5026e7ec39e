-- Generated from src/resty/etcd/mirror/status.ts by TypeScriptToLua. Do not edit.
local _M = {}
local lookups = require("resty.etcd.mirror.lookups")

--- Everything at a glance.
---@class resty.etcd.mirror.status.Status
---@field status "closed"|"starting"|"ready"|"retrying" "starting", "ready", "retrying" while etcd cannot be followed, "closed".
---@field ready boolean
---@field revision number
---@field version number
---@field count number
---@field age number
---@field invalid number Items that are not taken in.
---@field pending_changes number Changes that wait for functions given to `on_change`.
---@field prefix string
---@field mode string
---@field err string? Why etcd cannot be followed.

--- Items that etcd has and that are not taken in, by their keys.
---@param self resty.etcd.mirror.types.State
---@return table<string, resty.etcd.mirror.types.Invalid>
local function invalid(self)
    local copy = {}
    for key, item in pairs(self.invalid_items) do
        copy[key] = item
    end
    return copy
end

--- Why etcd cannot be followed; nil if nothing is known to be wrong.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(state)
    local ____state_0 = state
    local failure = ____state_0.last_error
    local feed = ____state_0.feed
    if failure ~= nil or feed == nil or feed.current_error == nil then
        return failure
    end
    return feed:current_error()
end

--- How the mirror is.
---@param self resty.etcd.mirror.types.State
---@return resty.etcd.mirror.status.Status
local function state_of(self)
    local bad = 0
    for _ in pairs(self.invalid_items) do
        bad = bad + 1
    end
    local trouble = current_error(self)
    local status = self.miss_reason ~= nil and "starting" or "ready"
    if self.is_closed then
        status = "closed"
    elseif trouble ~= nil then
        status = "retrying"
    end
    local err = trouble and trouble.message
    return {
        status = status,
        ready = self.miss_reason == nil,
        revision = self.at_revision,
        version = self.data_version,
        count = self.key_count,
        age = lookups.age(self),
        invalid = bad,
        pending_changes = self.pending_count,
        prefix = self.dir,
        mode = self.opts.mode or "worker",
        err = err
    }
end

--- What has happened so far; not to be written to.
---@param self resty.etcd.mirror.types.State
---@return resty.etcd.mirror.types.Counters
local function stats(self)
    return self.counters
end
_M.invalid = invalid
_M.state_of = state_of
_M.stats = stats
_M.current_error = current_error

return _M
