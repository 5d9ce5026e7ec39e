-- Generated from src/resty/etcd/transport/http/cosocket.ts by TypeScriptToLua. Do not edit.
local _M = {}
local faults = require("resty.etcd.transport.fault")
local clock = require("resty.etcd.base.clock")
local digest = require("resty.etcd.base.digest")
local files = require("resty.etcd.base.files")
local http1 = require("resty.etcd.transport.http.http1")
local socket_reader = require("resty.etcd.transport.http.socket_reader")
local client_certificate = require("resty.etcd.transport.tls.client_certificate")
local handshake = require("resty.etcd.transport.tls.handshake")
local field = digest.field
local now = clock.now
local sub = string.sub
local min = math.min

--- Largest number of bytes sent in one call. The timeout of nginx applies to each part that the kernel accepts.
local PART_SIZE = 16384

--- Pool options by name, so that calls do not allocate them.
local pools = {}

--- Largest number of cached pool options.
local MAX_POOLS = 1000
local pool_count = 0

local function pool_options(options, target, via)
    local name = "resty.etcd " .. tostring(options.pool_size) .. " " .. tostring(target.port or 0) .. " " .. field("via", via) .. field("host", target.host)
    if target.scheme == "https" then
        local ____options_tls_0 = options.tls
        local identity = ____options_tls_0.identity
        local sni = ____options_tls_0.sni
        name = name .. field("tls", identity) .. field("name", sni or target.server_name)
        name = name .. field(
            "certificate",
            client_certificate.version(options.tls)
        )
    end
    local opts = pools[name]
    if opts == nil then
        opts = {pool = name, pool_size = options.pool_size}
        if pool_count < MAX_POOLS then
            pool_count = pool_count + 1
            pools[name] = opts
        end
    end
    return opts
end

--- Creates an object that needs a cosocket. nginx raises an error in phases without cosockets.
---@param maker any
---@return table? res
---@return resty.etcd.transport.fault.Fault? err
local function make(maker)
    local ok, made, err = pcall(maker)
    if not ok then
        return nil, faults.make_fault(
            "phase",
            "not in this phase: " .. tostring(made)
        )
    end
    if made == nil then
        return nil, faults.of_socket(tostring(err))
    end
    return made
end

--- Creates a socket. `ngx.socket.tcp` is read for each call, because programs replace it.
---@return table? res
---@return resty.etcd.transport.fault.Fault? err
local function new_socket()
    local sock, err = make(ngx.socket.tcp)
    if sock == nil then
        return nil, err
    end
    return sock
end

--- Reports whether a unix socket exists: connecting to a missing one makes nginx log at level crit.
---@param unix_address string
---@return boolean
local function exists(unix_address)
    return files.exists(sub(unix_address, 6))
end

--- Sets the timeouts of a socket for connecting and for the TLS handshake. Without a deadline, those of nginx apply.
---@param sock table
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param time number
---@param is_halved boolean connecting and the handshake are one step, so each gets half of the time
---@return resty.etcd.transport.fault.Fault? # a fault if no time is left
local function set_connect_timeouts(sock, template, context, time, is_halved)
    local deadline = context.deadline
    if deadline ~= nil then
        local all = (context.handshake_deadline or deadline) - time
        local session_time = is_halved and all / 2 or all
        local connect_time = min((context.connect_deadline or deadline) - time, session_time)
        if connect_time <= 0 then
            return faults.TIMEOUT
        end
        socket_reader.set_timeouts(sock, connect_time, template.target.scheme == "https" and session_time or deadline - time)
    end
    return nil
end

--- Sets the timeouts of a connected socket for the TLS handshake. Returns a fault if no time is left.
---@param sock table
---@param context resty.etcd.transport.transport.RequestContext
---@return resty.etcd.transport.fault.Fault?
local function set_session_timeout(sock, context)
    local deadline = context.deadline
    if deadline ~= nil then
        local left = (context.handshake_deadline or deadline) - now()
        if left <= 0 then
            return faults.TIMEOUT
        end
        socket_reader.set_timeouts(sock, left, left)
    end
    return nil
end

--- Creates a socket whose connect timeout is set.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param time number
---@return table? res
---@return resty.etcd.transport.fault.Fault? err
local function open_socket(template, context, time)
    local sock, err = new_socket()
    if sock == nil then
        return nil, err
    end
    local late = set_connect_timeouts(
        sock,
        template,
        context,
        time,
        false
    )
    if late ~= nil then
        return nil, late
    end
    return sock
end

--- Connects to a unix socket. Blocking socket replacements recognize one by the missing port, and have no pools.
---@param sock table
---@param address string
---@param pool table
---@return 1? res
---@return string? err
local function dial_unix(sock, address, pool)
    if sock.receiveany == nil then
        return sock:connect(address)
    end
    return sock:connect(address, pool)
end

--- Returns the pool of a request. That of a client certificate on disk changes with the files.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@return table
local function pool_of(template)
    local ____template_1 = template
    local connection_options = ____template_1.connection_options
    local pool = ____template_1.pool
    local target = ____template_1.target
    local is_on_disk = connection_options.tls.cert_path ~= nil or connection_options.tls.key_path ~= nil
    return target.scheme == "https" and is_on_disk and pool_options(connection_options, target, "") or pool
end

local function dial_target(sock, template)
    local target = template.target
    local pool = pool_of(template)
    if target.port == nil then
        return dial_unix(sock, target.host, pool)
    end
    return sock:connect(target.host, target.port, pool)
end

local function dial(template, context, time)
    local unix_proxy = context.unix_proxy
    if unix_proxy ~= nil and exists(unix_proxy) then
        local proxied = open_socket(template, context, time)
        if proxied ~= nil then
            local ok = dial_unix(
                proxied,
                unix_proxy,
                pool_options(template.connection_options, template.target, unix_proxy)
            )
            if ok ~= nil then
                return proxied
            end
        end
    end
    local sock, sock_err = open_socket(template, context, time)
    if sock == nil then
        return nil, sock_err
    end
    local ok, err = dial_target(sock, template)
    if ok == nil then
        return nil, faults.of_socket(err)
    end
    return sock
end

local function connect(template, context, time)
    local sock, err = dial(template, context, time)
    if sock == nil then
        return nil, err
    end
    if context.progress ~= nil then
        context.progress.connected_at = now()
    end
    local times = sock:getreusedtimes()
    if (times or 0) > 0 then
        return sock, nil, true, sock
    end
    local target = template.target
    if target.scheme == "https" then
        local too_late = set_session_timeout(sock, context)
        if too_late ~= nil then
            sock:close()
            return nil, too_late
        end
        local session, tls_err = handshake.handshake(sock, template.connection_options.tls, target.server_name)
        if session == nil then
            sock:close()
            return nil, tls_err
        end
    end
    return sock, nil, false, sock
end

--- Splits a long text into parts, because the send timeout of nginx starts again with each byte that the server accepts. Before
--- each part, the timeouts are set to the time that is left.
---@param sock table
---@param context resty.etcd.transport.transport.RequestContext
---@param text string
---@return fun(): string?, string? # a function that returns the next part; nil at the end; or nil and "timeout"
local function chunks_of(sock, context, text)
    local timeouts = socket_reader.new(sock, context.deadline, 0)
    local at = 1
    return function()
        if at > #text then
            return
        end
        local late = socket_reader.refresh_timeout(timeouts)
        if late ~= nil then
            return nil, late.text
        end
        local part = sub(text, at, at + PART_SIZE - 1)
        at = at + PART_SIZE
        return part
    end
end

local function send_part(sock, bytes)
    local ____, err = sock:send(bytes)
    return err ~= nil and faults.of_socket(err) or nil
end

local function send(link, template, context, body)
    local sock = link
    local text = http1.format_request(template, context, body)
    if #text <= PART_SIZE then
        return send_part(sock, text)
    end
    local next_part = chunks_of(sock, context, text)
    while true do
        local part, late = next_part()
        if part == nil then
            return late ~= nil and faults.TIMEOUT or nil
        end
        local fault = send_part(sock, part)
        if fault ~= nil then
            return fault
        end
    end
end

--- The embedded client: cosockets only.
local connector = {connect = connect, send = send}

--- Returns the embedded client, which serves every request.
---@return resty.etcd.transport.http.types.Connector
local function pick()
    return connector
end

--- Returns a connection without unread bytes to its pool, or closes it. An exiting worker closes it: nginx has closed the
--- idle connections already, and would wait for a new one.
---@param options resty.etcd.transport.http.types.ConnectionOptions
---@param sock table
---@param reusable boolean
local function release(options, sock, reusable)
    if reusable and options.keepalive_ms > 0 and not ngx.worker.exiting() then
        local ok = sock:setkeepalive(options.keepalive_ms, options.pool_size)
        if ok ~= nil then
            return
        end
    end
    sock:close()
end
_M.make = make
_M.PART_SIZE = PART_SIZE
_M.chunks_of = chunks_of
_M.pick = pick
_M.pool_options = pool_options
_M.release = release
_M.set_connect_timeouts = set_connect_timeouts

return _M
