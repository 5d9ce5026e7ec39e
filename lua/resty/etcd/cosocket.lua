-- Generated from src/resty/etcd/cosocket.ts by TypeScriptToLua. Do not edit.
local _M = {}
local body_stream = require("resty.etcd.body_stream")
local connection = require("resty.etcd.connection")
local http1 = require("resty.etcd.http1")
local source_reader = require("resty.etcd.source")

--- Connects, sends and reads the head of the answer. `stale` tells that the connection came from the pool and
--- was dead.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param body string
---@param fresh boolean
---@return resty.etcd.http1.Head? head
---@return resty.etcd.source.Source? source
---@return string? err
---@return boolean? sent
---@return boolean? stale
local function ask_once(route, delivery, body, fresh)
    local sock, err, reused = connection.connect(route, delivery, fresh)
    if sock == nil then
        return nil, nil, err, false, false
    end
    local source = source_reader.new(sock, delivery.deadline, reused and delivery.started or 0)
    local bytes, send_err = sock:send(http1.format_request(route, delivery.token, body))
    if bytes == nil then
        sock:close()
        return nil, nil, send_err, true, reused and connection.is_dead(send_err)
    end
    local head, head_err = http1.read_head(source)
    if head == nil then
        sock:close()
        local stale = reused and not source.touched and connection.is_dead(head_err)
        return nil, nil, head_err, true, stale
    end
    return head, source
end

--- As `ask_once`, with a second go on a fresh connection where that is safe.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param body string
---@return resty.etcd.http1.Head? head
---@return resty.etcd.source.Source? source
---@return string? err
---@return boolean? sent
---@return boolean? stale
local function ask(route, delivery, body)
    local head, source, err, sent, stale = ask_once(route, delivery, body, false)
    if head ~= nil then
        return head, source
    end
    if stale and route.repeatable then
        return ask_once(route, delivery, body, true)
    end
    return nil, nil, err, sent, stale
end

local function exchange(route, delivery, body)
    local head, source, err, sent = ask(route, delivery, body)
    if head == nil then
        return nil, err, sent
    end
    local text, body_err = http1.read_body(source, head)
    if text == nil then
        source.sock:close()
        return nil, body_err, true
    end
    connection.release(
        route.peer,
        source.sock,
        head.keepalive and source_reader.available(source) == 0
    )
    return {
        status = head.status,
        headers = http1.own_headers(head),
        body = text
    }
end

local function open(route, delivery, body)
    local head, source, err, sent = ask(route, delivery, body)
    if head == nil then
        return nil, err, sent
    end
    if source.sock.receiveany == nil then
        source.sock:close()
        return nil, connection.NOT_IN_THIS_PHASE .. ": streams", true
    end
    local headers = http1.own_headers(head)
    return {
        status = head.status,
        headers = headers,
        body = body_stream.new(source, head)
    }
end

--- The embedded HTTP client: nothing but cosockets.
local client = {exchange = exchange, open = open}
_M.client = client

return _M
