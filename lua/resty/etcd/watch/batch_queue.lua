-- Generated from src/resty/etcd/watch/batch_queue.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Batches that wait for their consumer.
---@class resty.etcd.watch.batch_queue.BatchQueue
---@field items table
---@field first number
---@field last number
---@field events number What waits, without full states.
---@field bytes number
---@field max_events number
---@field max_bytes number
---@field full_at number? Where a full state waits that became necessary.

---@class resty.etcd.watch.batch_queue.Item
---@field batch resty.etcd.watch.feed.Batch
---@field bytes number

local function create(max_events, max_bytes)
    return {
        items = {},
        first = 1,
        last = 0,
        events = 0,
        bytes = 0,
        max_events = max_events,
        max_bytes = max_bytes,
        full_at = nil
    }
end

local function is_empty(queue)
    return queue.first > queue.last
end

--- No more fits in. A single batch always does, however large.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return boolean
local function is_full(queue)
    return queue.events >= queue.max_events or queue.bytes >= queue.max_bytes
end

--- Enough has been taken out that it is worth going on.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return boolean
local function has_room(queue)
    return queue.events <= queue.max_events / 2 and queue.bytes <= queue.max_bytes / 2
end

local function push(queue, batch, bytes)
    queue.last = queue.last + 1
    queue.items[queue.last] = {batch = batch, bytes = bytes}
    queue.events = queue.events + #batch.events
    queue.bytes = queue.bytes + bytes
end

--- Moves how far etcd has come, where nothing else has happened since it was told last.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@param revision number
local function push_progress(queue, revision)
    local last = queue.items[queue.last]
    if last ~= nil and last.batch.full == nil and #last.batch.events == 0 then
        last.batch = {revision = revision, events = {}}
    else
        push(queue, {revision = revision, events = {}}, 0)
    end
end

local function drop_last(queue)
    local item = queue.items[queue.last]
    queue.items[queue.last] = nil
    queue.last = queue.last - 1
    queue.events = queue.events - #item.batch.events
    queue.bytes = queue.bytes - item.bytes
end

--- Adds a full state. One that became necessary takes the place of another such one that still waits, and of all that
--- came after that; the first list stays, as what is told later is told as the difference to it.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@param batch resty.etcd.watch.feed.Batch
local function push_full(queue, batch)
    local full_at = queue.full_at
    if full_at ~= nil then
        if queue.items[full_at].batch.reason == "restored" then
            batch.reason = "restored"
        end
        while queue.last >= full_at do
            drop_last(queue)
        end
    end
    push(queue, batch, 0)
    if batch.reason ~= "list" then
        queue.full_at = queue.last
    end
end

--- The oldest batch, nil if there is none.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return resty.etcd.watch.feed.Batch?
local function pop(queue)
    local first = queue.first
    local item = queue.items[first]
    if item == nil then
        return nil
    end
    queue.items[first] = nil
    queue.first = first + 1
    queue.events = queue.events - #item.batch.events
    queue.bytes = queue.bytes - item.bytes
    if queue.full_at == first then
        queue.full_at = nil
    end
    return item.batch
end

local function clear(queue)
    while pop(queue) ~= nil do
    end
end
_M.clear = clear
_M.new = create
_M.has_room = has_room
_M.is_empty = is_empty
_M.is_full = is_full
_M.pop = pop
_M.push = push
_M.push_full = push_full
_M.push_progress = push_progress

return _M
