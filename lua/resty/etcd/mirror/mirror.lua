-- Generated from src/resty/etcd/mirror/mirror.ts by TypeScriptToLua. Do not edit.
local _M = {}
local phase = require("resty.etcd.base.phase")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local errors = require("resty.etcd.protocol.errors")
local build_index = require("resty.etcd.mirror.build_index")
local decode = require("resty.etcd.mirror.decode")
local feed_source = require("resty.etcd.mirror.feed_source")
local indexes = require("resty.etcd.mirror.indexes")
local linearizable = require("resty.etcd.mirror.linearizable")
local lookups = require("resty.etcd.mirror.lookups")
local notifier = require("resty.etcd.mirror.notifier")
local options = require("resty.etcd.mirror.options")
local run_loop = require("resty.etcd.mirror.run_loop")
local status = require("resty.etcd.mirror.status")
local stores = require("resty.etcd.mirror.store")
local wait_ready = require("resty.etcd.mirror.wait_ready")
local wait_revision = require("resty.etcd.mirror.wait_revision")
local waiters = require("resty.etcd.mirror.waiters")

--- The keys below a prefix, as etcd has them, in the memory of this worker.
---@class resty.etcd.mirror.mirror.Mirror: resty.etcd.mirror.types.State
---@field age fun(self: resty.etcd.mirror.types.State): number
---@field all fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.types.Kv[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field by fun(self: resty.etcd.mirror.types.State, name: string, value: table): resty.etcd.mirror.types.Kv[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field close fun(self: resty.etcd.mirror.types.State): true
---@field count fun(self: resty.etcd.mirror.types.State): number
---@field get fun(self: resty.etcd.mirror.types.State, key: string): any, resty.etcd.mirror.types.Kv?, string?, resty.etcd.protocol.errors.EtcdError?
---@field get_linearizable fun(self: resty.etcd.mirror.types.State, key: string, timeout?: number): any, (string|resty.etcd.mirror.types.Kv)?, resty.etcd.protocol.errors.EtcdError?
---@field index fun(self: resty.etcd.mirror.types.State, name: string, fn: fun(value: any, kv: resty.etcd.mirror.types.Kv): any): true?, string?, resty.etcd.protocol.errors.EtcdError?
---@field invalid fun(self: resty.etcd.mirror.types.State): table<string, resty.etcd.mirror.types.Invalid>
---@field on_change fun(self: resty.etcd.mirror.types.State, fn: fun(changes: resty.etcd.mirror.types.Changes), opts?: resty.etcd.mirror.types.OnChangeOptions): fun()?, string?, resty.etcd.protocol.errors.EtcdError?
---@field prefix fun(self: resty.etcd.mirror.types.State, dir: string): resty.etcd.mirror.types.Kv[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field ready fun(self: resty.etcd.mirror.types.State): boolean
---@field revision fun(self: resty.etcd.mirror.types.State): number
---@field state fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.status.Status
---@field stats fun(self: resty.etcd.mirror.types.State): resty.etcd.mirror.status.Stats
---@field version fun(self: resty.etcd.mirror.types.State): number
---@field wait_ready fun(self: resty.etcd.mirror.types.State, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?
---@field wait_revision fun(self: resty.etcd.mirror.types.State, revision: string|number, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?

local methods = {
    age = lookups.age,
    all = lookups.all,
    by = lookups.by,
    close = run_loop.close,
    count = lookups.count,
    get = lookups.get,
    get_linearizable = linearizable.get_linearizable,
    index = build_index.add_index,
    invalid = status.invalid,
    on_change = notifier.on_change,
    prefix = lookups.prefix,
    ready = lookups.ready,
    revision = lookups.revision,
    state = status.state_of,
    stats = status.stats,
    version = lookups.version,
    wait_ready = wait_ready.wait_ready,
    wait_revision = wait_revision.wait_revision
}
local mt = {__index = methods}

--- Mirrors all keys that start with a prefix. It starts immediately, in a timer of this worker.
---@param cli resty.etcd.call.client_state.ClientState
---@param dir string as for `readdir`
---@param opts? resty.etcd.mirror.types.Options
---@param source? (fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?) opens the feeds, instead of what the options say
---@return resty.etcd.mirror.mirror.Mirror? res # the mirror; nil, an error text and the details with the name `bad_request` or `not_in_phase`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(cli, dir, opts, source)
    local problem = type(dir) ~= "string" and "prefix must be string" or options.check(dir, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if phase.is_init() then
        local text = "mirrors cannot be created in init: no worker process exists yet"
        return errors.to_result(errors.local_error("not_in_phase", text))
    end
    local given = opts or ({})
    local chosen = source
    if chosen == nil then
        local by_options, source_err = feed_source.choose(cli, dir, given)
        if by_options == nil then
            return errors.bad_request(source_err)
        end
        chosen = by_options
    end
    local log = rate_limited_log.new("mirror of " .. dir)
    local notifications, notifier_err = notifier.new(log)
    if notifications == nil then
        return errors.bad_request(notifier_err)
    end
    local state = {
        cli = cli,
        dir = dir,
        mode = given.mode or "worker",
        decoder = decode.new(cli, given, log),
        store = stores.new(),
        indexes = indexes.new(given.index, log),
        notifications = notifications,
        loop = run_loop.new(chosen),
        ready_waiters = waiters.new(),
        revision_waiters = waiters.new(),
        next_confirmation_at = 0,
        log = log
    }
    local ok, err = run_loop.begin(state)
    if ok == nil then
        return errors.bad_request(err)
    end
    return setmetatable(state, mt)
end

--- `create` as a method of a client.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string
---@param opts? resty.etcd.mirror.types.Options
---@return resty.etcd.mirror.mirror.Mirror? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function mirror(self, dir, opts)
    return create(self, dir, opts)
end
_M.new = create
_M.mirror = mirror

return _M
