-- Generated from src/resty/etcd/transport/grpc/connection.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local backoff = require("resty.etcd.base.backoff")
local printable = require("resty.etcd.base.printable")
local clock = require("resty.etcd.base.clock")
local timer_loops = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local faults = require("resty.etcd.transport.fault")
local connection_io = require("resty.etcd.transport.grpc.connection_io")
local sessions = require("resty.etcd.transport.grpc.session")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds between two checks of a connection. The worker's exit is noticed within this time.
local CHECK_INTERVAL = 0.5

--- Seconds in which a server must send its SETTINGS, which is the first that it sends.
local SETTINGS_TIME = 5

--- Seconds after which a connection without streams is closed, as nginx does with idle ones.
local IDLE_TIME = 60

--- Seconds in which a server must answer a PING.
local PING_TIME = 5

--- Longest interval of PINGs in seconds. It doubles when the server complains.
local MAX_PING_INTERVAL = 120

--- Delay in seconds before the next connection after one that has failed, and the longest one. Calls do not wait for it, but
-- return the last error: so it is short, and only bounds how often each worker dials.
local FIRST_DELAY = 0.05
local MAX_DELAY = 1

--- Light threads and connections that a connection leaves in its timer, in addition to its turn.
local LEFTOVERS = 3

--- The connection has ended as planned. No call was using it.
local ENDED = faults.make_fault("closed", "closed")

--- Reports whether a connection accepts calls.
---@param connection resty.etcd.transport.grpc.types.Connection
---@return boolean
local function accepts(connection)
    return connection.fault == nil and not connection.session.is_draining
end

--- Notes that a connection accepts no calls any more: the next call dials again.
---@param connection resty.etcd.transport.grpc.types.Connection
local function leave(connection)
    local peer = connection.peer
    if peer.connection == connection then
        peer.connection = nil
    end
end

--- Fails the streams of a connection that has ended.
---@param connection resty.etcd.transport.grpc.types.Connection
local function finish(connection)
    local ____connection_0 = connection
    local peer = ____connection_0.peer
    local session = ____connection_0.session
    leave(connection)
    if not session.is_ready then
        peer.last_fault = connection.fault
        peer.next_dial_at = now() + backoff.exponential(FIRST_DELAY, MAX_DELAY, peer.failures)
        peer.failures = peer.failures + 1
    end
    sessions.fail(session)
end

--- Sends PING to a server that is silent while streams are open. Returns a fault if the last one has no answer.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param time number
---@return resty.etcd.transport.fault.Fault?
local function check_silence(connection, time)
    local ____connection_1 = connection
    local peer = ____connection_1.peer
    local session = ____connection_1.session
    if session.pings > 0 then
        local is_dead = connection.received_at < connection.pinged_at and time - connection.pinged_at > PING_TIME
        return is_dead and faults.make_fault("timeout", "timeout: no answer to PING") or nil
    end
    local since = max(connection.received_at, connection.pinged_at, connection.busy_since)
    if time - since >= peer.ping_interval then
        connection.pinged_at = time
        sessions.ping(session)
    end
    return nil
end

--- Doubles the interval of PINGs if the server has ended the connection because of them.
---@param connection resty.etcd.transport.grpc.types.Connection
local function heed_complaint(connection)
    local ____connection_2 = connection
    local peer = ____connection_2.peer
    local session = ____connection_2.session
    if session.goaway_code == 11 and not connection.has_heeded then
        connection.has_heeded = true
        peer.ping_interval = min(MAX_PING_INTERVAL, peer.ping_interval * 2)
        local name = printable.key(peer.name)
        local seconds = peer.ping_interval
        ngx.log(
            ngx.WARN,
            "gRPC connection to ",
            name,
            ": too many frames for the server; next PINGs after ",
            seconds,
            " s"
        )
    end
end

--- Notes whether streams are open, and since when. Returns whether there are.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param time number
---@return boolean
local function note_use(connection, time)
    local session = connection.session
    local is_busy = session.active + session.waiting_count > 0
    if is_busy and not connection.is_busy then
        connection.busy_since = time
    end
    if is_busy or session.next_id ~= connection.last_id then
        connection.idle_since = time
        connection.last_id = session.next_id
    end
    connection.is_busy = is_busy
    return is_busy
end

--- Checks a connection regularly. Returns why it must end, or nil.
---@param connection resty.etcd.transport.grpc.types.Connection
---@return resty.etcd.transport.fault.Fault?
local function check(connection)
    local session = connection.session
    local time = now()
    local is_exiting = ngx.worker.exiting()
    local is_moving = timer_loops.must_hand_over(connection.loop)
    if is_moving then
        session.is_draining = true
    end
    if session.is_draining then
        leave(connection)
        heed_complaint(connection)
    end
    sessions.cancel_obsolete(session, time, is_exiting, is_moving)
    local fault
    if not note_use(connection, time) then
        local is_unused = is_exiting or session.is_draining or time - connection.idle_since > IDLE_TIME
        fault = is_unused and ENDED or nil
    elseif session.is_ready then
        fault = check_silence(connection, time)
    elseif time - connection.dialed_at > SETTINGS_TIME then
        fault = faults.make_fault("timeout", "timeout: no HTTP/2 SETTINGS")
    end
    connection_io.flush(connection)
    return fault
end

--- Stays with a connection until it ends.
---@param connection resty.etcd.transport.grpc.types.Connection
local function supervise(connection)
    while connection.fault == nil do
        waits.wait(connection.owner, CHECK_INTERVAL)
        if connection.fault == nil then
            connection.fault = check(connection)
        end
    end
end

--- Dials, and serves the connection until it ends.
---@param connection resty.etcd.transport.grpc.types.Connection
local function serve(connection)
    local fault = connection_io.dial(connection)
    timer_loops.note_leftovers(connection.loop, LEFTOVERS)
    if fault ~= nil then
        connection.fault = fault
        return
    end
    connection.dialed_at = now()
    local reader = ngx.thread.spawn(connection_io.read_all, connection)
    local writer = ngx.thread.spawn(connection_io.write_all, connection)
    local ok, err = pcall(supervise, connection)
    if not ok then
        connection.fault = faults.make_fault(
            "malformed",
            tostring(err)
        )
    end
    ngx.thread.kill(reader)
    ngx.thread.kill(writer)
    connection.sock:close()
end

--- The turn of a connection's loop. Another one follows if its timer was terminated: the socket has ended with that.
---@param connection resty.etcd.transport.grpc.types.Connection
local function run(connection)
    if not connection.has_run then
        connection.has_run = true
        serve(connection)
    end
    if connection.fault == nil then
        connection.fault = ENDED
    end
    finish(connection)
end

--- Creates a connection to a server, which begins to dial when this light thread yields.
---@param peer resty.etcd.transport.grpc.types.Peer
---@return resty.etcd.transport.grpc.types.Connection? res
---@return resty.etcd.transport.fault.Fault? err
local function create(peer)
    local owner, owner_err = semaphore.new(0)
    local writer, writer_err = semaphore.new(0)
    if owner == nil or writer == nil then
        return nil, faults.make_fault(
            "socket",
            tostring(owner_err or writer_err)
        )
    end
    local time = now()
    local connection = {
        peer = peer,
        session = sessions.new(),
        owner = owner,
        writer = writer,
        is_writer_awake = false,
        sock = nil,
        fault = nil,
        has_run = false,
        is_busy = true,
        busy_since = time,
        idle_since = time,
        last_id = 1,
        dialed_at = time,
        received_at = time,
        pinged_at = time,
        has_heeded = false
    }
    connection.loop = timer_loops.new(
        "gRPC connection to " .. peer.name,
        function()
            run(connection)
            return nil
        end,
        {pool = "streams"}
    )
    local ok, err = timer_loops.start(connection.loop, 0)
    if ok == nil then
        return nil, faults.make_fault("socket", err)
    end
    peer.connection = connection
    return connection
end

--- Returns the connection to a server, which is possibly being established.
---@param peer resty.etcd.transport.grpc.types.Peer
---@return resty.etcd.transport.grpc.types.Connection? res # nil and the last fault for a short time after a connection has failed
---@return resty.etcd.transport.fault.Fault? err
local function connection_to(peer)
    local current = peer.connection
    if current ~= nil and accepts(current) then
        return current
    end
    if peer.last_fault ~= nil and now() < peer.next_dial_at then
        return nil, peer.last_fault
    end
    return create(peer)
end
_M.connection_to = connection_to

return _M
