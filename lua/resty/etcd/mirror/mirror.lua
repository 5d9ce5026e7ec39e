-- Generated from src/resty/etcd/mirror/mirror.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local semaphore = require("ngx.semaphore")
local rebuild = require("resty.etcd.mirror.rebuild")
local indexes = require("resty.etcd.mirror.indexes")
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local decode = require("resty.etcd.mirror.decode")
local options = require("resty.etcd.mirror.options")
local lookups = require("resty.etcd.mirror.lookups")
local status = require("resty.etcd.mirror.status")
local run_loop = require("resty.etcd.mirror.run_loop")
local sorted_keys = require("resty.etcd.mirror.sorted_keys")
local feed_source = require("resty.etcd.mirror.feed_source")
local notifier = require("resty.etcd.mirror.notifier")
local linearizable = require("resty.etcd.mirror.linearizable")
local wait_ready = require("resty.etcd.mirror.wait_ready")
local time_slice = require("resty.etcd.base.time_slice")
local timers = require("resty.etcd.base.timers")

--- Keys below a prefix, as etcd has them, in this worker's memory.
---@class resty.etcd.mirror.mirror.Mirror: resty.etcd.mirror.types.State
---@field age fun(self: resty.etcd.mirror.types.State): number
---@field all fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.types.Kv[]?, string?
---@field by fun(self: resty.etcd.mirror.types.State, name: string, value: table): resty.etcd.mirror.types.Kv[]?, string?
---@field close fun(self: resty.etcd.mirror.types.State): true
---@field count fun(self: resty.etcd.mirror.types.State): number
---@field get fun(self: resty.etcd.mirror.types.State, key: string): any, (string|resty.etcd.mirror.types.Kv)?
---@field get_linearizable fun(self: resty.etcd.mirror.types.State, key: string, timeout?: number): any, (resty.etcd.protocol.errors.EtcdError|resty.etcd.mirror.types.Kv)?
---@field index fun(self: resty.etcd.mirror.types.State, name: string, fn: fun(value: any, kv: resty.etcd.mirror.types.Kv): any): true?, string?
---@field invalid fun(self: resty.etcd.mirror.types.State): table<string, resty.etcd.mirror.types.Invalid>
---@field on_change fun(self: resty.etcd.mirror.types.State, callback: fun(changes: resty.etcd.mirror.types.Changes)): fun()?, string?
---@field prefix fun(self: resty.etcd.mirror.types.State, dir: string): resty.etcd.mirror.types.Kv[]?, string?
---@field ready fun(self: resty.etcd.mirror.types.State): boolean
---@field revision fun(self: resty.etcd.mirror.types.State): number
---@field state fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.status.Status
---@field stats fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.types.Counters
---@field version fun(self: resty.etcd.mirror.types.State): number
---@field wait_ready fun(self: resty.etcd.mirror.types.State, timeout?: number): true?, resty.etcd.protocol.errors.EtcdError?

--- Has a function called after each real change, when all of it is visible.
---@param self resty.etcd.mirror.types.State
---@param callback fun(changes: resty.etcd.mirror.types.Changes)
---@return fun()? res # a function that ends it
---@return string? err
local function on_change(self, callback)
    if type(callback) ~= "function" then
        return nil, "callback must be function"
    end
    local added = {fn = callback, is_stopped = false}
    local all = {}
    for ____, one in ipairs(self.callbacks) do
        all[#all + 1] = one
    end
    all[#all + 1] = added
    self.callbacks = all
    return function()
        added.is_stopped = true
        local others = {}
        for ____, one in ipairs(self.callbacks) do
            if one ~= added then
                others[#others + 1] = one
            end
        end
        self.callbacks = others
    end
end

--- Makes an index of what is there already. Nothing else changes the mirror meanwhile.
---@param state resty.etcd.mirror.types.State
---@param made resty.etcd.mirror.types.Index
local function fill_index(state, made)
    local slice = time_slice.start()
    sorted_keys.sort_pending(state)
    for ____, key in ipairs(state.sorted) do
        time_slice.yield_if_due(slice)
        indexes.add(
            made.buckets,
            made.values,
            key,
            rebuild.ask_index(state, made, state.kvs[key])
        )
    end
    state.indexes[made.name] = made
end

local function make_index(premature, state, made)
    if not premature and run_loop.acquire(state) then
        local ok, err = pcall(fill_index, state, made)
        state.lock:post(1)
        if not ok then
            rate_limited_log.warn(
                state.log,
                "index " .. made.name .. " is not made: " .. error_text.of(err, "no reason")
            )
        end
    end
    state.building_indexes[made.name] = nil
end

--- Adds an index; where there are keys already it is made in the background, and `by` says "not ready" till then.
---@param self resty.etcd.mirror.types.State
---@param name string
---@param fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
---@return true? res
---@return string? err
local function index(self, name, fn)
    local wrong = options.check_index(name, fn)
    if wrong ~= nil then
        return nil, wrong
    end
    if self.is_closed then
        return nil, "the mirror is closed"
    end
    if self.indexes[name] ~= nil or self.building_indexes[name] == true then
        return nil, "there is an index " .. name .. " already"
    end
    self.building_indexes[name] = true
    local ok, err = timers.at(
        0,
        make_index,
        self,
        indexes.create(name, fn)
    )
    if ok == nil then
        self.building_indexes[name] = nil
        return nil, err
    end
    return true
end

--- Ends the mirror at once. What it holds can still be read.
---@param self resty.etcd.mirror.types.State
---@return true
local function close(self)
    self.wake:post(1)
    run_loop.finish(self)
    return true
end
local methods = {
    age = lookups.age,
    all = lookups.all,
    by = lookups.by,
    close = close,
    count = lookups.count,
    get = lookups.get,
    get_linearizable = linearizable.get_linearizable,
    index = index,
    invalid = status.invalid,
    on_change = on_change,
    prefix = lookups.prefix,
    ready = lookups.ready,
    revision = lookups.revision,
    state = status.state_of,
    stats = status.stats,
    version = lookups.version,
    wait_ready = wait_ready.wait_ready
}
local mt = {__index = methods}

--- Mirrors all keys that start with a prefix. It begins at once, in a timer of this worker.
---@param cli resty.etcd.call.client_state.ClientState
---@param dir string as for `readdir`
---@param opts? resty.etcd.mirror.types.Options
---@param source? (fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?) where its batches come from, in the place of what the options say
---@return resty.etcd.mirror.mirror.Mirror? res
---@return string? err
local function create(cli, dir, opts, source)
    local wrong = type(dir) ~= "string" and "prefix must be string" or options.check(dir, opts)
    if wrong ~= nil then
        return nil, wrong
    end
    if ngx.get_phase() == "init" then
        return nil, "mirrors cannot be made in init: no worker is there yet"
    end
    local chosen = source
    if chosen == nil then
        local found, source_err = feed_source.choose(cli, dir, opts or ({}))
        if found == nil then
            return nil, source_err
        end
        chosen = found
    end
    local lock, lock_err = semaphore.new(1)
    if lock == nil then
        return nil, lock_err
    end
    local wake, wake_err = semaphore.new(0)
    if wake == nil then
        return nil, wake_err
    end
    local state = {
        cli = cli,
        dir = dir,
        opts = opts or ({}),
        decode = opts and opts.decode or decode.by_serializer(cli),
        prefix_length = #keys.with_prefix(cli.key_prefix, ""),
        source = chosen,
        kvs = {},
        key_count = 0,
        sorted = {},
        unsorted_keys = {},
        has_deleted_keys = false,
        list = nil,
        lists = {},
        list_count = 0,
        indexes = {},
        invalid_items = {},
        at_revision = 0,
        data_version = 0,
        counters = {
            batches = 0,
            puts = 0,
            deletes = 0,
            full = {},
            invalid = 0,
            callback_errors = 0,
            coalesced = 0,
            index_errors = 0,
            failures = 0
        },
        miss_reason = lookups.NOT_READY,
        is_closed = false,
        life = {running = false, missed = 0},
        timers = 0,
        is_applying = false,
        feed = nil,
        has_received = false,
        last_received_at = nil,
        last_error = nil,
        callbacks = {},
        pending_changes = {},
        pending_count = 0,
        coalesce_at = notifier.MAX_PENDING,
        is_notifying = false,
        notifier_thread = nil,
        callback_started_at = nil,
        has_warned = false,
        waiters = setmetatable({}, {__mode = "k"}),
        lock = lock,
        wake = wake,
        building_indexes = {},
        log = rate_limited_log.new("mirror of " .. dir)
    }
    for name, fn in pairs(opts and opts.index or ({})) do
        state.indexes[name] = indexes.create(name, fn)
    end
    local ok, err = run_loop.begin(state)
    if ok == nil then
        return nil, err
    end
    return setmetatable(state, mt)
end

--- The same as a method of a client.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string
---@param opts? resty.etcd.mirror.types.Options
---@return resty.etcd.mirror.mirror.Mirror? res
---@return string? err
local function mirror(self, dir, opts)
    return create(self, dir, opts)
end
_M.new = create
_M.mirror = mirror

return _M
