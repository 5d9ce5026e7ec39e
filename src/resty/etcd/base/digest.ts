const encode_base64 = ngx.encode_base64;
const sha1_bin = ngx.sha1_bin;

/**
 * Iterations of a slow digest, the minimum that RFC 8018 recommends. They take 0.5 to 1 ms: an identity contains a password,
 * which must not be found by trying many, and is made when a worker starts.
 */
const ITERATIONS = 1000;
/** Slow digests that are kept, so that programs can create a client for each request. */
const MAX_KEPT = 100;

/** Slow digests by the digest of their text, which is no secret. */
let kept = new LuaMap<string, string>();
let kept_count = 0;

/**
 * Returns a named field of an identity. The length in front of the value makes sure that different fields in a row never
 * give the same text, whatever bytes they contain; nil differs from an empty value.
 */
function field(name: string, value: string | undefined): string {
    if (value === undefined) {
        return `${name} -;`;
    }
    const text = tostring(value); // a program can have written anything to a field of its client
    return `${name} ${text.length}:${text};`;
}

/** Returns a short text that stands for another one. It is found again from a guess: see `slow` for texts with passwords. */
function of(text: string): string {
    return encode_base64(sha1_bin(text), true);
}

/** Returns a digest that costs `ITERATIONS` for each guess of its text, as PBKDF1 in RFC 8018: for names that others can read. */
function slow(text: string): string {
    const first = sha1_bin(text);
    let result = kept.get(first);
    if (result === undefined) {
        let bytes = first;
        for (const _ of $range(2, ITERATIONS)) {
            bytes = sha1_bin(bytes);
        }
        result = encode_base64(bytes, true);
        if (kept_count >= MAX_KEPT) {
            kept = new LuaMap();
            kept_count = 0;
        }
        kept.set(first, result);
        kept_count = kept_count + 1;
    }
    return result;
}

export { field, of, slow };
