-- Generated from src/resty/etcd/cosocket.ts by TypeScriptToLua. Do not edit.
local _M = {}
local body_stream = require("resty.etcd.body_stream")
local clock = require("resty.etcd.clock")
local connection = require("resty.etcd.connection")
local http1 = require("resty.etcd.http1")
local source_reader = require("resty.etcd.source")
local now = clock.now

--- A request whose answer has begun.
---@class resty.etcd.cosocket.Asked
---@field head resty.etcd.http1.Head
---@field source resty.etcd.source.Source

--- Connects, sends and reads the head of the answer.
---@param peer resty.etcd.http.Peer
---@param request resty.etcd.http.Request
---@param budget resty.etcd.http.Budget
---@param fresh boolean
---@return resty.etcd.cosocket.Asked? asked # what was asked; or nil, an error text, whether some of the request may have left, and whether the connection came from the pool and was dead
---@return string? err
---@return boolean? sent
---@return boolean? stale
local function ask_once(peer, request, budget, fresh)
    local started = now()
    local sock, err, reused = connection.connect(peer, request, budget, fresh)
    if sock == nil then
        return nil, err, false, false
    end
    local source = source_reader.new(sock, budget.deadline, reused and started or 0)
    local bytes, send_err = sock:send(http1.format_request(request))
    if bytes == nil then
        sock:close()
        return nil, send_err, true, reused and connection.is_dead(send_err)
    end
    local head, head_err = http1.read_head(source)
    if head == nil then
        sock:close()
        return nil, head_err, true, reused and not source.touched and connection.is_dead(head_err)
    end
    return {head = head, source = source}
end

--- As `ask_once`, with a second go on a fresh connection where that is safe.
---@param peer resty.etcd.http.Peer
---@param request resty.etcd.http.Request
---@param budget resty.etcd.http.Budget
---@return resty.etcd.cosocket.Asked? asked
---@return string? err
---@return boolean? sent
local function ask(peer, request, budget)
    local asked, err, sent, stale = ask_once(peer, request, budget, false)
    if asked ~= nil then
        return asked
    end
    if stale and request.repeatable then
        local again, again_err, again_sent = ask_once(peer, request, budget, true)
        if again ~= nil then
            return again
        end
        return nil, again_err, again_sent
    end
    return nil, err, sent
end

local function exchange(peer, request, budget)
    local asked, err, sent = ask(peer, request, budget)
    if asked == nil then
        return nil, err, sent
    end
    local ____asked_0 = asked
    local head = ____asked_0.head
    local source = ____asked_0.source
    local body, body_err = http1.read_body(source, head)
    if body == nil then
        source.sock:close()
        return nil, body_err, true
    end
    connection.release(
        peer,
        source.sock,
        head.keepalive and source_reader.available(source) == 0
    )
    return {status = head.status, headers = head.headers, body = body}
end

local function open(peer, request, budget)
    local asked, err, sent = ask(peer, request, budget)
    if asked == nil then
        return nil, err, sent
    end
    local ____asked_1 = asked
    local head = ____asked_1.head
    local source = ____asked_1.source
    if source.sock.receiveany == nil then
        source.sock:close()
        return nil, "no streams in this phase", true
    end
    return {
        status = head.status,
        headers = head.headers,
        body = body_stream.new(source, head)
    }
end

--- The embedded HTTP client: nothing but cosockets.
local client = {exchange = exchange, open = open}
_M.client = client

return _M
