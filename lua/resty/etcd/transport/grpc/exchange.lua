-- Generated from src/resty/etcd/transport/grpc/exchange.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local waits = require("resty.etcd.base.wait")
local timer_loops = require("resty.etcd.base.timer_loop")
local connection_ios = require("resty.etcd.transport.grpc.connection_io")
local failures = require("resty.etcd.transport.failure")
local faults = require("resty.etcd.transport.fault")
local sessions = require("resty.etcd.transport.grpc.session")
local now = clock.now
local min = math.min

--- Seconds that a request without deadline can take: nginx's default for sockets.
local DEFAULT_TIME = 60

--- Returns the time by which a request must be answered.
---@param context resty.etcd.transport.transport.RequestContext
---@return number
local function deadline_of(context)
    return context.deadline or context.started + DEFAULT_TIME
end

--- Returns the time until which a request waits, which is shorter while the connection is not established.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param context resty.etcd.transport.transport.RequestContext
---@return number
local function time_limit(connection, context)
    local deadline = deadline_of(context)
    local connect_deadline = context.connect_deadline
    return connect_deadline ~= nil and not connection.session.is_ready and min(deadline, connect_deadline) or deadline
end

--- Waits until a time, or until the exchange is woken. The caller checks what has changed.
---@param exchange resty.etcd.transport.grpc.types.Exchange
---@param time number
---@return "posted"|"timeout"|"cannot_wait" outcome
---@return string? reason
local function wait_until(exchange, time)
    exchange.is_waiting = true
    local outcome, reason = waits.wait(
        exchange.signal,
        time - now()
    )
    exchange.is_waiting = false
    return outcome, reason
end

--- Cancels the stream of an exchange that is not needed any more.
---@param exchange resty.etcd.transport.grpc.types.Exchange
local function cancel(exchange)
    sessions.cancel(exchange.connection.session, exchange.stream)
    connection_ios.flush(exchange.connection)
end

--- Ends an exchange whose time is over.
---@param exchange resty.etcd.transport.grpc.types.Exchange
---@param sent boolean the server can have processed the request
---@return resty.etcd.transport.transport.LocalFailure
local function time_out(exchange, sent)
    local ____exchange_0 = exchange
    local connection = ____exchange_0.connection
    cancel(exchange)
    local ____temp_1
    if not connection.has_run then
        ____temp_1 = timer_loops.problem(connection.loop)
    else
        ____temp_1 = nil
    end
    local problem = ____temp_1
    return failures.local_failure("timeout", problem or "timeout", sent)
end

--- Ends an exchange in a phase that cannot wait.
---@param exchange resty.etcd.transport.grpc.types.Exchange
---@param reason string?
---@return resty.etcd.transport.transport.LocalFailure
local function fail_in_phase(exchange, reason)
    cancel(exchange)
    return failures.local_failure("phase", "not in this phase: " .. (reason or "waiting"), false)
end

--- Returns the failure of a stream that did not end with a response.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param ending resty.etcd.transport.grpc.types.StreamEnd
---@param sent boolean the complete request was possibly sent
---@param problem string? what is wrong with the response
---@return resty.etcd.transport.transport.LocalFailure
local function failure_of(connection, ending, sent, problem)
    local is_processed = sent and not ending.is_unprocessed
    if ending.kind == "malformed" then
        return failures.local_failure("malformed", problem or "malformed reply: HTTP/2 stream", sent)
    end
    if ending.kind == "reset" then
        local text = ending.is_unprocessed and "stream refused by the server" or "stream reset by the server: " .. tostring(ending.code)
        return failures.local_failure(is_processed and "lost" or "connect", text, is_processed, true)
    end
    if ending.kind == "lost" then
        local fault = connection.fault or faults.make_fault("closed", "closed")
        return faults.to_failure(fault, is_processed)
    end
    return failures.local_failure("closed", "closed", sent)
end
_M.cancel = cancel
_M.deadline_of = deadline_of
_M.fail_in_phase = fail_in_phase
_M.failure_of = failure_of
_M.time_limit = time_limit
_M.time_out = time_out
_M.wait_until = wait_until

return _M
