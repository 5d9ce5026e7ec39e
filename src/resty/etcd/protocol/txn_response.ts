import * as completeness from "./completeness";
import type { Message, RawKv } from "./message";

interface Response {
    response_range?: { kvs?: RawKv[] };
}

/**
 * Returns the kv that the first operation of a transaction has read. With `keys_only`, etcd 3.7 omits more than the value,
 * so only its key and `mod_revision` are checked.
 * @param key that the operation was to read
 * @returns the kv, nil if the key does not exist; or nil and an error text if the reply does not contain that read
 */
function read_of(body: Message, key: string): LuaMultiReturn<[kv: RawKv | undefined, problem?: Problem]> {
    const responses = body.get("responses") as Response[] | undefined;
    const range = responses?.[0]?.response_range;
    const kv = range?.kvs?.[0];
    const is_wrong = kv !== undefined && (kv.key !== key || !completeness.is_counted(kv.mod_revision));
    if (range === undefined || is_wrong) {
        return $multi(undefined, "malformed reply: transaction without the key that it was to read");
    }
    return $multi(kv);
}

export { read_of };
