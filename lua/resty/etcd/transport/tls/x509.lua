-- Generated from src/resty/etcd/transport/tls/x509.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("void *resty_etcd_stack_value(void *stack, int index) __asm__(\"OPENSSL_sk_value\");")
ffi.cdef("int resty_etcd_check_key(void *certificate, void *key) __asm__(\"X509_check_private_key\");")
ffi.cdef("void resty_etcd_clear_errors(void) __asm__(\"ERR_clear_error\");")
local C = ffi.C

local function check(chain, key)
    local fits = C.resty_etcd_check_key(
        C.resty_etcd_stack_value(chain, 0),
        key
    ) == 1
    C.resty_etcd_clear_errors()
    return fits
end

--- False if a private key is not that of a certificate; true where OpenSSL cannot be asked.
---@param chain any what `ngx.ssl.parse_pem_cert` gives
---@param key any what `ngx.ssl.parse_pem_priv_key` gives
---@return boolean
local function is_key_of(chain, key)
    local asked, fits = pcall(check, chain, key)
    return not asked or fits == true
end
_M.is_key_of = is_key_of

return _M
