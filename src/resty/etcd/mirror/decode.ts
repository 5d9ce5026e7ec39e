import type { ClientState } from "../call/client_state";
import * as error_text from "../base/error_text";
import * as gc_barrier from "../base/gc_barrier";
import type { RateLimitedLog } from "../base/rate_limited_log";
import * as rate_limited_log from "../base/rate_limited_log";
import * as printable from "../base/printable";
import * as protocol_keys from "../protocol/keys";
import type { RawKv } from "../protocol/message";
import type { Choice } from "../serializers/serializer";
import * as serializers from "../serializers/serializer";
import type { Decode, Decoder, Invalid, Kv, Options } from "./types";

const sub = string.sub;

/** Returns the default `decode`: that of the serializer, which is the client's without the option. */
function by_serializer(cli: ClientState, choice: Choice | undefined): Decode {
    const serializer = choice !== undefined ? serializers.select_serializer(choice) : cli.serializer;
    return bytes => serializer.deserialize(bytes);
}

function create(cli: ClientState, opts: Options, log: RateLimitedLog): Decoder {
    return {
        decode: opts.decode ?? by_serializer(cli, opts.serializer),
        has_user_functions: opts.decode !== undefined || opts.validate !== undefined || opts.transform !== undefined,
        validate: opts.validate,
        transform: opts.transform,
        prefix_length: protocol_keys.with_prefix(cli.key_prefix, "").length,
        log,
        rejected_count: 0,
        is_calling: false,
    };
}

/** Returns a key without the client's `key_prefix`. */
function key_of(decoder: Decoder, raw: { readonly key: string }): string {
    return sub(raw.key, decoder.prefix_length + 1);
}

/**
 * Returns why a step rejected an item.
 * @param ok whether the user's function returned, instead of throwing
 * @param result what it returned first, or threw
 */
function reason(step: string, ok: boolean, result: unknown, err: unknown, fallback: string): string {
    let cause = err;
    if (!ok) {
        cause = result;
    }
    return `${step}: ${error_text.of(cause, fallback)}`;
}

function without_value(raw: RawKv, key: string): Kv {
    return {
        key,
        value: undefined,
        create_revision: raw.create_revision,
        mod_revision: raw.mod_revision,
        version: raw.version,
        lease: raw.lease,
    };
}

function run_functions(decoder: Decoder, raw: RawKv, key: string): Result<Kv> {
    const { decode, validate, transform } = decoder;
    const kv = without_value(raw, key) as { value: unknown } & Kv;
    const [decode_ok, value, decode_err] = protected_call(decode, raw.value ?? "", kv);
    if (!decode_ok || value === undefined) {
        return $multi(undefined, reason("decode", decode_ok, value, decode_err, "no value"));
    }
    kv.value = value;
    if (validate !== undefined) {
        const [ok, is_valid, err] = protected_call(validate, value, key);
        if (!ok || is_valid === undefined || is_valid === false) {
            return $multi(undefined, reason("validate", ok, is_valid, err, "not valid"));
        }
    }
    if (transform !== undefined) {
        const [ok, transformed, err] = protected_call(transform, value, kv);
        if (!ok || transformed === undefined) {
            return $multi(undefined, reason("transform", ok, transformed, err, "no value"));
        }
        kv.value = transformed;
    }
    return $multi(gc_barrier.mark_now(kv));
}

/** Returns the kv for a raw one; nil and the reason if `decode`, `validate` or `transform` rejects it. */
function make(decoder: Decoder, raw: RawKv, key: string): Result<Kv> {
    decoder.is_calling = true;
    const [kv, err] = run_functions(decoder, raw, key);
    decoder.is_calling = false;
    if (kv === undefined) {
        return $multi(undefined, err);
    }
    return $multi(kv);
}

/** Logs and counts a rejected item, and returns what `invalid` reports of it. */
function reject(decoder: Decoder, raw: RawKv, key: string, err: string): Invalid {
    const item: Invalid = { err, create_revision: raw.create_revision, mod_revision: raw.mod_revision };
    decoder.rejected_count = decoder.rejected_count + 1;
    rate_limited_log.warn(decoder.log, `invalid item: ${printable.key(key)}: ${err}`);
    return item;
}

export { key_of, make, create as new, reject };
