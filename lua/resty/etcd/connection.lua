-- Generated from src/resty/etcd/connection.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.clock")
local source = require("resty.etcd.source")
local tls = require("resty.etcd.tls")
local now = clock.now
local guard = pcall
local find = string.find

--- How many dead pooled connections are thrown away in the search for a fresh one.
local MAX_DISCARDS = 256

--- Pool options by name: a table per call would be garbage.
local pools = {}

--- Different pools are few; a runaway of names is cut off.
local MAX_POOLS = 1000
local pool_count = 0

local function pool_options(peer, target, via)
    local secure = target.scheme == "https" and (peer.tls.sni or target.server_name) .. "|" .. peer.tls.identity or ""
    local name = "resty.etcd|" .. via .. "|" .. target.host .. "|" .. tostring(target.port or 0) .. "|" .. tostring(peer.pool_size) .. "|" .. secure
    local opts = pools[name]
    if opts == nil then
        opts = {pool = name, pool_size = peer.pool_size}
        if pool_count < MAX_POOLS then
            pool_count = pool_count + 1
            pools[name] = opts
        end
    end
    return opts
end

--- A socket, or why the phase has none. `ngx.socket.tcp` is looked up each time: users replace it.
---@return table? res
---@return string? err
local function new_socket()
    local ok, sock, err = guard(ngx.socket.tcp)
    if not ok or sock == nil then
        local ____tostring_1 = tostring
        local ____sock_0 = sock
        if ____sock_0 == nil then
            ____sock_0 = err
        end
        return nil, ____tostring_1(____sock_0)
    end
    return sock
end

local function dial(peer, sock, request)
    local ____request_2 = request
    local target = ____request_2.target
    local via = ____request_2.via
    if via ~= nil then
        local ok = sock:connect(
            via,
            pool_options(peer, target, via)
        )
        if ok ~= nil then
            return ok
        end
    end
    local opts = pool_options(peer, target, "")
    if target.port == nil then
        return sock:connect(target.host, opts)
    end
    return sock:connect(target.host, target.port, opts)
end

local function connect_once(peer, request, budget)
    local sock, sock_err = new_socket()
    if sock == nil then
        return nil, sock_err
    end
    if budget.deadline ~= nil then
        local time = now()
        local left = budget.deadline - time
        local time_left = budget.connect_by ~= nil and budget.connect_by - time or left
        if left <= 0 or time_left <= 0 then
            return nil, "timeout"
        end
        source.set_timeouts(sock, time_left, request.target.scheme == "https" and time_left or left)
    end
    local ok, err = dial(peer, sock, request)
    if ok == nil then
        return nil, err
    end
    return sock
end

--- Connects, from the pool where `fresh` does not forbid it, and makes the TLS session.
---@param peer resty.etcd.http.Peer
---@param request resty.etcd.http.Request
---@param budget resty.etcd.http.Budget
---@param fresh boolean
---@return table? sock # the socket; or nil and an error text. `reused` tells that it comes from the pool
---@return string? err
---@return boolean? reused
local function connect(peer, request, budget, fresh)
    for _ = 1, MAX_DISCARDS do
        local sock, err = connect_once(peer, request, budget)
        if sock == nil then
            return nil, err
        end
        local times = sock:getreusedtimes()
        if (times or 0) == 0 then
            local target = request.target
            if target.scheme == "https" then
                local ok, tls_err = tls.handshake(sock, peer.tls, target.server_name)
                if ok == nil then
                    sock:close()
                    return nil, tls_err
                end
            end
            return sock, nil, false
        end
        if not fresh then
            return sock, nil, true
        end
        sock:close()
    end
    return nil, "no fresh connection"
end

--- Puts a connection with nothing unread back into its pool, or closes it.
---@param peer resty.etcd.http.Peer
---@param sock table
---@param reusable boolean
local function release(peer, sock, reusable)
    if reusable and peer.keepalive_ms > 0 then
        local ok = sock:setkeepalive(peer.keepalive_ms, peer.pool_size)
        if ok ~= nil then
            return
        end
    end
    sock:close()
end

--- The text of a socket error that a dead pooled connection gives.
---@param err string
---@return boolean
local function is_dead(err)
    local reset = find(err, "reset by peer", 1, true)
    return reset ~= nil or err == "closed" or err == "broken pipe"
end
_M.connect = connect
_M.is_dead = is_dead
_M.pool_options = pool_options
_M.release = release

return _M
