-- Generated from src/resty/etcd/tls.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ssl = require("ngx.ssl")
local clock = require("resty.etcd.clock")
local log = require("resty.etcd.log")

--- How a client makes its TLS sessions.
---@class resty.etcd.tls.Tls
---@field verify boolean
---@field sni string? Server name to ask for and to verify; the endpoint's host if nil.
---@field cert_path string?
---@field key_path string?
---@field cert string? PEM text.
---@field key string?
---@field trusted_ca string? Path of a file with CA certificates.
---@field identity string Tells sessions apart that must not share a pool.
---@field pair? resty.etcd.tls.Pair Made at the first handshake.
---@field store? any An `X509_STORE`; false where it cannot be used.

--- Certificate and key as OpenSSL objects.
---@class resty.etcd.tls.Pair
---@field cert any
---@field key any
---@field source string The PEM texts that they come from.
---@field checked_at number When those were last read.

--- Files are not looked at more often, in seconds.
local RECHECK = 3

--- The part of lua-resty-openssl that is used where it is installed.
---@class resty.etcd.tls.StoreModule
---@field new fun(): resty.etcd.tls.Store?, string?

---@class resty.etcd.tls.Store
---@field ctx any
---@field load_file fun(self: resty.etcd.tls.Store, path: string): true?, string?

--- Where a handshake ends at once (the server was quick), nginx tells of success even if it did not accept the
-- certificate; it has closed the connection then, and keeps the reason to itself.
local TURNED_DOWN = "certificate verification failed"

local function read_file(path)
    local file, err = io.open(path, "rb")
    if file == nil then
        return nil, err
    end
    local text = file:read("*a")
    file:close()
    if text == nil then
        return nil, path .. ": cannot be read"
    end
    return text
end

--- PEM text that was given as such or as a path.
---@param text string?
---@param path string
---@return string? res
---@return string? err
local function pem(text, path)
    if text ~= nil then
        return text
    end
    return read_file(path)
end

local function has_client_cert(tls)
    return tls.cert ~= nil or tls.cert_path ~= nil
end

--- Reads and parses the client's certificate and key, unless they are what `known` holds already.
---@param tls resty.etcd.tls.Tls
---@param known resty.etcd.tls.Pair?
---@param time number
---@return resty.etcd.tls.Pair? res
---@return string? err
local function load_pair(tls, known, time)
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
    return {cert = cert, key = key, source = source, checked_at = time}
end

--- The client's certificate and key. Files that have changed are noticed within `RECHECK` seconds, at the next
--- handshake; while they cannot be read, as in the middle of their replacement, the old ones serve.
---@param tls resty.etcd.tls.Tls
---@return resty.etcd.tls.Pair? res
---@return string? err
local function client_pair(tls)
    local known = tls.pair
    local time = clock.now()
    if known ~= nil and time - known.checked_at < RECHECK then
        return known
    end
    local pair, err = load_pair(tls, known, time)
    if pair ~= nil then
        pair.checked_at = time
        tls.pair = pair
        return pair
    end
    if known ~= nil then
        known.checked_at = time
        return known
    end
    return nil, err
end

--- True where the platform takes a CA per connection; otherwise says once that `trusted_ca` has no effect.
---@param sock table
---@param tls resty.etcd.tls.Tls
---@param path string
---@return boolean
local function can_trust(sock, tls, path)
    if tls.store == nil then
        local found = pcall(require, "resty.openssl.x509.store")
        if sock.settrustedstore ~= nil and found then
            return true
        end
        tls.store = false
        if log.info_enabled() then
            ngx.log(ngx.INFO, "trusted_ca is ignored, use lua_ssl_trusted_certificate: ", path)
        end
    end
    return tls.store ~= false
end

--- Makes the handshake trust the client's own CA; returns an error text or nil.
---@param sock table
---@param tls resty.etcd.tls.Tls
---@param path string
---@return string?
local function set_trusted_ca(sock, tls, path)
    if tls.store == nil then
        local ____, module = pcall(require, "resty.openssl.x509.store")
        local store, err = module.new()
        if store == nil then
            return err
        end
        local ok, load_err = store:load_file(path)
        if ok == nil then
            return load_err
        end
        tls.store = store
    end
    local ____, err = sock:settrustedstore(tls.store.ctx)
    return err
end

--- The handshake of OpenResty as APISIX patches it, also on its stand-in for cosockets.
---@param sock table
---@param tls resty.etcd.tls.Tls
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
    return sock:tlshandshake(opts)
end

--- Makes a TLS session on a connected socket.
---@param sock table
---@param tls resty.etcd.tls.Tls
---@param host string the endpoint's host, used where the client sets no `sni`
---@return true? res
---@return string? err
local function handshake(sock, tls, host)
    local server_name = tls.sni or host
    if tls.trusted_ca ~= nil and can_trust(sock, tls, tls.trusted_ca) then
        local ca_err = set_trusted_ca(sock, tls, tls.trusted_ca)
        if ca_err ~= nil then
            return nil, "trusted_ca: " .. ca_err
        end
    end
    if has_client_cert(tls) then
        if sock.setclientcert == nil then
            if sock.tlshandshake == nil then
                return nil, "this OpenResty has no client certificates for cosockets"
            end
            return patched_handshake(sock, tls, server_name)
        end
        local pair, err = client_pair(tls)
        if pair == nil then
            return nil, err
        end
        local ok, set_err = sock:setclientcert(pair.cert, pair.key)
        if ok == nil then
            return nil, set_err
        end
    end
    local session, err = sock:sslhandshake(false, server_name, tls.verify)
    if session == nil then
        return nil, err
    end
    local times = sock:getreusedtimes()
    if times == nil then
        return nil, TURNED_DOWN
    end
    return true
end
_M.can_trust = can_trust
_M.client_pair = client_pair
_M.handshake = handshake
_M.has_client_cert = has_client_cert
_M.TURNED_DOWN = TURNED_DOWN

return _M
