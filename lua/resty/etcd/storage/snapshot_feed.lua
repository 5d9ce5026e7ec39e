-- Generated from src/resty/etcd/storage/snapshot_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local snapshot_writers = require("resty.etcd.storage.snapshot_writer")
local time_slice = require("resty.etcd.base.time_slice")
local snapshot_file = require("resty.etcd.storage.snapshot_file")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds that etcd has for the first state, before that of the file is told.
local HEAD_START = 0.1

--- Seconds after a change before it is written to the file.
local INTERVAL = 5

--- What is known of a file, by whoever opens one feed after the other.
---@class resty.etcd.storage.snapshot_feed.File
---@field path string
---@field identity string
---@field writer resty.etcd.storage.snapshot_writer.SnapshotWriter? nil in the workers that do not write.
---@field is_used boolean A state was told, by etcd or out of the file: it is not read any more.
---@field last_reported resty.etcd.protocol.message.RawKv[]? What was told out of the file, until it can be compared with what etcd has.
---@field last_received_at number? When the state out of the file was etcd's, while there is no newer one.

---@class resty.etcd.storage.snapshot_feed.Fields
---@field inner resty.etcd.watch.feed.Feed
---@field file resty.etcd.storage.snapshot_feed.File
---@field starts_at number When etcd has had its time.

---@class resty.etcd.storage.snapshot_feed.SnapshotFeed: resty.etcd.storage.snapshot_feed.Fields
---@field age fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed): number
---@field close fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed)
---@field current_error fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed): resty.etcd.protocol.errors.EtcdError?
---@field next fun(self: resty.etcd.storage.snapshot_feed.SnapshotFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?

--- The state out of the file; nil if it cannot be used.
---@param file resty.etcd.storage.snapshot_feed.File
---@return resty.etcd.watch.feed.Batch?
local function read(file)
    file.is_used = true
    local snapshot, err, is_there = snapshot_file.read(file.path, file.identity)
    if snapshot == nil then
        ngx.log(is_there and ngx.WARN or ngx.INFO, "snapshot is not used: ", err)
        return nil
    end
    file.last_received_at = snapshot.last_received_at
    file.last_reported = snapshot.kvs
    return {revision = snapshot.revision, events = {}, full = snapshot.kvs, reason = "snapshot"}
end

--- A key has the same revisions in both and another value: so these are not of one history.
---@param told resty.etcd.protocol.message.RawKv[]
---@param full resty.etcd.protocol.message.RawKv[]
---@return boolean
local function contradicts(told, full)
    local slice = time_slice.yield_and_start()
    local at = 1
    for ____, kv in ipairs(full) do
        time_slice.yield_if_due(slice)
        local old = told[at]
        while old ~= nil and old.key < kv.key do
            time_slice.yield_if_due(slice)
            at = at + 1
            old = told[at]
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

--- etcd's first state after that of the file. Where etcd was set up anew and filled by the same steps, revisions alone
--- do not tell that its values are others.
---@param file resty.etcd.storage.snapshot_feed.File
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.watch.feed.Batch
local function compare(file, batch)
    local told = file.last_reported
    local full = batch.full
    if told == nil or full == nil then
        return batch
    end
    file.last_reported = nil
    if not contradicts(told, full) then
        return batch
    end
    return {revision = batch.revision, events = batch.events, full = full, reason = "restored"}
end

local function pass_on(feed, batch)
    local file = feed.file
    file.is_used = true
    local compared = compare(file, batch)
    file.last_received_at = nil
    if file.writer ~= nil then
        snapshot_writers.note(
            file.writer,
            compared,
            feed.inner:age()
        )
    end
    return compared
end

local function next(self, timeout)
    local inner = self.inner
    local file = self.file
    local left = timeout
    if not file.is_used then
        local began = now()
        local head_start = max(0, self.starts_at - began)
        local waits = min(timeout or head_start, head_start)
        local batch, err = inner:next(waits)
        if batch ~= nil then
            return pass_on(self, batch)
        end
        if err.name ~= "timeout" or waits >= head_start then
            local stored = read(file)
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
                timeout - (now() - began)
            )
        end
    end
    local batch, err = inner:next(left)
    if batch == nil then
        return nil, err
    end
    return pass_on(self, batch)
end

local function age(self)
    local heard_at = self.file.last_received_at
    if heard_at ~= nil then
        return max(
            0,
            ngx.now() - heard_at
        )
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

local function close(self)
    self.inner:close()
    local snapshot_writer = self.file.writer
    if snapshot_writer ~= nil then
        snapshot_writers.detach(snapshot_writer)
    end
end
local methods = {age = age, close = close, current_error = current_error, next = next}
local mt = {__index = methods}

--- What is to be known of a file. One worker writes it.
---@param path string
---@param identity string what it is a state of
---@param interval? number seconds after a change before it is written
---@return resty.etcd.storage.snapshot_feed.File
local function file_of(path, identity, interval)
    local file = {
        path = path,
        identity = identity,
        writer = nil,
        is_used = false,
        last_reported = nil,
        last_received_at = nil
    }
    if ngx.worker.id() == 0 then
        file.writer = snapshot_writers.new(path, identity, interval or INTERVAL)
    end
    return file
end

--- Tells the state out of a file first, if etcd does not answer at once, and keeps the file up to date.
---@param inner resty.etcd.watch.feed.Feed
---@param file resty.etcd.storage.snapshot_feed.File
---@return resty.etcd.watch.feed.Feed
local function wrap(inner, file)
    if file.writer ~= nil then
        snapshot_writers.attach(file.writer)
    end
    local fields = {
        inner = inner,
        file = file,
        starts_at = now() + HEAD_START
    }
    return setmetatable(fields, mt)
end
_M.file_of = file_of
_M.wrap = wrap

return _M
