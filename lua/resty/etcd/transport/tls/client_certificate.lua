-- Generated from src/resty/etcd/transport/tls/client_certificate.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ssl = require("ngx.ssl")
local digest = require("resty.etcd.base.digest")
local files = require("resty.etcd.base.files")
local faults = require("resty.etcd.transport.fault")
local file_reload = require("resty.etcd.transport.tls.file_reload")
local pems = require("resty.etcd.transport.tls.pem")
local x509 = require("resty.etcd.transport.tls.x509")

--- Returns PEM text, read from a file if only a path was given.
---@param text string?
---@param path string
---@return string? res
---@return string? err
local function pem(text, path)
    if text ~= nil then
        return text
    end
    return files.read(path)
end

local function has_client_cert(tls)
    return tls.cert ~= nil or tls.cert_path ~= nil
end

--- Checks texts before OpenSSL reads them.
---@param cert_pem string
---@param key_pem string
---@return string?
local function check_pair(cert_pem, key_pem)
    local cert_problem = pems.check(cert_pem, "CERTIFICATE")
    if cert_problem ~= nil then
        return "client certificate: " .. cert_problem
    end
    local key_problem = pems.check(key_pem, "PRIVATE KEY")
    return key_problem ~= nil and "client key: " .. key_problem or nil
end

--- Reads and parses the client certificate and its key. Returns `known` if neither has changed.
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@param known resty.etcd.transport.tls.types.ClientCertificate?
---@return resty.etcd.transport.tls.types.ClientCertificate? res
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
    local problem = check_pair(cert_pem, key_pem)
    if problem ~= nil then
        return nil, problem
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
        return nil, "client key: does not match the client certificate"
    end
    return {
        cert = cert,
        key = key,
        source = source,
        digest = digest.of(source),
        checked_at = 0
    }
end

--- Reads and checks the files of a certificate and a key that another library reads again and parses.
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@return resty.etcd.transport.fault.Fault?
local function check_files(tls)
    local cert_pem, cert_err = files.read(tls.cert_path or "")
    if cert_pem == nil then
        return faults.make_fault("config", "client certificate: " .. cert_err)
    end
    local key_pem, key_err = files.read(tls.key_path or "")
    if key_pem == nil then
        return faults.make_fault("config", "client key: " .. key_err)
    end
    local problem = check_pair(cert_pem, key_pem)
    return problem ~= nil and faults.make_fault("config", problem) or nil
end

--- Returns the client certificate and its key, reloaded if their files have changed.
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@return resty.etcd.transport.tls.types.ClientCertificate? res
---@return resty.etcd.transport.fault.Fault? err
local function client_pair(tls)
    local pair, err = file_reload.reload_if_changed(tls.pair, load_pair, tls)
    if pair == nil then
        return nil, faults.make_fault("config", err)
    end
    tls.pair = pair
    return pair
end

--- Returns what distinguishes connections with the current certificate from those with former ones; nil if there is none, or
--- if it cannot be loaded, which the handshake reports.
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@return string?
local function version(tls)
    if tls.cert_path == nil and tls.key_path == nil then
        return nil
    end
    local pair = client_pair(tls)
    return pair and pair.digest
end
_M.check_files = check_files
_M.client_pair = client_pair
_M.has_client_cert = has_client_cert
_M.version = version

return _M
