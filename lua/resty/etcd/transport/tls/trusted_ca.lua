-- Generated from src/resty/etcd/transport/tls/trusted_ca.ts by TypeScriptToLua. Do not edit.
local _M = {}
local faults = require("resty.etcd.transport.fault")
local file_reload = require("resty.etcd.transport.tls.file_reload")
local files = require("resty.etcd.base.files")
local log = require("resty.etcd.base.log")
local printable = require("resty.etcd.base.printable")
local pems = require("resty.etcd.transport.tls.pem")

---@class resty.etcd.transport.tls.trusted_ca.StoreModule
---@field new fun(): resty.etcd.transport.tls.types.Store?, string?

local STORE_MODULE = "resty.openssl.x509.store"

--- Reports whether sockets support a CA per client. If not, logs once per client that `trusted_ca` has no effect.
---@param sock table
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@param path string
---@return boolean
local function is_usable(sock, tls, path)
    if tls.trust == nil then
        if sock.settrustedstore ~= nil then
            local is_installed = pcall(require, STORE_MODULE)
            if is_installed then
                return true
            end
        end
        if sock.receiveany ~= nil then
            tls.trust = false
        end
        if log.info_enabled() then
            ngx.log(
                ngx.INFO,
                "trusted_ca is ignored, use lua_ssl_trusted_certificate: ",
                printable.of(path)
            )
        end
        return false
    end
    return tls.trust ~= false
end

local function load(path, known)
    local source, read_err = files.read(path)
    if source == nil then
        return nil, "trusted_ca: " .. read_err
    end
    if known ~= nil and known.source == source then
        return known
    end
    local problem = pems.check(source, "CERTIFICATE")
    if problem ~= nil then
        return nil, "trusted_ca: " .. path .. ": " .. problem
    end
    local ____, module = pcall(require, STORE_MODULE)
    local store, err = module.new()
    if store == nil then
        return nil, "trusted_ca: " .. err
    end
    local ok, load_err = store:load_file(path)
    if ok ~= true then
        return nil, "trusted_ca: " .. path .. ": " .. (load_err or "no certificate")
    end
    return {store = store, source = source, checked_at = 0}
end

--- Sets the CAs that the next handshake of a socket trusts. Returns a fault or nil.
---@param sock table
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@param path string
---@return resty.etcd.transport.fault.Fault?
local function apply(sock, tls, path)
    local trust, err = file_reload.reload_if_changed(tls.trust, load, path)
    if trust == nil then
        return faults.make_fault("config", err)
    end
    tls.trust = trust
    local ____, set_err = sock:settrustedstore(trust.store.ctx)
    return set_err ~= nil and faults.of_rejected_option("trusted_ca", set_err) or nil
end

--- Marks the fault of a handshake if `trusted_ca` had no effect on it.
---@param fault resty.etcd.transport.fault.Fault
---@param tls resty.etcd.transport.tls.types.TlsOptions
---@return resty.etcd.transport.fault.Fault
local function mark_fault(fault, tls)
    if fault.kind == "tls" and tls.trusted_ca ~= nil and type(tls.trust) ~= "table" then
        fault.is_ca_ignored = true
    end
    return fault
end
_M.apply = apply
_M.is_usable = is_usable
_M.mark_fault = mark_fault

return _M
