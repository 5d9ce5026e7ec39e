-- Generated from src/resty/etcd/watcher/watcher.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local guarded_methods = require("resty.etcd.protocol.guarded_methods")
local time_slice = require("resty.etcd.base.time_slice")
local etcd_feed = require("resty.etcd.watch.etcd_feed")
local watcher_batch = require("resty.etcd.watcher.batch")
local known_keys = require("resty.etcd.watcher.known_keys")
local options = require("resty.etcd.watcher.options")
local callback_loop = require("resty.etcd.watcher.callback_loop")
local max = math.max

---@class resty.etcd.watcher.watcher.WatcherStats: resty.etcd.watch.stats.FeedStats
---@field callback_errors number How often `on_batch` raised an error, or terminated its timer.

---@class resty.etcd.watcher.watcher.Fields
---@field feed resty.etcd.watch.etcd_feed.WatchFeed
---@field style resty.etcd.watcher.batch.BatchStyle
---@field known resty.etcd.watcher.known_keys.KnownKeys? Nil without `relist`.
---@field reports_list boolean The user has asked for the first full state.
---@field reports_progress boolean The user has asked for batches without events.
---@field pending_batch resty.etcd.watch.feed.Batch? Batch taken from the feed but not yet returned. Kept here because the light thread that translates it can be killed with its request.
---@field delivered_revision number Everything up to this revision has been returned.
---@field callback_loop resty.etcd.watcher.callback_loop.CallbackLoop? Nil without `on_batch`.
---@field slice resty.etcd.base.time_slice.TimeSlice

--- Delivers the changes of keys, each exactly once, as long as etcd has them.
---@class resty.etcd.watcher.watcher.Watcher: resty.etcd.watcher.watcher.Fields
---@field batches fun(self: resty.etcd.watcher.watcher.Watcher): fun(): resty.etcd.watcher.batch.WatchBatch?, string?, resty.etcd.protocol.errors.EtcdError?
---@field close fun(self: resty.etcd.watcher.watcher.Watcher): true
---@field next fun(self: resty.etcd.watcher.watcher.Watcher, timeout?: number): resty.etcd.watcher.batch.WatchBatch?, string?, resty.etcd.protocol.errors.EtcdError?
---@field revision fun(self: resty.etcd.watcher.watcher.Watcher): number
---@field state fun(self: resty.etcd.watcher.watcher.Watcher): string
---@field stats fun(self: resty.etcd.watcher.watcher.Watcher): resty.etcd.watcher.watcher.WatcherStats

--- Converts a full state for the user; nil if it was only read to know which keys exist.
---@param watcher resty.etcd.watcher.watcher.Fields
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watcher.batch.WatchBatch?
local function translate_full(watcher, batch)
    local known = watcher.known
    local ____until = watcher.delivered_revision
    if known ~= nil and batch.reason ~= "restored" and known_keys.contradicts(known, batch.full, ____until) then
        batch.reason = "restored"
    end
    local revisions = known_keys.revisions_of(known ~= nil and batch.full or ({}))
    local user_batch
    if batch.reason ~= "list" or watcher.reports_list then
        user_batch = watcher_batch.from_full_state(watcher.style, batch, known, revisions)
    end
    if known ~= nil then
        known.revisions = revisions
        known.unknown_before = nil
    end
    return user_batch
end

--- Converts the pending batch for the user; nil if it has nothing to report.
---@param watcher resty.etcd.watcher.watcher.Fields
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watcher.batch.WatchBatch?
local function translate(watcher, batch)
    local known = watcher.known
    local user_batch
    if batch.full ~= nil then
        user_batch = translate_full(watcher, batch)
    else
        user_batch = watcher_batch.from_events(watcher.style, batch)
        if known ~= nil then
            known_keys.apply(known, batch.events)
        end
    end
    watcher.pending_batch = nil
    watcher.delivered_revision = batch.reason == "restored" and batch.revision or max(watcher.delivered_revision, batch.revision)
    local reports_empty = watcher.reports_progress or watcher.reports_list and batch.reason == "list"
    if user_batch ~= nil and #user_batch.events == 0 and not reports_empty then
        return nil
    end
    return user_batch
end

--- Waits for the next batch. One light thread at a time can call it, of any request.
---@param self resty.etcd.watcher.watcher.Watcher
---@param timeout? number seconds; nil waits without a limit
---@return resty.etcd.watcher.batch.WatchBatch? res # the batch; or nil, an error text and the details. `details.name` is `timeout` if no batch came; any other error is final
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function next_batch(self, timeout)
    local problem = checks.check_timeout(timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local deadline = timeout ~= nil and clock.now() + timeout or nil
    while true do
        if self.pending_batch == nil then
            time_slice.yield_if_due(self.slice)
            local since = clock.now()
            local batch, err = self.feed:next(deadline ~= nil and deadline - since or nil)
            time_slice.restart_after_wait(self.slice, since)
            if batch == nil then
                return errors.to_result(err)
            end
            self.pending_batch = batch
        end
        local user_batch = translate(self, self.pending_batch)
        if user_batch ~= nil then
            return user_batch
        end
    end
end

--- Returns an iterator: `for batch in watcher:batches() do`. The loop ends when the watcher ends; `next` returns why.
---@param self resty.etcd.watcher.watcher.Watcher
---@return fun(): resty.etcd.watcher.batch.WatchBatch?, string?, resty.etcd.protocol.errors.EtcdError?
local function batches(self)
    return function() return self:next() end
end

--- Ends the watcher, and frees its connection immediately unless other watchers share it. A waiting `next` returns the error
--- `closed`.
---@param self resty.etcd.watcher.watcher.Watcher
---@return true
local function close(self)
    self.feed:close()
    return true
end

--- Returns the revision up to which everything was delivered. It decreases only if etcd was restored from a backup.
---@param self resty.etcd.watcher.watcher.Watcher
---@return number
local function revision(self)
    if self.pending_batch == nil then
        self.delivered_revision = max(
            self.delivered_revision,
            self.feed:revision()
        )
    end
    return self.delivered_revision
end

--- Returns the counters of the watcher and of the watch that serves it.
---@param self resty.etcd.watcher.watcher.Watcher
---@return resty.etcd.watcher.watcher.WatcherStats
local function stats(self)
    local counters = self.feed:stats()
    local loop = self.callback_loop
    counters.callback_errors = loop ~= nil and loop.errors or 0
    return counters
end

--- Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`.
---@param self resty.etcd.watcher.watcher.Watcher
---@return string
local function state(self)
    return self.feed:state()
end
local methods = {
    batches = batches,
    close = close,
    next = next_batch,
    revision = revision,
    state = state,
    stats = stats
}
local mt = {__index = guarded_methods.new(methods, "feed")}

local function make_style(cli, opts)
    local no_put = false
    local no_delete = false
    for ____, filter in ipairs(options.read_filters(opts.filters) or ({})) do
        no_put = no_put or filter == "NOPUT"
        no_delete = no_delete or filter == "NODELETE"
    end
    local ____temp_1 = #cli.key_prefix
    local ____temp_0
    if opts.raw == true then
        ____temp_0 = nil
    else
        ____temp_0 = cli.serializer
    end
    return {
        prefix_length = ____temp_1,
        serializer = ____temp_0,
        prev_kv = opts.prev_kv == true,
        no_put = no_put,
        no_delete = no_delete
    }
end

--- Watches a key, a prefix or a range. The watcher resumes after errors, without losing or repeating an event.
---@param self resty.etcd.call.client_state.ClientState
---@param key string as in `set`
---@param opts? resty.etcd.watcher.options.WatcherOptions
---@return resty.etcd.watcher.watcher.Watcher? res # the watcher; or nil, an error text and the details. Without `list` and `start_revision` the call first asks etcd for its current revision
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function open(self, key, opts)
    local wanted = opts or ({})
    local problem = options.check(key, wanted)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local feed, err = etcd_feed.open(
        self,
        options.to_feed(self, key, wanted)
    )
    if feed == nil then
        return errors.to_result(err)
    end
    local fields = {
        feed = feed,
        style = make_style(self, wanted),
        known = wanted.relist == true and known_keys.new(feed.from) or nil,
        reports_list = wanted.list == true,
        reports_progress = wanted.progress == true,
        pending_batch = nil,
        delivered_revision = 0,
        callback_loop = nil,
        slice = time_slice.start()
    }
    local watcher = setmetatable(fields, mt)
    if wanted.on_batch ~= nil then
        local push, timer_err = callback_loop.new(watcher, wanted.on_batch)
        if push == nil then
            feed:close()
            return errors.bad_request(timer_err)
        end
        watcher.callback_loop = push
    end
    return watcher
end
_M.open = open

return _M
