import * as ffi from "ffi";

// private names, so that declarations of the same functions in other libraries do not conflict
ffi.cdef('void *resty_etcd_stack_value(void *stack, int index) __asm__("OPENSSL_sk_value");');
ffi.cdef('int resty_etcd_check_key(void *certificate, void *key) __asm__("X509_check_private_key");');
ffi.cdef('void resty_etcd_clear_errors(void) __asm__("ERR_clear_error");');

const C = ffi.C;

function check(this: void, chain: unknown, key: unknown): boolean {
    const matches = C.resty_etcd_check_key(C.resty_etcd_stack_value(chain, 0), key) === 1;
    C.resty_etcd_clear_errors(); // else nginx would report them at its next call
    return matches;
}

/**
 * Returns false if a private key does not belong to a certificate; true if OpenSSL cannot check it.
 * @param chain result of `ngx.ssl.parse_pem_cert`
 * @param key result of `ngx.ssl.parse_pem_priv_key`
 */
function is_key_of(chain: unknown, key: unknown): boolean {
    const [is_checked, matches] = protected_call(check, chain, key);
    return !is_checked || matches === true;
}

export { is_key_of };
