-- Generated from src/resty/etcd/storage/snapshot_writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local kv_merge = require("resty.etcd.storage.kv_merge")
local temp_files = require("resty.etcd.storage.temp_files")
local time_slice = require("resty.etcd.base.time_slice")
local snapshot_file = require("resty.etcd.storage.snapshot_file")
local now = clock.now

--- Seconds after which a timer that should have run was dropped by nginx, as too many of them ran.
local START_TIME = 60

--- Keeps a file up to date with what goes by.
---@class resty.etcd.storage.snapshot_writer.SnapshotWriter
---@field path string
---@field identity string
---@field interval number Seconds after a change before it is written.
---@field kvs resty.etcd.protocol.message.RawKv[]? All keys, as they were when they were last put together; nil while nothing is known.
---@field changes table What has happened since.
---@field revision number
---@field last_received_at number
---@field fulls number Full states so far.
---@field is_dirty boolean Something has changed since it was written.
---@field is_fed boolean There is a feed.
---@field is_clean boolean What a worker left that was killed while it wrote has been looked for.
---@field is_planned boolean A timer is set, or it is being written.
---@field due number By then it should have been written.
---@field save fun(premature: boolean, snapshot_writer: resty.etcd.storage.snapshot_writer.SnapshotWriter)
---@field failure string? As the last attempt ended: it is logged once.

local function is_newer(snapshot_writer, fulls)
    return snapshot_writer.fulls ~= fulls
end

local function needs_writing(snapshot_writer)
    return snapshot_writer.is_dirty
end

--- Writes what there is at this moment; what comes meanwhile is for the next time.
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param kvs resty.etcd.protocol.message.RawKv[]
---@return true? res
---@return string? err
local function write(snapshot_writer, kvs)
    if not snapshot_writer.is_clean then
        snapshot_writer.is_clean = true
        temp_files.remove(snapshot_writer.path)
    end
    local changes = snapshot_writer.changes
    local fulls = snapshot_writer.fulls
    local snapshot = {identity = snapshot_writer.identity, revision = snapshot_writer.revision, last_received_at = snapshot_writer.last_received_at, kvs = kvs}
    snapshot_writer.changes = {}
    snapshot.kvs = kv_merge.apply(
        snapshot.kvs,
        changes,
        time_slice.start()
    )
    if not is_newer(snapshot_writer, fulls) then
        snapshot_writer.kvs = snapshot.kvs
    end
    return snapshot_file.write(snapshot_writer.path, snapshot)
end

--- Lets go of the keys where no more will come: the next feed begins with all of them.
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function forget(snapshot_writer)
    if not snapshot_writer.is_fed and not snapshot_writer.is_planned then
        snapshot_writer.kvs = nil
        snapshot_writer.changes = {}
        snapshot_writer.is_dirty = false
    end
end

local function plan(snapshot_writer)
    local planned = ngx.timer.at(snapshot_writer.interval, snapshot_writer.save, snapshot_writer)
    snapshot_writer.is_planned = planned ~= nil
    snapshot_writer.due = now() + snapshot_writer.interval + START_TIME
end

--- In a timer; nginx runs it early when the worker ends.
---@param _premature boolean
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function save(_premature, snapshot_writer)
    while needs_writing(snapshot_writer) and snapshot_writer.kvs ~= nil do
        snapshot_writer.is_dirty = false
        local ok, err = write(snapshot_writer, snapshot_writer.kvs)
        if ok == nil and err ~= snapshot_writer.failure then
            ngx.log(ngx.WARN, "snapshot is not written: ", err)
        end
        snapshot_writer.failure = err
        if not ngx.worker.exiting() then
            break
        end
    end
    snapshot_writer.is_planned = false
    if needs_writing(snapshot_writer) or snapshot_writer.failure ~= nil and snapshot_writer.is_fed then
        snapshot_writer.is_dirty = true
        plan(snapshot_writer)
    end
    forget(snapshot_writer)
end

--- Takes note of a batch.
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param batch resty.etcd.watch.feed.Batch
---@param age number
local function note(snapshot_writer, batch, age)
    snapshot_writer.revision = batch.revision
    snapshot_writer.last_received_at = ngx.now() - age
    if batch.full ~= nil then
        snapshot_writer.kvs = batch.full
        snapshot_writer.changes = {}
        snapshot_writer.fulls = snapshot_writer.fulls + 1
    elseif #batch.events == 0 or snapshot_writer.kvs == nil then
        return
    end
    for ____, event in ipairs(batch.events) do
        snapshot_writer.changes[event.kv.key] = event
    end
    snapshot_writer.is_dirty = true
    if not snapshot_writer.is_planned or now() > snapshot_writer.due then
        plan(snapshot_writer)
    end
end

--- A feed begins.
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function attach(snapshot_writer)
    snapshot_writer.is_fed = true
end

--- The feed has ended: what it told last is still written, if that can be done.
---@param snapshot_writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function detach(snapshot_writer)
    snapshot_writer.is_fed = false
    forget(snapshot_writer)
end

local function create(path, identity, interval)
    return {
        path = path,
        identity = identity,
        interval = interval,
        save = save,
        kvs = nil,
        changes = {},
        revision = 0,
        last_received_at = 0,
        fulls = 0,
        due = 0,
        is_dirty = false,
        is_fed = false,
        is_clean = false,
        is_planned = false,
        failure = nil
    }
end
_M.attach = attach
_M.new = create
_M.note = note
_M.detach = detach

return _M
