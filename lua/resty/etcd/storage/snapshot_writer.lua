-- Generated from src/resty/etcd/storage/snapshot_writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local kv_merge = require("resty.etcd.storage.kv_merge")
local time_slice = require("resty.etcd.base.time_slice")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local snapshot_file = require("resty.etcd.storage.snapshot_file")

--- Keeps a snapshot file up to date with the batches of a feed.
---@class resty.etcd.storage.snapshot_writer.SnapshotWriter
---@field path string
---@field identity string
---@field interval number Seconds between a change and its write to the file.
---@field kvs resty.etcd.protocol.message.RawKv[]? All keys without `changes`; nil before the first full state, and after the feed has ended.
---@field changes table Events since `kvs`.
---@field revision number
---@field last_received_at number
---@field full_states number Number of full states so far.
---@field is_dirty boolean There are changes that were not written yet.
---@field has_feed boolean A feed is open.
---@field loop resty.etcd.base.timer_types.TimerLoop Each of its turns writes the file. It is started while there is something to write.
---@field last_error string? Error of the last write: it is logged only if it is another one than before.

local function has_new_full_state(writer, full_states)
    return writer.full_states ~= full_states
end

local function needs_writing(writer)
    return writer.is_dirty
end

--- Writes the current state. Batches that arrive meanwhile are written the next time.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param kvs resty.etcd.protocol.message.RawKv[]
---@return true? res
---@return string? err
local function write(writer, kvs)
    local ____writer_0 = writer
    local changes = ____writer_0.changes
    local full_states = ____writer_0.full_states
    local identity = ____writer_0.identity
    local last_received_at = ____writer_0.last_received_at
    local revision = ____writer_0.revision
    writer.changes = {}
    local merged = kv_merge.apply(
        kvs,
        changes,
        time_slice.start()
    )
    if not has_new_full_state(writer, full_states) then
        writer.kvs = merged
    end
    return snapshot_file.write(writer.path, {identity = identity, revision = revision, last_received_at = last_received_at, kvs = merged})
end

--- Frees the keys, unless a feed is open: the next feed begins with a full state.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function free_if_unused(writer)
    if not writer.has_feed then
        writer.kvs = nil
        writer.changes = {}
        writer.is_dirty = false
    end
end

--- Writes the file. When the worker is exiting, it writes again until the file is up to date.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
---@return number? # seconds until the next write, or nil if nothing is left to write
local function run(writer)
    while needs_writing(writer) and writer.kvs ~= nil do
        writer.is_dirty = false
        local ok, err = write(writer, writer.kvs)
        if ok == nil and err ~= writer.last_error then
            local cause = printable.of(err)
            ngx.log(
                ngx.WARN,
                "snapshot: not written: ",
                cause,
                "; retrying in ",
                writer.interval,
                " s"
            )
        end
        writer.last_error = err
        if not ngx.worker.exiting() then
            break
        end
    end
    if needs_writing(writer) or writer.last_error ~= nil and writer.has_feed then
        writer.is_dirty = true
        return writer.interval
    end
    free_if_unused(writer)
    return nil
end

--- Notes a batch, which is written to the file later.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
---@param batch resty.etcd.watch.feed.Batch
---@param age number seconds since the last response from etcd
local function note(writer, batch, age)
    writer.revision = batch.revision
    writer.last_received_at = ngx.now() - age
    if batch.full ~= nil then
        writer.kvs = batch.full
        writer.changes = {}
        writer.full_states = writer.full_states + 1
    elseif #batch.events == 0 or writer.kvs == nil then
        return
    end
    for ____, event in ipairs(batch.events) do
        writer.changes[event.kv.key] = event
    end
    writer.is_dirty = true
    timer_loop.start(writer.loop, writer.interval)
end

--- Notes that a feed was opened.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function attach(writer)
    writer.has_feed = true
end

--- Notes that the feed was closed. Changes that were not written yet are still written.
---@param writer resty.etcd.storage.snapshot_writer.SnapshotWriter
local function detach(writer)
    writer.has_feed = false
    if not writer.loop.is_started then
        free_if_unused(writer)
    end
end

---@param path string
---@param identity string
---@param interval number seconds between a change and its write to the file
---@return resty.etcd.storage.snapshot_writer.SnapshotWriter
local function create(path, identity, interval)
    local writer
    writer = {
        path = path,
        identity = identity,
        interval = interval,
        loop = timer_loop.new(
            "snapshot",
            function() return run(writer) end,
            {}
        ),
        kvs = nil,
        changes = {},
        revision = 0,
        last_received_at = 0,
        full_states = 0,
        is_dirty = false,
        has_feed = false,
        last_error = nil
    }
    return writer
end
_M.attach = attach
_M.new = create
_M.note = note
_M.detach = detach

return _M
