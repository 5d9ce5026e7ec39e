-- Generated from src/resty/etcd/shared_log/cursor.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local kv_merge = require("resty.etcd.storage.kv_merge")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local epoch_header = require("resty.etcd.shared_log.epoch_header")

--- A place in the log.
---@class resty.etcd.shared_log.cursor.Cursor
---@field log resty.etcd.shared_log.log.Log
---@field epoch number
---@field position number Last piece that was read.
---@field revision number Everything up to it was read.
---@field history number As of the latest base that was read: the epoch with which etcd's history became another one.

local function create(log)
    return {
        log = log,
        epoch = 0,
        position = 0,
        revision = 0,
        history = 0
    }
end

--- Moves on to what is next, through links; a record is read, and the cursor stands behind it.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return "lost"|"end"|"reset"|"record"|"between" finding
---@return resty.etcd.shared_log.records.Stored? record
---@return resty.etcd.shared_log.log.Link? link
local function step(cursor)
    local log = cursor.log
    while true do
        do
            local epoch = cursor.epoch
            local head, is_sealed = logs.head(log, epoch)
            if head == nil then
                return "lost"
            end
            local last = head
            if is_sealed then
                local link = logs.link_of(log, epoch)
                if link == nil then
                    return "between"
                end
                last = link.at
                if cursor.position >= last then
                    if link.reason ~= nil then
                        return "reset", nil, link
                    end
                    cursor.epoch = link.to
                    cursor.position = link.skip
                    goto __continue4
                end
            end
            if cursor.position >= last then
                return "end"
            end
            local record = records.read(
                log.dict,
                logs.key_of(log, epoch, "r"),
                cursor.position + 1
            )
            if record == nil then
                return "lost"
            end
            cursor.position = record.last
            cursor.revision = record.revision
            return "record", record
        end
        ::__continue4::
    end
end

--- Reads the base of an epoch and stands at its beginning; nil if it is not all there.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.protocol.message.RawKv[]?
local function read_base(cursor, epoch, slice)
    local log = cursor.log
    local start = epoch_header.read(log, epoch)
    if start == nil then
        return nil
    end
    local kvs = {}
    local prefix = logs.key_of(log, epoch, "b")
    local number = 1
    while number <= start.pieces do
        local record = records.read(log.dict, prefix, number)
        if record == nil then
            return nil
        end
        kv_encoding.decode_kvs(record.payload, kvs, slice)
        number = record.last + 1
        time_slice.yield_if_due(slice)
    end
    cursor.epoch = epoch
    cursor.position = 0
    cursor.revision = start.revision
    cursor.history = start.history
    return kvs
end

local function note(changes, record, slice)
    for ____, event in ipairs(kv_encoding.decode_events(record.payload, slice)) do
        changes[event.kv.key] = event
    end
end

--- Reads a base and all that has happened since, and stands at the end of the log.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number the base's; 0 as long as there is none
---@param reason "compacted"|"restored"|"list"|"snapshot"
---@return resty.etcd.watch.feed.Batch? # the state; nil and `end` if there is none yet, nil and `lost` if something is missing
---@return ("lost"|"end"|"reset"|"record"|"between")?
local function join(cursor, epoch, reason)
    local slice = time_slice.start()
    local why = reason
    local kvs
    local changes = {}
    cursor.epoch = 0
    cursor.position = 0
    if epoch ~= 0 then
        kvs = read_base(cursor, epoch, slice)
        if kvs == nil then
            return nil, "lost"
        end
    end
    while true do
        local finding, record, link = step(cursor)
        if finding == "record" then
            note(changes, record, slice)
        elseif finding == "reset" then
            why = link.reason
            changes = {}
            kvs = read_base(cursor, link.to, slice)
            if kvs == nil then
                return nil, "lost"
            end
        elseif finding == "lost" or finding == "between" or kvs == nil then
            return nil, finding
        else
            local full = kv_merge.apply(kvs, changes, slice)
            return {revision = cursor.revision, events = {}, full = full, reason = why}
        end
    end
end

--- Joins where reading begins now.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return resty.etcd.watch.feed.Batch?
---@return ("lost"|"end"|"reset"|"record"|"between")?
local function join_root(cursor)
    local root = logs.number_at(cursor.log, "root")
    if root == nil then
        return nil, "lost"
    end
    return join(cursor, root, "list")
end

--- Follows a link to a state that begins anew. The cursor stays where it is if that cannot be read to its end now.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param link resty.etcd.shared_log.log.Link
---@return resty.etcd.watch.feed.Batch?
---@return ("lost"|"end"|"reset"|"record"|"between")?
local function follow_reset(cursor, link)
    local ahead = create(cursor.log)
    local batch, finding = join(ahead, link.to, link.reason)
    if batch == nil then
        return nil, finding
    end
    if ahead.history > cursor.epoch then
        batch.reason = "restored"
    end
    cursor.epoch = ahead.epoch
    cursor.position = ahead.position
    cursor.revision = ahead.revision
    cursor.history = ahead.history
    return batch
end

--- The next batch after the cursor.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return resty.etcd.watch.feed.Batch? # nil and `end` if there is none yet, nil and `lost` if something is missing
---@return ("lost"|"end"|"reset"|"record"|"between")?
local function next(cursor)
    local finding, record, link = step(cursor)
    if finding == "record" then
        return {
            revision = cursor.revision,
            events = kv_encoding.decode_events(
                record.payload,
                time_slice.start()
            )
        }
    end
    if finding == "reset" then
        return follow_reset(cursor, link)
    end
    return nil, finding
end
_M.new = create
_M.join = join
_M.join_root = join_root
_M.next = next
_M.step = step

return _M
