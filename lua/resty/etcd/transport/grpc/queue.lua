-- Generated from src/resty/etcd/transport/grpc/queue.ts by TypeScriptToLua. Do not edit.
local _M = {}

local function create()
    return {items = {}, first = 1, last = 0}
end

local function push(queue, item)
    queue.last = queue.last + 1
    queue.items[queue.last] = item
end

--- Removes the first item and returns it, or nil if the queue is empty.
---@generic T
---@param queue resty.etcd.transport.grpc.types.Queue
---@return T?
local function pop(queue)
    local first = queue.first
    if first > queue.last then
        return nil
    end
    local item = queue.items[first]
    queue.items[first] = nil
    if first == queue.last then
        queue.first = 1
        queue.last = 0
    else
        queue.first = first + 1
    end
    return item
end

--- Returns the first item, or nil if the queue is empty.
---@generic T
---@param queue resty.etcd.transport.grpc.types.Queue
---@return T?
local function peek(queue)
    return queue.items[queue.first]
end
_M.new = create
_M.peek = peek
_M.pop = pop
_M.push = push

return _M
