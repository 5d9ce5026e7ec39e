import * as ffi from "ffi";

// names of our own, so that another library's declarations of the same functions cannot clash with them
ffi.cdef('void *resty_etcd_stack_value(void *stack, int index) __asm__("OPENSSL_sk_value");');
ffi.cdef('int resty_etcd_check_key(void *certificate, void *key) __asm__("X509_check_private_key");');
ffi.cdef('void resty_etcd_clear_errors(void) __asm__("ERR_clear_error");');

const C = ffi.C;

function check(this: void, chain: unknown, key: unknown): boolean {
    const fits = C.resty_etcd_check_key(C.resty_etcd_stack_value(chain, 0), key) === 1;
    C.resty_etcd_clear_errors(); // or nginx would find them at its next call
    return fits;
}

/**
 * False if a private key is not that of a certificate; true where OpenSSL cannot be asked.
 * @param chain what `ngx.ssl.parse_pem_cert` gives
 * @param key what `ngx.ssl.parse_pem_priv_key` gives
 */
function is_key_of(chain: unknown, key: unknown): boolean {
    const [asked, fits] = protected_call(check, chain, key);
    return !asked || fits === true;
}

export { is_key_of };
