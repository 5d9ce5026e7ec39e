-- Generated from src/resty/etcd/transport/tls/handshake.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local faults = require("resty.etcd.transport.fault")
local trusted_ca = require("resty.etcd.transport.tls.trusted_ca")
local client_certificate = require("resty.etcd.transport.tls.client_certificate")
local find = string.find

--- Error text if nginx gives no reason.
local NO_REASON = "certificate verification failed"

--- A `char *[1]`: the last error of nginx's C functions, which the modules of resty.core share.
---@class resty.etcd.transport.tls.handshake.ErrorPointer

---@class resty.etcd.transport.tls.handshake.Base
---@field get_errmsg_ptr fun(): resty.etcd.transport.tls.handshake.ErrorPointer

local function last_message()
    local ____, base = pcall(require, "resty.core.base")
    local text = base.get_errmsg_ptr()[0]
    return text ~= nil and ffi.string(text) or nil
end

--- Returns the cause of a handshake that raised an error. If a handshake finishes without waiting, resty.core (until 2026)
--- asserts that the certificate was accepted; the cause is then in its error buffer.
---@param thrown string text of the raised error
---@return string
local function reason_of(thrown)
    local file_at = find(thrown, "resty/core/socket", 1, true)
    local asserted = find(thrown, ": assertion failed", file_at, true)
    if file_at == nil or asserted == nil then
        return thrown
    end
    local ok, message = pcall(last_message)
    return ok and message ~= nil and message or NO_REASON
end

--- Returns the result of a handshake. It can raise an error; that of luasec returns false.
---@param ok boolean
---@param session any
---@param err any
---@return true? res
---@return resty.etcd.transport.fault.Fault? err
local function guarded(ok, session, err)
    if not ok then
        return nil, faults.of_socket(reason_of(tostring(session)))
    end
    if session == false or session == nil and err ~= nil then
        return nil, faults.of_socket(err ~= nil and tostring(err) or "handshake failed")
    end
    return true
end

--- Performs the handshake of APISIX-patched OpenResty, which APISIX's blocking socket replacement has as well.
---@param sock table
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@param server_name string
---@return true? res
---@return resty.etcd.transport.fault.Fault? err
local function patched_handshake(sock, tls, server_name)
    local opts = {server_name = server_name, verify = tls.verify}
    if tls.cert == nil and tls.key == nil then
        local file_err = client_certificate.check_files(tls)
        if file_err ~= nil then
            return nil, file_err
        end
        opts.client_cert_path = tls.cert_path
        opts.client_priv_key_path = tls.key_path
    else
        local pair, err = client_certificate.client_pair(tls)
        if pair == nil then
            return nil, err
        end
        opts.client_cert = pair.cert
        opts.client_priv_key = pair.key
    end
    local ok, session, err = pcall(sock.tlshandshake, sock, opts)
    return guarded(ok, session, err)
end

--- Performs the TLS handshake on a connected socket.
---@param sock table
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@param host string host of the endpoint; the server name if the client sets no `sni`
---@return true? res
---@return resty.etcd.transport.fault.Fault? err
local function handshake(sock, tls, host)
    local server_name = tls.sni or host
    local path = tls.trusted_ca
    if path ~= nil and trusted_ca.is_usable(sock, tls, path) then
        local ca_err = trusted_ca.apply(sock, tls, path)
        if ca_err ~= nil then
            return nil, ca_err
        end
    end
    if client_certificate.has_client_cert(tls) then
        if sock.setclientcert == nil then
            if sock.tlshandshake == nil then
                local text = "client certificate: not supported by the cosockets of this OpenResty"
                return nil, faults.make_fault("config", text)
            end
            return patched_handshake(sock, tls, server_name)
        end
        local pair, err = client_certificate.client_pair(tls)
        if pair == nil then
            return nil, err
        end
        local is_set, set_err = sock:setclientcert(pair.cert, pair.key)
        if is_set == nil then
            return nil, faults.of_rejected_option("client certificate", set_err)
        end
    end
    local reused
    if sock.receiveany == nil then
        reused = false
    end
    local ok, session, err = pcall(
        sock.sslhandshake,
        sock,
        reused,
        server_name,
        tls.verify
    )
    local done, fault = guarded(ok, session, err)
    if done == nil then
        return nil, trusted_ca.mark_fault(fault, tls)
    end
    return done
end
_M.handshake = handshake
_M.reason_of = reason_of

return _M
