-- Generated from src/resty/etcd/transport/http/client.ts by TypeScriptToLua. Do not edit.
local _M = {}
local faults = require("resty.etcd.transport.fault")
local body_stream = require("resty.etcd.transport.http.body_stream")
local clock = require("resty.etcd.base.clock")
local phase = require("resty.etcd.base.phase")
local cosocket = require("resty.etcd.transport.http.cosocket")
local failures = require("resty.etcd.transport.failure")
local http1 = require("resty.etcd.transport.http.http1")
local socket_reader = require("resty.etcd.transport.http.socket_reader")
local now = clock.now

--- Dead pooled connections that are closed, at most, before a new one is reported as impossible.
local MAX_DISCARDS = 256

--- Returns a new connection, not one from the pool.
---@param connector resty.etcd.transport.http.types.Connector
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@return table? sock
---@return resty.etcd.transport.fault.Fault? fault
---@return boolean? reused
---@return any? link
local function connect_fresh(connector, template, context)
    for _ = 1, MAX_DISCARDS do
        local sock, err, reused, link = connector.connect(
            template,
            context,
            now()
        )
        if sock == nil then
            return nil, err
        end
        if not reused then
            return sock, nil, false, link
        end
        sock:close()
    end
    return nil, faults.make_fault("socket", "no fresh connection")
end

--- Sends a request and reads the head of the response. `stale`: the server had closed the pooled connection before.
---@param sock table
---@param reused boolean
---@param link any
---@param connector resty.etcd.transport.http.types.Connector
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param body string
---@return resty.etcd.transport.http.response_head.Head? head
---@return resty.etcd.transport.http.socket_reader.SocketReader? source
---@return resty.etcd.transport.fault.Fault? fault
---@return boolean? sent
---@return boolean? stale
local function send_on(sock, reused, link, connector, template, context, body)
    local is_set = reused and template.target.scheme == "http"
    local source = socket_reader.new(sock, context.deadline, is_set and context.started or 0)
    local late = socket_reader.refresh_timeout(source)
    if late ~= nil then
        sock:close()
        return nil, nil, late, false, false
    end
    local send_err = connector.send(link, template, context, body)
    if send_err ~= nil then
        sock:close()
        return nil, nil, send_err, true, reused and faults.is_connection_closed(send_err)
    end
    local head, head_err = http1.read_head(source)
    if head == nil then
        sock:close()
        local stale = reused and source.received == 0 and faults.is_connection_closed(head_err)
        return nil, nil, head_err, true, stale
    end
    return head, source
end

--- Sends a request. If the pooled connection was dead and the request is repeatable, sends it again on a new connection.
---@param connector resty.etcd.transport.http.types.Connector
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param body string
---@return resty.etcd.transport.http.response_head.Head? head
---@return resty.etcd.transport.http.socket_reader.SocketReader? source
---@return resty.etcd.transport.fault.Fault? fault
---@return boolean? sent
---@return boolean? stale
local function send_request(connector, template, context, body)
    if context.progress ~= nil then
        context.progress.dialed_at = now()
    end
    local sock, connect_err, reused, link = connector.connect(template, context, context.started)
    if sock == nil then
        return nil, nil, connect_err, false, false
    end
    local head, source, err, sent, stale = send_on(
        sock,
        reused,
        link,
        connector,
        template,
        context,
        body
    )
    if head ~= nil then
        return head, source
    end
    if not stale or not context.is_repeatable then
        return nil, nil, err, sent, stale
    end
    local fresh, fresh_err, ____, fresh_link = connect_fresh(connector, template, context)
    if fresh == nil then
        return nil, nil, fresh_err, true, false
    end
    local fresh_head, fresh_source, second_err = send_on(
        fresh,
        false,
        fresh_link,
        connector,
        template,
        context,
        body
    )
    if fresh_head ~= nil then
        return fresh_head, fresh_source
    end
    return nil, nil, second_err, true, false
end

--- Makes a request and reads the complete response. The caller releases the connection with `release_connection`.
---@param connector resty.etcd.transport.http.types.Connector
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param body string
---@return resty.etcd.transport.http.types.Response? res # the response; or nil and a failure
---@return resty.etcd.transport.transport.LocalFailure? err
local function request(connector, template, context, body)
    local head, source, err, sent = send_request(connector, template, context, body)
    if head == nil then
        return nil, faults.to_failure(err, sent)
    end
    local text, body_err = http1.read_body(source, head, context.max_response_size)
    if text == nil then
        source.sock:close()
        local failure = faults.to_failure(body_err, true)
        if body_err.kind == "too_large" then
            failure.http_status = head.status
        end
        return nil, failure
    end
    local is_drained = template.target.scheme ~= "https" or not socket_reader.can_have_hidden_bytes(source)
    local keepalive = head.keepalive and socket_reader.available(source) == 0 and is_drained
    return {
        status = head.status,
        headers = http1.own_headers(head),
        body = text,
        sock = source.sock,
        keepalive = keepalive
    }
end

--- Returns the connection of a response to its pool, or closes it.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param response resty.etcd.transport.http.types.Response
---@param is_sound boolean the response was decoded: after a truncated one, its rest can still arrive
local function release_connection(template, response, is_sound)
    cosocket.release(template.connection_options, response.sock, is_sound and response.keepalive)
end

--- Makes a request whose response is read as it arrives.
---@param connector resty.etcd.transport.http.types.Connector
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param body string
---@return resty.etcd.transport.http.types.StreamResponse? res # the response; or nil and a failure
---@return resty.etcd.transport.transport.LocalFailure? err
local function open(connector, template, context, body)
    if phase.is_starting() then
        return nil, failures.local_failure("phase", "not in this phase: streams", false)
    end
    local head, source, err, sent = send_request(connector, template, context, body)
    if head == nil then
        return nil, faults.to_failure(err, sent)
    end
    if source.sock.receiveany == nil then
        source.sock:close()
        return nil, failures.local_failure("lost", "blocking socket replacements have no streams", true)
    end
    local headers = http1.own_headers(head)
    return {
        status = head.status,
        headers = headers,
        body = body_stream.new(source, head)
    }
end
_M.request = request
_M.open = open
_M.release_connection = release_connection

return _M
