-- Generated from src/resty/etcd/watcher/watcher.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")
local etcd_feed = require("resty.etcd.watch.etcd_feed")
local watcher_batch = require("resty.etcd.watcher.batch")
local known_keys = require("resty.etcd.watcher.known_keys")
local options = require("resty.etcd.watcher.options")
local callback_loop = require("resty.etcd.watcher.callback_loop")
local max = math.max

---@class resty.etcd.watcher.watcher.WatcherStats: resty.etcd.watch.stats.FeedStats
---@field callback_errors number Times that `on_batch` threw, or ended its timer.

---@class resty.etcd.watcher.watcher.Fields
---@field feed resty.etcd.watch.etcd_feed.WatchFeed
---@field style resty.etcd.watcher.batch.BatchStyle
---@field known resty.etcd.watcher.known_keys.KnownKeys? Nil where lost revisions end the watcher.
---@field wants_list boolean
---@field wants_progress boolean
---@field pending_batch resty.etcd.watch.feed.Batch? Taken from the feed, but not told yet: whoever works on it may be killed with its request.
---@field last_reported number Everything up to it has been told, and it was said so.
---@field callback_loop resty.etcd.watcher.callback_loop.CallbackLoop? Nil without `on_batch`.
---@field slice resty.etcd.base.time_slice.TimeSlice

--- Follows the changes of keys, each exactly once, for as long as etcd keeps them.
---@class resty.etcd.watcher.watcher.Watcher: resty.etcd.watcher.watcher.Fields
---@field batches fun(self: resty.etcd.watcher.watcher.Watcher): fun(): resty.etcd.watcher.batch.WatchBatch?, resty.etcd.protocol.errors.EtcdError?
---@field close fun(self: resty.etcd.watcher.watcher.Watcher): true
---@field next fun(self: resty.etcd.watcher.watcher.Watcher, timeout?: number): resty.etcd.watcher.batch.WatchBatch?, resty.etcd.protocol.errors.EtcdError?
---@field revision fun(self: resty.etcd.watcher.watcher.Watcher): number
---@field state fun(self: resty.etcd.watcher.watcher.Watcher): string
---@field stats fun(self: resty.etcd.watcher.watcher.Watcher): resty.etcd.watcher.watcher.WatcherStats

--- What a full state says; nil if it only serves to know the keys.
---@param watcher resty.etcd.watcher.watcher.Fields
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watcher.batch.WatchBatch?
local function translate_full(watcher, batch)
    local ____watcher_0 = watcher
    local style = ____watcher_0.style
    local known = ____watcher_0.known
    local wants_list = ____watcher_0.wants_list
    local revisions = known_keys.revisions_of(known ~= nil and batch.full or ({}))
    local made
    if batch.reason ~= "list" or wants_list then
        made = watcher_batch.make_of_full(style, batch, known, revisions)
    end
    if known ~= nil then
        known.revisions = revisions
        known.unknown_before = nil
    end
    return made
end

--- Makes the user's batch of the feed's; nil if there is nothing to tell.
---@param watcher resty.etcd.watcher.watcher.Fields
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watcher.batch.WatchBatch?
local function translate(watcher, batch)
    local ____watcher_1 = watcher
    local style = ____watcher_1.style
    local known = ____watcher_1.known
    local wants_list = ____watcher_1.wants_list
    local wants_progress = ____watcher_1.wants_progress
    local made
    if batch.full ~= nil then
        made = translate_full(watcher, batch)
    else
        made = watcher_batch.make(style, batch)
        if known ~= nil then
            known_keys.note(known, batch.events)
        end
    end
    watcher.pending_batch = nil
    watcher.last_reported = batch.reason == "restored" and batch.revision or max(watcher.last_reported, batch.revision)
    local is_due = wants_progress or wants_list and batch.reason == "list"
    return made ~= nil and (#made.events > 0 or is_due) and made or nil
end

--- Waits for the next batch. May be called by one light thread at a time, of any request.
---@param self resty.etcd.watcher.watcher.Watcher
---@param timeout? number seconds; nil waits for ever
---@return resty.etcd.watcher.batch.WatchBatch? res # the batch; or nil and an error: `timeout` if none came, any other is final
---@return resty.etcd.protocol.errors.EtcdError? err
local function next_batch(self, timeout)
    local deadline = timeout ~= nil and clock.now() + timeout or nil
    while true do
        if self.pending_batch == nil then
            time_slice.yield_if_due(self.slice)
            local since = clock.now()
            local batch, err = self.feed:next(deadline ~= nil and deadline - since or nil)
            time_slice.restart_after_wait(self.slice, since)
            if batch == nil then
                return nil, err
            end
            self.pending_batch = batch
        end
        local made = translate(self, self.pending_batch)
        if made ~= nil then
            return made
        end
    end
end

--- For a loop over all batches: `for batch in watcher:batches() do`. It ends when the watcher does; `next` says why.
---@param self resty.etcd.watcher.watcher.Watcher
---@return fun(): resty.etcd.watcher.batch.WatchBatch?, resty.etcd.protocol.errors.EtcdError?
local function batches(self)
    return function() return self:next() end
end

--- Ends the watcher and frees its connection at once, unless others use it too. Who waits in `next` gets `closed`.
---@param self resty.etcd.watcher.watcher.Watcher
---@return true
local function close(self)
    self.feed:close()
    return true
end

--- Everything up to this revision has been told. It never goes back, but where etcd did.
---@param self resty.etcd.watcher.watcher.Watcher
---@return number
local function revision(self)
    if self.pending_batch == nil then
        self.last_reported = max(
            self.last_reported,
            self.feed:revision()
        )
    end
    return self.last_reported
end

--- What has happened so far.
---@param self resty.etcd.watcher.watcher.Watcher
---@return resty.etcd.watcher.watcher.WatcherStats
local function stats(self)
    local counted = self.feed:stats()
    local ____opt_2 = self.callback_loop
    counted.callback_errors = ____opt_2 and ____opt_2.errors or 0
    return counted
end

--- `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`.
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
local mt = {__index = methods}

local function make_style(cli, opts)
    local no_put = false
    local no_delete = false
    for ____, filter in ipairs(options.read_filters(opts.filters) or ({})) do
        no_put = no_put or filter == "NOPUT"
        no_delete = no_delete or filter == "NODELETE"
    end
    local ____temp_5 = #cli.key_prefix
    local ____temp_4
    if opts.raw == true then
        ____temp_4 = nil
    else
        ____temp_4 = cli.serializer
    end
    return {
        prefix_length = ____temp_5,
        serializer = ____temp_4,
        prev_kv = opts.prev_kv == true,
        no_put = no_put,
        no_delete = no_delete
    }
end

--- Follows the changes of a key, or of all keys with a prefix. It resumes by itself after any trouble, with neither
--- loss nor repetition.
---@param self resty.etcd.call.client_state.ClientState
---@param key string as `set` takes it
---@param opts? resty.etcd.watcher.options.WatcherOptions
---@return resty.etcd.watcher.watcher.Watcher? res # the watcher; without `list` and `start_revision` it asks etcd for its revision first
---@return resty.etcd.protocol.errors.EtcdError? err
local function open(self, key, opts)
    local wanted = opts or ({})
    local wrong = type(wanted) ~= "table" and "opts must be table" or options.check(key, wanted)
    if wrong ~= nil then
        return nil, errors.local_error("bad_request", wrong)
    end
    local wants = options.to_feed(self, key, wanted)
    local feed, err = etcd_feed.open(self, wants)
    if feed == nil then
        return nil, err
    end
    local fields = {
        feed = feed,
        style = make_style(self, wanted),
        known = wanted.relist == true and known_keys.new(feed.from) or nil,
        wants_list = wanted.list == true,
        wants_progress = wanted.progress == true,
        pending_batch = nil,
        last_reported = 0,
        callback_loop = nil,
        slice = time_slice.start()
    }
    local watcher = setmetatable(fields, mt)
    if wanted.on_batch ~= nil then
        local push, timer_err = callback_loop.new(watcher, wanted.on_batch)
        if push == nil then
            feed:close()
            return nil, errors.local_error("bad_request", timer_err)
        end
        watcher.callback_loop = push
    end
    return watcher
end
_M.open = open

return _M
