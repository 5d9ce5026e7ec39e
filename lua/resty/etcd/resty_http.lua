-- Generated from src/resty/etcd/resty_http.ts by TypeScriptToLua. Do not edit.
local _M = {}
local body_stream = require("resty.etcd.body_stream")
local clock = require("resty.etcd.clock")
local connection = require("resty.etcd.connection")
local cosocket = require("resty.etcd.cosocket")
local http1 = require("resty.etcd.http1")
local source_reader = require("resty.etcd.source")
local tls = require("resty.etcd.tls")

--- Its two halves are public, and `request` is nothing but both.
---@class resty.etcd.resty_http.Http: table
---@field send_request fun(params: table): true?, string?

local now = clock.now
local guard = pcall

--- How many dead pooled connections are thrown away in the search for a fresh one.
local MAX_DISCARDS = 256

--- The library, nil where it is not installed. It is looked for once a worker.
local library
local looked = false

local function find_library()
    if not looked then
        looked = true
        local found, module = pcall(require, "resty.http")
        if found and type(module) == "table" then
            library = module
        end
    end
    return library
end
local measured = setmetatable(
    {},
    {__len = function() return 1 end}
)

--- LuaJIT may be built without `__len` of tables, and then lua-resty-openssl counts no certificates.
local HAS_LEN = #measured == 1

--- The library takes a client certificate: not APISIX's fork, which drops it where cosockets are not
--- patched, and ledgetech's only from 0.17 on and with lua-resty-openssl beside it.
---@param http table
---@return boolean
local function takes_client_cert(http)
    local version = tonumber((string.match(http._VERSION or "", "^%d+%.%d+"))) or 0
    local has_openssl = pcall(require, "resty.openssl.x509.chain")
    return http.tls_handshake == nil and version >= 0.17 and has_openssl and HAS_LEN
end

--- The library can make this TLS session.
---@param http table
---@param wanted resty.etcd.tls.Tls
---@return boolean
local function can_handshake(http, wanted)
    if tls.has_client_cert(wanted) and not takes_client_cert(http) then
        return false
    end
    if wanted.trusted_ca == nil then
        return true
    end
    local probe = connection.make(http.new)
    return probe ~= nil and not tls.can_trust(probe.sock, wanted, wanted.trusted_ca)
end

--- resty.http can serve this request; what it cannot do goes to the embedded client.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@return boolean
local function can_serve(route, delivery)
    local phase = ngx.get_phase()
    if phase == "init" or phase == "init_worker" then
        return false
    end
    local http = find_library()
    if http == nil or delivery.via ~= nil or route.target.port == nil then
        return false
    end
    return route.target.scheme == "http" or can_handshake(http, route.peer.tls)
end

--- The library's calls may throw on what a hostile server sends.
---@generic T
---@param ok boolean
---@param value any
---@param err any
---@return T? res
---@return string? err
local function guarded(ok, value, err)
    if not ok then
        return nil, tostring(value)
    end
    if value == nil then
        local ____tostring_1 = tostring
        local ____err_0 = err
        if ____err_0 == nil then
            ____err_0 = "closed"
        end
        return nil, ____tostring_1(____err_0)
    end
    return value
end

local function connect_params(route)
    local ____route_2 = route
    local peer = ____route_2.peer
    local target = ____route_2.target
    local params = {
        scheme = target.scheme,
        host = target.host,
        port = target.port,
        pool = connection.pool_options(peer, target, "resty.http").pool,
        pool_size = peer.pool_size
    }
    if target.scheme == "https" then
        params.ssl_verify = peer.tls.verify
        params.ssl_server_name = peer.tls.sni or target.server_name
        if tls.has_client_cert(peer.tls) then
            local pair, err = tls.client_pair(peer.tls)
            if pair == nil then
                return nil, err
            end
            params.ssl_client_cert = pair.cert
            params.ssl_client_priv_key = pair.key
        end
    end
    return params
end

local function connect_once(route, delivery, time)
    local made, new_err = connection.make(find_library().new)
    if made == nil then
        return nil, new_err
    end
    local http = made
    local connect_time = connection.time_left(delivery, time)
    if connect_time ~= nil then
        if connect_time <= 0 then
            return nil, "timeout"
        end
        source_reader.set_timeouts(http.sock, connect_time, connect_time)
    end
    local params, params_err = connect_params(route)
    if params == nil then
        return nil, params_err
    end
    local ok, connected, connect_err = guard(http.connect, http, params)
    local done, err = guarded(ok, connected, connect_err)
    if done == nil then
        return nil, err
    end
    return http
end

--- Connects; `reused` tells that the connection comes from the pool.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param fresh boolean
---@return resty.etcd.resty_http.Http? http
---@return string? err
---@return boolean? reused
local function connect(route, delivery, fresh)
    local time = delivery.started
    for _ = 1, MAX_DISCARDS do
        local http, err = connect_once(route, delivery, time)
        if http == nil then
            return nil, err
        end
        local times = http:get_reused_times()
        local reused = (times or 0) > 0
        if not fresh or not reused then
            return http, nil, reused
        end
        http:close()
        time = now()
    end
    return nil, "no fresh connection"
end

local function request_params(route, token, body)
    local headers = {Host = route.target.authority, ["Content-Type"] = "application/json"}
    for name, value in pairs(route.extra.fields) do
        headers[name] = value
    end
    if token ~= nil then
        headers.Authorization = token
    end
    local ____route_method_4 = route.method
    local ____route_path_5 = route.path
    local ____headers_6 = headers
    local ____temp_3
    if route.method == "GET" then
        ____temp_3 = nil
    else
        ____temp_3 = body
    end
    return {method = ____route_method_4, path = ____route_path_5, headers = ____headers_6, body = ____temp_3}
end

--- Connects, sends and reads the head of the answer. `stale` tells that the connection came from the pool and
--- was dead. The library connects and sends; the answer is read by our own decoder, as the library's knows no
--- deadline, trusts what is malformed, and loses bytes at a timeout.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param body string
---@param fresh boolean
---@return resty.etcd.resty_http.Http? http
---@return resty.etcd.http1.Head? head
---@return resty.etcd.source.Source? source
---@return string? err
---@return boolean? sent
---@return boolean? stale
local function ask_once(route, delivery, body, fresh)
    local http, err, reused = connect(route, delivery, fresh)
    if http == nil then
        return nil, nil, nil, err, false, false
    end
    local time = now()
    local ____, rest = connection.time_left(delivery, time)
    if rest ~= nil then
        source_reader.set_timeouts(http.sock, rest, rest)
    end
    local source = source_reader.new(http.sock, delivery.deadline, time)
    local ok, got, got_err = guard(
        http.send_request,
        http,
        request_params(route, delivery.token, body)
    )
    local done, send_err = guarded(ok, got, got_err)
    if done == nil then
        http:close()
        return nil, nil, nil, send_err, true, reused and connection.is_dead(send_err)
    end
    local head, head_err = http1.read_head(source)
    if head == nil then
        http:close()
        local stale = reused and not source.touched and connection.is_dead(head_err)
        return nil, nil, nil, head_err, true, stale
    end
    return http, head, source
end

--- As `ask_once`, with a second go on a fresh connection where that is safe.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param body string
---@return resty.etcd.resty_http.Http? http
---@return resty.etcd.http1.Head? head
---@return resty.etcd.source.Source? source
---@return string? err
---@return boolean? sent
---@return boolean? stale
local function ask(route, delivery, body)
    local http, head, source, err, sent, stale = ask_once(route, delivery, body, false)
    if http ~= nil then
        return http, head, source
    end
    if stale and route.repeatable then
        return ask_once(route, delivery, body, true)
    end
    return nil, nil, nil, err, sent, stale
end

--- Puts a connection with nothing unread back into its pool, or closes it.
---@param peer resty.etcd.http.Peer
---@param http resty.etcd.resty_http.Http
---@param reusable boolean
local function release(peer, http, reusable)
    if reusable and peer.keepalive_ms > 0 then
        local ok = http:set_keepalive(peer.keepalive_ms, peer.pool_size)
        if ok ~= nil then
            return
        end
    end
    http:close()
end

local function exchange(route, delivery, body)
    if not can_serve(route, delivery) then
        return cosocket.client.exchange(route, delivery, body)
    end
    local http, head, source, err, sent = ask(route, delivery, body)
    if http == nil then
        return nil, err, sent
    end
    local text, body_err = http1.read_body(source, head)
    if text == nil then
        http:close()
        return nil, body_err, true
    end
    release(
        route.peer,
        http,
        head.keepalive and source_reader.available(source) == 0
    )
    return {
        status = head.status,
        headers = http1.own_headers(head),
        body = text
    }
end

local function open(route, delivery, body)
    if not can_serve(route, delivery) then
        return cosocket.client.open(route, delivery, body)
    end
    local http, head, source, err, sent = ask(route, delivery, body)
    if http == nil then
        return nil, err, sent
    end
    local headers = http1.own_headers(head)
    return {
        status = head.status,
        headers = headers,
        body = body_stream.new(source, head)
    }
end

--- `lua-resty-http`, whichever of its variants is installed.
local client = {exchange = exchange, open = open}

--- True where the library is installed.
---@return boolean
local function is_installed()
    return find_library() ~= nil
end
_M.client = client
_M.is_installed = is_installed

return _M
