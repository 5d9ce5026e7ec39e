-- Generated from src/resty/etcd/transport/tls/handshake.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local ssl = require("ngx.ssl")
local kept = require("resty.etcd.transport.tls.file_reload")
local trusted_ca = require("resty.etcd.transport.tls.trusted_ca")
local x509 = require("resty.etcd.transport.tls.x509")
local guard = pcall
local find = string.find

--- How a client makes its TLS sessions.
---@class resty.etcd.transport.tls.handshake.Tls
---@field verify boolean
---@field sni string? Server name to ask for and to verify; the endpoint's host if nil.
---@field cert_path string?
---@field key_path string?
---@field cert string? PEM text.
---@field key string?
---@field trusted_ca string? Path of a file with CA certificates.
---@field identity string Tells sessions apart that must not share a pool.
---@field pair? resty.etcd.transport.tls.handshake.Pair Made at the first handshake.
---@field trust? (false|resty.etcd.transport.tls.trusted_ca.Trust) Made of `trusted_ca` at the first handshake; false where the platform cannot use it.

--- Certificate and key as OpenSSL objects.
---@class resty.etcd.transport.tls.handshake.Pair: resty.etcd.transport.tls.file_reload.Kept
---@field cert any
---@field key any

--- PEM text that was given as such or as a path.
---@param text string?
---@param path string
---@return string? res
---@return string? err
local function pem(text, path)
    if text ~= nil then
        return text
    end
    return kept.read_file(path)
end

local function has_client_cert(tls)
    return tls.cert ~= nil or tls.cert_path ~= nil
end

--- Reads and parses the client's certificate and key, unless they are what `known` holds already.
---@param tls resty.etcd.transport.tls.handshake.Tls
---@param known resty.etcd.transport.tls.handshake.Pair?
---@return resty.etcd.transport.tls.handshake.Pair? res
---@return string? err
local function load_pair(tls, known)
    local cert_pem, cert_err = pem(tls.cert, tls.cert_path or "")
    if cert_pem == nil then
        return nil, "client certificate: " .. cert_err
    end
    local key_pem, key_err = pem(tls.key, tls.key_path or "")
    if key_pem == nil then
        return nil, "client key: " .. key_err
    end
    local source = cert_pem .. key_pem
    if known ~= nil and known.source == source then
        return known
    end
    local cert, parse_err = ssl.parse_pem_cert(cert_pem)
    if parse_err ~= nil then
        return nil, "client certificate: " .. parse_err
    end
    local key, parse_key_err = ssl.parse_pem_priv_key(key_pem)
    if parse_key_err ~= nil then
        return nil, "client key: " .. parse_key_err
    end
    if not x509.is_key_of(cert, key) then
        return nil, "client key: it is not that of the certificate"
    end
    return {cert = cert, key = key, source = source, checked_at = 0}
end

--- The client's certificate and key.
---@param tls resty.etcd.transport.tls.handshake.Tls
---@return resty.etcd.transport.tls.handshake.Pair? res
---@return string? err
local function client_pair(tls)
    local pair, err = kept.renew(tls.pair, load_pair, tls)
    if pair == nil then
        return nil, err
    end
    tls.pair = pair
    return pair
end

--- Where nginx tells of no reason.
local TURNED_DOWN = "certificate verification failed"

--- A `char *[1]`: the last error of nginx's C functions, which all modules of resty.core share.
---@class resty.etcd.transport.tls.handshake.ErrorPointer

---@class resty.etcd.transport.tls.handshake.Base
---@field get_errmsg_ptr fun(): resty.etcd.transport.tls.handshake.ErrorPointer

local function last_message()
    local ____, base = pcall(require, "resty.core.base")
    local text = base.get_errmsg_ptr()[0]
    return text ~= nil and ffi.string(text) or nil
end

--- What was wrong in a handshake that threw. Where one ends at once, as the server was quick, resty.core asserts that
--- the certificate was accepted (until 2026). It has just asked for the reason then.
---@param thrown string what was thrown
---@return string
local function reason_of(thrown)
    local asserted = find(thrown, "resty/core/socket%S*: assertion failed")
    if asserted == nil then
        return thrown
    end
    local ok, message = guard(last_message)
    return ok and message ~= nil and message or TURNED_DOWN
end

--- What a handshake tells that may throw. Those of stand-ins, as of luasec, fail with false.
---@param ok boolean
---@param session any
---@param err any
---@return true? res
---@return string? err
local function guarded(ok, session, err)
    if not ok then
        return nil, reason_of(tostring(session))
    end
    if session == false or session == nil and err ~= nil then
        return nil, err ~= nil and tostring(err) or "handshake failed"
    end
    return true
end

--- The handshake of OpenResty as APISIX patches it, also on its stand-in for cosockets.
---@param sock table
---@param tls resty.etcd.transport.tls.handshake.Tls
---@param server_name string
---@return true? res
---@return string? err
local function patched_handshake(sock, tls, server_name)
    local opts = {server_name = server_name, verify = tls.verify}
    if tls.cert == nil and tls.key == nil then
        opts.client_cert_path = tls.cert_path
        opts.client_priv_key_path = tls.key_path
    else
        local pair, err = client_pair(tls)
        if pair == nil then
            return nil, err
        end
        opts.client_cert = pair.cert
        opts.client_priv_key = pair.key
    end
    local ok, session, err = guard(sock.tlshandshake, sock, opts)
    return guarded(ok, session, err)
end

--- Makes a TLS session on a connected socket.
---@param sock table
---@param tls resty.etcd.transport.tls.handshake.Tls
---@param host string the endpoint's host, used where the client sets no `sni`
---@return true? res
---@return string? err
local function handshake(sock, tls, host)
    local server_name = tls.sni or host
    local path = tls.trusted_ca
    if path ~= nil and trusted_ca.is_usable(sock, tls, path) then
        local ca_err = trusted_ca.apply(sock, tls, path)
        if ca_err ~= nil then
            return nil, ca_err
        end
    end
    if has_client_cert(tls) then
        if sock.setclientcert == nil then
            if sock.tlshandshake == nil then
                return nil, "client certificate: this OpenResty has none for cosockets"
            end
            return patched_handshake(sock, tls, server_name)
        end
        local pair, err = client_pair(tls)
        if pair == nil then
            return nil, err
        end
        local set, set_err = sock:setclientcert(pair.cert, pair.key)
        if set == nil then
            return nil, set_err
        end
    end
    local reused
    if sock.receiveany == nil then
        reused = false
    end
    local ok, session, err = guard(
        sock.sslhandshake,
        sock,
        reused,
        server_name,
        tls.verify
    )
    return guarded(ok, session, err)
end
_M.client_pair = client_pair
_M.handshake = handshake
_M.has_client_cert = has_client_cert
_M.reason_of = reason_of

return _M
