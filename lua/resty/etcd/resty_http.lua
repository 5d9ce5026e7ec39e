-- Generated from src/resty/etcd/resty_http.ts by TypeScriptToLua. Do not edit.
local _M = {}
local body_stream = require("resty.etcd.body_stream")
local clock = require("resty.etcd.clock")
local connection = require("resty.etcd.connection")
local cosocket = require("resty.etcd.cosocket")
local http1 = require("resty.etcd.http1")
local source_reader = require("resty.etcd.source")
local tls = require("resty.etcd.tls")
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

--- The library takes a client certificate: not APISIX's fork, which drops it where cosockets are not
--- patched, and ledgetech's only from 0.17 on and with lua-resty-openssl beside it.
---@param http table
---@return boolean
local function takes_client_cert(http)
    local version = tonumber((string.match(http._VERSION or "", "^%d+%.%d+"))) or 0
    local has_openssl = pcall(require, "resty.openssl.x509.chain")
    return http.tls_handshake == nil and version >= 0.17 and has_openssl
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
    local probe = http.new()
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
    local http, new_err = find_library().new()
    if http == nil then
        return nil, new_err
    end
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
---@return table? http
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

--- Header fields as a plain table.
---@param res table
---@return table
local function plain_headers(res)
    local headers = {}
    for name, value in pairs(res.headers) do
        headers[name] = type(value) == "table" and table.concat(value, ", ") or value
    end
    return headers
end

local function ask_once(route, delivery, body, fresh)
    local http, err, reused = connect(route, delivery, fresh)
    if http == nil then
        return nil, err, false, false
    end
    local ____, rest = connection.time_left(
        delivery,
        now()
    )
    if rest ~= nil then
        source_reader.set_timeouts(http.sock, rest, rest)
    end
    local ok, got, got_err = guard(
        http.request,
        http,
        request_params(route, delivery.token, body)
    )
    local res, res_err = guarded(ok, got, got_err)
    if res == nil then
        http:close()
        return nil, res_err, true, reused and connection.is_dead(res_err)
    end
    return http, nil, true, false, res
end

local function ask(route, delivery, body)
    local http, err, sent, stale, res = ask_once(route, delivery, body, false)
    if http ~= nil then
        return http, nil, true, res
    end
    if stale and route.repeatable then
        local again, again_err, again_sent, ____, again_res = ask_once(route, delivery, body, true)
        if again ~= nil then
            return again, nil, true, again_res
        end
        return nil, again_err, again_sent
    end
    return nil, err, sent
end

--- Puts the connection back, unless the library may have left something unread on it.
---@param peer resty.etcd.http.Peer
---@param http table
---@param headers table
local function release(peer, http, headers)
    if http1.field(headers, "trailer") == nil and peer.keepalive_ms > 0 then
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
    local http, err, sent, res = ask(route, delivery, body)
    if http == nil then
        return nil, err, sent
    end
    local ok, got, got_err = guard(res.read_body, res)
    local text, body_err = guarded(ok, got, got_err)
    if text == nil then
        http:close()
        return nil, body_err, true
    end
    local headers = plain_headers(res)
    release(route.peer, http, headers)
    return {status = res.status, headers = headers, body = text}
end

--- Opens a stream. The library connects, sends and reads the head; the body is read by our own decoder, as
--- the library's loses bytes at a timeout.
---@param route resty.etcd.http.Route
---@param delivery resty.etcd.http.Delivery
---@param body string
---@return resty.etcd.http.Opening? opening
---@return string? err
---@return boolean? sent
local function open(route, delivery, body)
    if not can_serve(route, delivery) then
        return cosocket.client.open(route, delivery, body)
    end
    local http, err, sent, res = ask(route, delivery, body)
    if http == nil then
        return nil, err, sent
    end
    local headers = plain_headers(res)
    local head = http1.make_head(res.status, headers, true)
    if head == nil then
        http:close()
        return nil, "malformed reply: bad HTTP head", true
    end
    local source = source_reader.new(http.sock, delivery.deadline, 0)
    return {
        status = res.status,
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
