import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { RawKv } from "../protocol/message";
import * as cluster from "../call/cluster";
import type { CallOptions } from "../call/call";
import * as completeness from "../protocol/completeness";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as rpcs from "../protocol/rpc";
import * as decode from "./decode";
import * as options from "./options";
import type { Kv, State } from "./types";

/** As for `get`, with an error text instead of the kv. */
type ReadResult = LuaMultiReturn<[value: any, kv: Kv | string | undefined, details?: EtcdError]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/**
 * Performs a linearizable read from etcd, bypassing the mirror. The item is decoded, validated and transformed.
 * @returns the value and the kv; nil and nil for an absent key; nil, an error text and the details, which have the name
 *   `invalid` for an item that the mirror rejects
 */
function get_linearizable(this: State, key: string, timeout?: number): ReadResult {
    const problem = checks.check_key(key) ?? options.check_timeout(timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const real_key = keys.with_prefix(this.cli.key_prefix, key);
    const call_options: CallOptions = { timeout };
    const [reply, err] = cluster.read(this.cli, rpcs.range, { key: real_key }, call_options);
    if (reply === undefined) {
        return errors.to_result(err);
    }
    const raw = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    if (raw === undefined) {
        return $multi(undefined, undefined);
    }
    const raw_err = completeness.check_read(raw, real_key, call_options.answered_by);
    if (raw_err !== undefined) {
        return errors.to_result(raw_err);
    }
    const [kv, reason] = decode.make(this.decoder, raw, decode.key_of(this.decoder, raw));
    if (kv === undefined) {
        return errors.to_result(errors.local_error("invalid", reason));
    }
    return $multi(kv.value, kv);
}

export { get_linearizable };
