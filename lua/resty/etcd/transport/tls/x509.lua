-- Generated from src/resty/etcd/transport/tls/x509.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("void *resty_etcd_stack_value(void *stack, int index) __asm__(\"OPENSSL_sk_value\");")
ffi.cdef("int resty_etcd_check_key(void *certificate, void *key) __asm__(\"X509_check_private_key\");")
ffi.cdef("void resty_etcd_clear_errors(void) __asm__(\"ERR_clear_error\");")
local C = ffi.C

local function check(chain, key)
    local matches = C.resty_etcd_check_key(
        C.resty_etcd_stack_value(chain, 0),
        key
    ) == 1
    C.resty_etcd_clear_errors()
    return matches
end

--- Returns false if a private key does not belong to a certificate; true if OpenSSL cannot check it.
---@param chain any result of `ngx.ssl.parse_pem_cert`
---@param key any result of `ngx.ssl.parse_pem_priv_key`
---@return boolean
local function is_key_of(chain, key)
    local is_checked, matches = pcall(check, chain, key)
    return not is_checked or matches == true
end
_M.is_key_of = is_key_of

return _M
