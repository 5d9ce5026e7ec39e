import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { RawKv } from "../protocol/message";
import * as call from "../call/call";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as rpcs from "../protocol/rpc";
import * as decode from "./decode";
import * as options from "./options";
import type { Kv, State } from "./types";

const sub = string.sub;

/** As for `get`; an error in the place of the kv. */
type Told = LuaMultiReturn<[value: any, kv: Kv | EtcdError | undefined]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/**
 * Asks etcd itself, for those who need the truth of this moment. Decoded, validated and transformed like the rest.
 * @returns as `get`; nil and an error of etcd, or one named `invalid` for an item that is not taken in
 */
function get_linearizable(this: State, key: string, timeout?: number): Told {
    const wrong = checks.check_key(key) ?? options.check_timeout(timeout);
    if (wrong !== undefined) {
        return $multi(undefined, errors.local_error("bad_request", wrong));
    }
    const request = { key: keys.with_prefix(this.cli.key_prefix, key) };
    const [reply, err] = call.unary(this.cli, rpcs.range, request, { timeout });
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    const raw = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    if (raw === undefined) {
        return $multi(undefined, undefined);
    }
    const [kv, bad] = decode.make(this, raw, sub(raw.key, this.prefix_length + 1));
    if (kv === undefined) {
        return $multi(undefined, errors.local_error("invalid", bad));
    }
    return $multi(kv.value, kv);
}

export { get_linearizable };
