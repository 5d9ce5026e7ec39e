-- Generated from src/resty/etcd/storage/snapshot_writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local kv_merge = require("resty.etcd.storage.kv_merge")
local temp_files = require("resty.etcd.storage.temp_files")
local time_slice = require("resty.etcd.base.time_slice")
local snapshot_file = require("resty.etcd.storage.snapshot_file")
local now = clock.now

--- Seconds after which a timer that should have run was dropped by nginx, as too many of them ran.
local LATE = 60

--- Keeps a file up to date with what goes by.
---@class resty.etcd.storage.snapshot_writer.SnapshotWriter
---@field path string
---@field identity string
---@field interval number Seconds after a change before it is written.
---@field kvs resty.etcd.protocol.message.RawKv[]? All keys, as they were when they were last put together; nil while nothing is known.
---@field changes table What has happened since.
---@field revision number
---@field heard_at number
---@field fulls number Full states so far.
---@field is_dirty boolean Something has changed since it was written.
---@field is_fed boolean There is a feed.
---@field is_clean boolean What a worker left that was killed while it wrote has been looked for.
---@field is_planned boolean A timer is set, or it is being written.
---@field due number By then it should have been written.
---@field save fun(premature: boolean, keeper: resty.etcd.storage.snapshot_writer.SnapshotWriter)
---@field failure string? As the last attempt ended: it is logged once.

local function is_newer(keeper, fulls)
    return keeper.fulls ~= fulls
end

local function needs_writing(keeper)
    return keeper.is_dirty
end

--- Writes what there is at this moment; what comes meanwhile is for the next time.
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param kvs resty.etcd.protocol.message.RawKv[]
---@return true? res
---@return string? err
local function write(keeper, kvs)
    if not keeper.is_clean then
        keeper.is_clean = true
        temp_files.remove(keeper.path)
    end
    local changes = keeper.changes
    local fulls = keeper.fulls
    local snapshot = {identity = keeper.identity, revision = keeper.revision, heard_at = keeper.heard_at, kvs = kvs}
    keeper.changes = {}
    snapshot.kvs = kv_merge.apply(
        snapshot.kvs,
        changes,
        time_slice.start()
    )
    if not is_newer(keeper, fulls) then
        keeper.kvs = snapshot.kvs
    end
    return snapshot_file.write(keeper.path, snapshot)
end

--- Lets go of the keys where no more will come: the next feed begins with all of them.
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
local function forget(keeper)
    if not keeper.is_fed and not keeper.is_planned then
        keeper.kvs = nil
        keeper.changes = {}
        keeper.is_dirty = false
    end
end

local function plan(keeper)
    local planned = ngx.timer.at(keeper.interval, keeper.save, keeper)
    keeper.is_planned = planned ~= nil
    keeper.due = now() + keeper.interval + LATE
end

--- In a timer; nginx runs it early when the worker ends.
---@param _premature boolean
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
local function save(_premature, keeper)
    while needs_writing(keeper) and keeper.kvs ~= nil do
        keeper.is_dirty = false
        local ok, err = write(keeper, keeper.kvs)
        if ok == nil and err ~= keeper.failure then
            ngx.log(ngx.WARN, "snapshot is not written: ", err)
        end
        keeper.failure = err
        if not ngx.worker.exiting() then
            break
        end
    end
    keeper.is_planned = false
    if needs_writing(keeper) or keeper.failure ~= nil and keeper.is_fed then
        keeper.is_dirty = true
        plan(keeper)
    end
    forget(keeper)
end

--- Takes note of a batch.
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param batch resty.etcd.watch.feed.Batch
---@param age number
local function note(keeper, batch, age)
    keeper.revision = batch.revision
    keeper.heard_at = ngx.now() - age
    if batch.full ~= nil then
        keeper.kvs = batch.full
        keeper.changes = {}
        keeper.fulls = keeper.fulls + 1
    elseif #batch.events == 0 or keeper.kvs == nil then
        return
    end
    for ____, event in ipairs(batch.events) do
        keeper.changes[event.kv.key] = event
    end
    keeper.is_dirty = true
    if not keeper.is_planned or now() > keeper.due then
        plan(keeper)
    end
end

--- A feed begins.
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
local function attach(keeper)
    keeper.is_fed = true
end

--- The feed has ended: what it told last is still written, if that can be done.
---@param keeper resty.etcd.storage.snapshot_writer.SnapshotWriter
local function detach(keeper)
    keeper.is_fed = false
    forget(keeper)
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
        heard_at = 0,
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
