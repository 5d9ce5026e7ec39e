-- Generated from src/resty/etcd/shared_log/cursor.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local kv_merge = require("resty.etcd.storage.kv_merge")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local records = require("resty.etcd.shared_log.records")
local epoch_header = require("resty.etcd.shared_log.epoch_header")

--- A reader's position in the log.
---@class resty.etcd.shared_log.cursor.Cursor
---@field log resty.etcd.shared_log.log.Log
---@field epoch number
---@field position number Last chunk that was read.
---@field revision number Last revision that was read.
---@field history number `history` in the header of the last base that was read.

local function create(log)
    return {
        log = log,
        epoch = 0,
        position = 0,
        revision = 0,
        history = 0
    }
end

--- Moves the cursor through links to the next record, reads the record, and moves the cursor behind it.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return "reset"|"end"|"record"|"unlinked"|"missing" outcome
---@return resty.etcd.shared_log.records.StoredRecord? record
---@return resty.etcd.shared_log.log.Link? link
local function step(cursor)
    local log = cursor.log
    while true do
        do
            local epoch = cursor.epoch
            local head, is_sealed = logs.head(log, epoch)
            if head == nil then
                return "missing"
            end
            local last = head
            if is_sealed then
                local link = logs.link_of(log, epoch)
                if link == nil then
                    return "unlinked"
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
                return "missing"
            end
            cursor.position = record.last
            cursor.revision = record.revision
            return "record", record
        end
        ::__continue4::
    end
end

--- Reads the base of an epoch and moves the cursor to its first record; nil if a part of the base is missing or damaged.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.protocol.message.RawKv[]?
local function read_base(cursor, epoch, slice)
    local log = cursor.log
    local header = epoch_header.read(log, epoch)
    if header == nil then
        return nil
    end
    local kvs = {}
    local prefix = logs.key_of(log, epoch, "b")
    local number = 1
    while number <= header.chunks do
        local record = records.read(log.dict, prefix, number)
        if record == nil then
            return nil
        end
        if not kv_encoding.decode_kvs(record.payload, kvs, slice) then
            return nil
        end
        number = record.last + 1
        time_slice.yield_if_due(slice)
    end
    cursor.epoch = epoch
    cursor.position = 0
    cursor.revision = header.revision
    cursor.history = header.history
    return kvs
end

--- Adds the events of a record. Returns false if the record is damaged.
---@param changes table
---@param record resty.etcd.shared_log.records.StoredRecord
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean
local function add_changes(changes, record, slice)
    local events = kv_encoding.decode_events(record.payload, slice)
    for ____, event in ipairs(events or ({})) do
        changes[event.kv.key] = event
    end
    return events ~= nil
end

--- Reads a base and all records after it, and moves the cursor to the end of the log.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param epoch number the epoch of the base; 0 while the log has none
---@param reason "compacted"|"restored"|"list"|"snapshot" why the reader needs the full state
---@return resty.etcd.watch.feed.Batch? # the full state; nil and `end` if the log has no base yet, nil and another outcome if it cannot be read
---@return ("reset"|"end"|"record"|"unlinked"|"missing")?
local function join(cursor, epoch, reason)
    local slice = time_slice.start()
    local last_reason = reason
    local kvs
    local changes = {}
    cursor.epoch = 0
    cursor.position = 0
    if epoch ~= 0 then
        kvs = read_base(cursor, epoch, slice)
        if kvs == nil then
            return nil, "missing"
        end
    end
    while true do
        local outcome, record, link = step(cursor)
        if outcome == "record" then
            if not add_changes(changes, record, slice) then
                return nil, "missing"
            end
        elseif outcome == "reset" then
            last_reason = link.reason
            changes = {}
            kvs = read_base(cursor, link.to, slice)
            if kvs == nil then
                return nil, "missing"
            end
        elseif outcome ~= "end" or kvs == nil then
            return nil, outcome
        else
            local full = kv_merge.apply(kvs, changes, slice)
            return {revision = cursor.revision, events = {}, full = full, reason = last_reason}
        end
    end
end

--- Joins at the root.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return resty.etcd.watch.feed.Batch?
---@return ("reset"|"end"|"record"|"unlinked"|"missing")?
local function join_root(cursor)
    local root = logs.get_number(cursor.log, "root")
    if root == nil then
        return nil, "missing"
    end
    return join(cursor, root, "list")
end

--- Follows a link to an epoch that does not continue this one. The cursor stays if its state cannot be read yet.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param link resty.etcd.shared_log.log.Link
---@return resty.etcd.watch.feed.Batch?
---@return ("reset"|"end"|"record"|"unlinked"|"missing")?
local function follow_reset(cursor, link)
    local ahead = create(cursor.log)
    local batch, outcome = join(ahead, link.to, link.reason)
    if batch == nil then
        return nil, outcome
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

--- Returns the next batch after the cursor.
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return resty.etcd.watch.feed.Batch? # nil and `end` if there is none yet, nil and another outcome if it cannot be read
---@return ("reset"|"end"|"record"|"unlinked"|"missing")?
local function next(cursor)
    local outcome, record, link = step(cursor)
    if outcome == "record" then
        local events = kv_encoding.decode_events(
            record.payload,
            time_slice.start()
        )
        if events == nil then
            return nil, "missing"
        end
        return {revision = cursor.revision, events = events}
    end
    if outcome == "reset" then
        return follow_reset(cursor, link)
    end
    return nil, outcome
end
_M.new = create
_M.join = join
_M.join_root = join_root
_M.next = next
_M.step = step

return _M
