import type { ClientState } from "../call/client_state";
import type { RawKv } from "../protocol/message";
import * as gc_barrier from "../base/gc_barrier";
import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import type { Decode, Invalid, Kv, State } from "./types";

/** Why a step of the way has led to nothing: what the user's function said, or what it threw. */
function reason(step: string, ran: boolean, result: unknown, err: unknown, otherwise: string): string {
    let said = err;
    if (!ran) {
        said = result;
    }
    return `${step}: ${error_text.of(said, otherwise)}`;
}

/** How values are read where a mirror does not say. */
function by_serializer(cli: ClientState): Decode {
    const serializer = cli.serializer;
    return bytes => serializer.deserialize(bytes);
}

function bare(raw: RawKv, key: string): Kv {
    return {
        key,
        value: undefined,
        create_revision: raw.create_revision,
        mod_revision: raw.mod_revision,
        version: raw.version,
        lease: raw.lease,
    };
}

/** What was read from etcd as `get` is to answer it; or nil and why it cannot be taken in. */
function make(state: State, raw: RawKv, key: string): Result<Kv> {
    const { validate, transform } = state.opts;
    const kv = bare(raw, key) as { value: unknown } & Kv;
    const [decoded, value, decode_err] = protected_call(state.decode, raw.value ?? "", kv);
    if (!decoded || value === undefined) {
        return $multi(undefined, reason("decode", decoded, value, decode_err, "no value"));
    }
    kv.value = value;
    if (validate !== undefined) {
        const [ran, good, why] = protected_call(validate, value, key);
        if (!ran || good === undefined || good === false) {
            return $multi(undefined, reason("validate", ran, good, why, "not valid"));
        }
    }
    if (transform !== undefined) {
        const [ran, made, why] = protected_call(transform, value, kv);
        if (!ran || made === undefined) {
            return $multi(undefined, reason("transform", ran, made, why, "no value"));
        }
        kv.value = made;
    }
    return $multi(gc_barrier.mark_now(kv));
}

/** Why an item is not taken in, for those who ask later. */
function reject(state: State, raw: RawKv, key: string, err: string): Invalid {
    const item: Invalid = { err, create_revision: raw.create_revision, mod_revision: raw.mod_revision };
    state.counters.invalid = state.counters.invalid + 1;
    rate_limited_log.warn(state.log, `item not taken in: ${key}: ${err}`);
    return item;
}

export { by_serializer, make, reject };
