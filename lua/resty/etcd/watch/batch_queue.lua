-- Generated from src/resty/etcd/watch/batch_queue.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Batches that wait to be taken, and behind them those that wait for a full state to be read. Written by this file.
---@class resty.etcd.watch.batch_queue.BatchQueue
---@field items table
---@field first number
---@field last number
---@field events number Queued and buffered, without full states.
---@field bytes number Their approximate size in memory.
---@field max_events number
---@field max_bytes number
---@field full_at number? Position of a full state that replaced lost revisions; nil if none is queued.
---@field buffered resty.etcd.watch.batch_queue.Item[] Batches after a full state that has not been read yet.

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
        full_at = nil,
        buffered = {}
    }
end

local function is_empty(queue)
    return queue.first > queue.last
end

--- Reports whether a limit is reached. The batch that reaches it is still accepted, however large it is.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return boolean
local function is_full(queue)
    return queue.events >= queue.max_events or queue.bytes >= queue.max_bytes
end

--- Reports whether a queue that was full is half empty: refilling it earlier would pause and resume for each batch.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return boolean
local function has_room(queue)
    return queue.events <= queue.max_events / 2 and queue.bytes <= queue.max_bytes / 2
end

local function size_of_kv(kv)
    return kv == nil and 0 or #kv.key + #(kv.value or "") + 100
end

--- Returns the approximate size of a batch in memory.
---@param batch resty.etcd.watch.feed.Batch
---@return number
local function size_of(batch)
    local bytes = 0
    for ____, event in ipairs(batch.events) do
        bytes = bytes + size_of_kv(event.kv) + size_of_kv(event.prev_kv)
    end
    return bytes
end

local function count(queue, item)
    queue.events = queue.events + #item.batch.events
    queue.bytes = queue.bytes + item.bytes
end

local function uncount(queue, item)
    queue.events = queue.events - #item.batch.events
    queue.bytes = queue.bytes - item.bytes
end

local function append(queue, item)
    queue.last = queue.last + 1
    queue.items[queue.last] = item
    count(queue, item)
end

local function push(queue, batch)
    append(
        queue,
        {
            batch = batch,
            bytes = size_of(batch)
        }
    )
end

--- Adds a batch without events. It replaces one that is the last in the queue.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@param revision number
local function push_progress(queue, revision)
    local batch = {revision = revision, events = {}}
    local last = queue.items[queue.last]
    if last ~= nil and last.batch.full == nil and #last.batch.events == 0 then
        queue.items[queue.last] = {batch = batch, bytes = 0}
    else
        push(queue, batch)
    end
end

local function drop_last(queue)
    uncount(queue, queue.items[queue.last])
    queue.items[queue.last] = nil
    queue.last = queue.last - 1
end

--- Adds a full state. One that replaces lost revisions also replaces a queued one of this kind and all batches behind
--- that. A first list stays queued, because watchers report what follows as the difference to it.
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
    push(queue, batch)
    if batch.reason ~= "list" then
        queue.full_at = queue.last
    end
end

--- Keeps a batch until the full state before it has been read.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@param batch resty.etcd.watch.feed.Batch
local function buffer(queue, batch)
    local item = {
        batch = batch,
        bytes = size_of(batch)
    }
    local ____queue_buffered_0 = queue.buffered
    ____queue_buffered_0[#____queue_buffered_0 + 1] = item
    count(queue, item)
end

--- Empties the buffer and returns what was in it, for `append`.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
---@return resty.etcd.watch.batch_queue.Item[]
local function take_buffered(queue)
    local buffered = queue.buffered
    for ____, item in ipairs(buffered) do
        uncount(queue, item)
    end
    queue.buffered = {}
    return buffered
end

--- Removes and returns the oldest batch; nil if there is none.
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
    uncount(queue, item)
    if queue.full_at == first then
        queue.full_at = nil
    end
    return item.batch
end

--- Removes everything.
---@param queue resty.etcd.watch.batch_queue.BatchQueue
local function clear(queue)
    take_buffered(queue)
    while pop(queue) ~= nil do
    end
end
_M.append = append
_M.buffer = buffer
_M.clear = clear
_M.new = create
_M.has_room = has_room
_M.is_empty = is_empty
_M.is_full = is_full
_M.pop = pop
_M.push = push
_M.push_full = push_full
_M.push_progress = push_progress
_M.take_buffered = take_buffered

return _M
