-- Generated from src/resty/etcd/transport/grpc/connection_io.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local waits = require("resty.etcd.base.wait")
local faults = require("resty.etcd.transport.fault")
local send_queue = require("resty.etcd.transport.grpc.send_queue")
local sessions = require("resty.etcd.transport.grpc.session")
local now = clock.now

--- Milliseconds in which a connection must be established. Calls do not wait longer than their own time budget.
local DIAL_MS = 5000

--- No timeout: nginx logs each one. The owner of the connection finds servers that do not respond.
local NO_TIMEOUT_MS = 2147483647

--- Largest number of bytes that one read takes.
local READ_SIZE = 65536

--- Maximum seconds of a wait for something to send.
local MAX_WAIT = 3600

--- Notes why a connection ends. Its owner ends it.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param fault resty.etcd.transport.fault.Fault
local function fail(connection, fault)
    if connection.fault == nil then
        connection.fault = fault
        connection.owner:post(1)
    end
end

--- Wakes the light thread that sends.
---@param connection resty.etcd.transport.grpc.types.Connection
local function wake_writer(connection)
    if not connection.is_writer_awake then
        connection.is_writer_awake = true
        connection.writer:post(1)
    end
end

--- Sends what the session has queued, if there is something.
---@param connection resty.etcd.transport.grpc.types.Connection
local function flush(connection)
    if send_queue.has_output(connection.session) then
        wake_writer(connection)
    end
end

local function connect(sock, peer)
    local options = {pool = "resty.etcd|grpc|" .. peer.name, pool_size = 1}
    if peer.port == nil then
        return sock:connect(peer.host, options)
    end
    return sock:connect(peer.host, peer.port, options)
end

--- Connects. Returns a fault, or nil.
---@param connection resty.etcd.transport.grpc.types.Connection
---@return resty.etcd.transport.fault.Fault?
local function dial(connection)
    local ok, made, make_err = pcall(ngx.socket.tcp)
    if not ok or made == nil then
        return ok and faults.of_socket(tostring(make_err)) or faults.make_fault(
            "phase",
            tostring(made)
        )
    end
    local sock = made
    if sock.receiveany == nil or sock.settimeouts == nil then
        return faults.make_fault("phase", "blocking socket replacements have no streams")
    end
    sock:settimeouts(DIAL_MS, NO_TIMEOUT_MS, NO_TIMEOUT_MS)
    local connected, err = connect(sock, connection.peer)
    if connected == nil then
        return faults.of_socket(err)
    end
    connection.sock = sock
    return nil
end

--- Returns the fault for an error of the socket.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param text string
---@return resty.etcd.transport.fault.Fault
local function read_fault(connection, text)
    local fault = faults.of_socket(text)
    if not connection.session.is_ready and faults.is_connection_closed(fault) then
        return faults.make_fault("closed", "closed before HTTP/2 SETTINGS")
    end
    return fault
end

--- Reads until the connection ends.
---@param connection resty.etcd.transport.grpc.types.Connection
local function read_all(connection)
    local ____connection_0 = connection
    local session = ____connection_0.session
    local sock = connection.sock
    local slice = time_slice.start()
    while connection.fault == nil do
        local before = now()
        local chunk, err = sock:receiveany(READ_SIZE)
        if chunk == nil then
            fail(
                connection,
                read_fault(connection, err)
            )
            return
        end
        time_slice.restart_after_wait(slice, before)
        connection.received_at = now()
        local was_ready = session.is_ready
        local failure = sessions.receive(session, chunk)
        if failure ~= nil then
            local text = session.is_ready and "malformed reply: HTTP/2: " .. failure.text or "no HTTP/2: " .. failure.text
            fail(
                connection,
                faults.make_fault("malformed", text)
            )
            return
        end
        if session.is_ready and not was_ready then
            connection.peer.failures = 0
        end
        flush(connection)
        time_slice.yield_if_due(slice)
    end
end

--- Sends until the connection ends: all that is queued, in one call.
---@param connection resty.etcd.transport.grpc.types.Connection
local function write_all(connection)
    local ____connection_1 = connection
    local session = ____connection_1.session
    local sock = connection.sock
    while connection.fault == nil do
        connection.is_writer_awake = false
        local bytes = send_queue.take_output(session)
        if bytes == "" then
            waits.wait(connection.writer, MAX_WAIT)
        else
            local sent, err = sock:send(bytes)
            if sent == nil then
                fail(
                    connection,
                    read_fault(connection, err)
                )
                return
            end
        end
    end
end
_M.dial = dial
_M.fail = fail
_M.flush = flush
_M.read_all = read_all
_M.wake_writer = wake_writer
_M.write_all = write_all

return _M
