-- Generated from src/resty/etcd/storage/snapshot_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local file_access = require("resty.etcd.storage.file_access")
local snapshot_writers = require("resty.etcd.storage.snapshot_writer")
local time_slice = require("resty.etcd.base.time_slice")
local printable = require("resty.etcd.base.printable")
local snapshot_file = require("resty.etcd.storage.snapshot_file")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds that etcd has to deliver the first state before that of the file is used: the file can be old.
local HEAD_START = 0.1

--- Default seconds between a change and its write to the file.
local DEFAULT_INTERVAL = 5

--- State of a snapshot file, common to the feeds that are opened with it one after another.
---@class resty.etcd.storage.snapshot_feed.SnapshotState
---@field path string
---@field identity string See `Snapshot`.
---@field writer resty.etcd.storage.snapshot_writer.SnapshotWriter? nil in the workers that do not write the file.
---@field is_done boolean A state was delivered, from etcd or from the file: the file is not read any more.
---@field delivered_kvs resty.etcd.protocol.message.RawKv[]? Keys from the file that were delivered, until they are compared with those of etcd.
---@field last_received_at number? `last_received_at` of the file by `clock.now`, while its state is the newest that was delivered.

---@class resty.etcd.storage.snapshot_feed.Fields
---@field inner resty.etcd.watch.feed.Feed
---@field snapshot resty.etcd.storage.snapshot_feed.SnapshotState
---@field read_file_at number End of etcd's head start.

--- A feed that delivers the state of a snapshot file if etcd does not deliver one soon.
---@class resty.etcd.storage.snapshot_feed.SnapshotFeed: resty.etcd.storage.snapshot_feed.Fields
---@field age fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed): number
---@field close fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed)
---@field cluster_id fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed): string?
---@field current_error fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed): resty.etcd.protocol.errors.EtcdError?
---@field next fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?

--- Returns the state of the file, or nil if it cannot be used.
---@param state resty.etcd.storage.snapshot_feed.SnapshotState
---@return resty.etcd.watch.feed.Batch?
local function read(state)
    state.is_done = true
    local snapshot, err, exists = snapshot_file.read(state.path, state.identity)
    if snapshot == nil then
        ngx.log(
            exists and ngx.WARN or ngx.INFO,
            "snapshot: not used: ",
            printable.of(err),
            "; waiting for etcd"
        )
        return nil
    end
    state.last_received_at = now() - max(
        0,
        ngx.now() - snapshot.last_received_at
    )
    state.delivered_kvs = snapshot.kvs
    return {revision = snapshot.revision, events = {}, full = snapshot.kvs, reason = "snapshot"}
end

--- Reports whether a key has the same revisions in both states but another value: their histories differ.
---@param delivered resty.etcd.protocol.message.RawKv[]
---@param full resty.etcd.protocol.message.RawKv[]
---@return boolean
local function contradicts(delivered, full)
    local slice = time_slice.yield_and_start()
    local at = 1
    for ____, kv in ipairs(full) do
        time_slice.yield_if_due(slice)
        local old = delivered[at]
        while old ~= nil and old.key < kv.key do
            time_slice.yield_if_due(slice)
            at = at + 1
            old = delivered[at]
        end
        if old ~= nil and old.key == kv.key then
            local is_same = old.mod_revision == kv.mod_revision and old.create_revision == kv.create_revision
            if is_same and (old.value or "") ~= (kv.value or "") then
                return true
            end
        end
    end
    return false
end

--- Compares etcd's first state with that of the file. Revisions alone do not tell whether the histories differ: where etcd
--- was set up again and filled by the same steps, other values have the same revisions.
---@param state resty.etcd.storage.snapshot_feed.SnapshotState
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watch.feed.Batch
local function compare(state, batch)
    local delivered = state.delivered_kvs
    local full = batch.full
    if delivered == nil or full == nil then
        return batch
    end
    state.delivered_kvs = nil
    if not contradicts(delivered, full) then
        return batch
    end
    return {revision = batch.revision, events = batch.events, full = full, reason = "restored"}
end

--- Handles a batch from etcd.
---@param feed resty.etcd.storage.snapshot_feed.Fields
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watch.feed.Batch? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function deliver(feed, batch)
    local state = feed.snapshot
    state.is_done = true
    local compared = compare(state, batch)
    state.last_received_at = nil
    if state.writer ~= nil then
        snapshot_writers.note(
            state.writer,
            compared,
            feed.inner:age()
        )
    end
    return compared
end

local function next(self, timeout)
    local inner = self.inner
    local state = self.snapshot
    local left = timeout
    if not state.is_done then
        local started_at = now()
        local head_start = max(0, self.read_file_at - started_at)
        local seconds = min(timeout or head_start, head_start)
        local batch, err = inner:next(seconds)
        if batch ~= nil then
            return deliver(self, batch)
        end
        if err.name ~= "timeout" or seconds >= head_start then
            local stored = read(state)
            if stored ~= nil then
                return stored
            end
        end
        if err.name ~= "timeout" then
            return nil, err
        end
        if timeout ~= nil then
            left = max(
                0,
                timeout - (now() - started_at)
            )
        end
    end
    local batch, err = inner:next(left)
    if batch == nil then
        return nil, err
    end
    return deliver(self, batch)
end

local function age(self)
    local last_received_at = self.snapshot.last_received_at
    if last_received_at ~= nil then
        return now() - last_received_at
    end
    return self.inner:age()
end

local function current_error(self)
    local inner = self.inner
    local ____temp_0
    if inner.current_error ~= nil then
        ____temp_0 = inner:current_error()
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

local function cluster_id(self)
    local inner = self.inner
    local ____temp_1
    if inner.cluster_id ~= nil then
        ____temp_1 = inner:cluster_id()
    else
        ____temp_1 = nil
    end
    return ____temp_1
end

local function close(self)
    self.inner:close()
    local writer = self.snapshot.writer
    if writer ~= nil then
        snapshot_writers.detach(writer)
    end
end
local methods = {
    age = age,
    close = close,
    cluster_id = cluster_id,
    current_error = current_error,
    next = next
}
local mt = {__index = methods}

--- Creates the state of a snapshot file. Worker 0 writes the file.
---@param path string
---@param identity string names the content: endpoints, user and keys
---@param interval? number seconds between a change and its write to the file
---@return resty.etcd.storage.snapshot_feed.SnapshotState
local function new_state(path, identity, interval)
    local writer
    local worker_id = ngx.worker.id()
    if worker_id == nil then
        ngx.log(
            ngx.NOTICE,
            "snapshot: not written by this process, only by worker 0: ",
            printable.of(path)
        )
    elseif worker_id == 0 then
        file_access.warn_if_folder_is_shared(path)
        writer = snapshot_writers.new(path, identity, interval or DEFAULT_INTERVAL)
    end
    return {
        path = path,
        identity = identity,
        writer = writer,
        is_done = false,
        delivered_kvs = nil,
        last_received_at = nil
    }
end

--- Puts the state of a snapshot file in front of a feed, and keeps the file up to date with its batches.
---@param inner resty.etcd.watch.feed.Feed
---@param snapshot resty.etcd.storage.snapshot_feed.SnapshotState
---@return resty.etcd.watch.feed.Feed
local function wrap(inner, snapshot)
    if snapshot.writer ~= nil then
        snapshot_writers.attach(snapshot.writer)
    end
    local fields = {
        inner = inner,
        snapshot = snapshot,
        read_file_at = now() + HEAD_START
    }
    return setmetatable(fields, mt)
end
_M.new_state = new_state
_M.wrap = wrap

return _M
