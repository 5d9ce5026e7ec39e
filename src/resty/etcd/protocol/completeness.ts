import * as errors from "./errors";
import type { EtcdError } from "./errors";
import * as int64 from "./int64";
import type { RawEvent, RawKv } from "./message";

/*
 * Which fields of kvs and events etcd always sends. Whatever keeps state relies on them, so they are checked where the
 * items of a server, of a log or of a file enter. Their types are checked before: int64 fields are decimal text.
 */

/** Reports whether a revision or a version is present: they count from 1, and are exact as numbers. */
function is_counted(text: string | undefined): boolean {
    return (int64.to_number(text) ?? 0) >= 1;
}

/** Reports whether a kv has its key. etcd has no empty key. */
function has_key(kv: Partial<RawKv>): boolean {
    return kv.key !== undefined && kv.key !== "";
}

/** Reports whether a kv has its key, its revisions and its version. */
function is_complete_kv(kv: Partial<RawKv>): boolean {
    return has_key(kv) && is_counted(kv.mod_revision) && is_counted(kv.create_revision) && is_counted(kv.version);
}

/** Reports whether an event has what its type requires: a deletion only its key and `mod_revision`. */
function is_complete_event(event: { readonly [Name in keyof RawEvent]?: unknown }): boolean {
    const kv = event.kv as Partial<RawKv> | undefined;
    const prev_kv = event.prev_kv as Partial<RawKv> | undefined;
    if (kv === undefined || (prev_kv !== undefined && !is_complete_kv(prev_kv))) {
        return false;
    }
    return event.type === "DELETE" ? has_key(kv) && is_counted(kv.mod_revision) : is_complete_kv(kv);
}

/**
 * Checks what etcd has answered to the read of a single key.
 * @param kv nil if the key does not exist
 * @param endpoint that has answered
 * @returns an error if the kv is incomplete, or that of another key
 */
function check_read(kv: Partial<RawKv> | undefined, key: string, endpoint: string | undefined): EtcdError | undefined {
    if (kv === undefined || (is_complete_kv(kv) && kv.key === key)) {
        return undefined;
    }
    const text = "malformed reply: not the key-value pair that was requested, or one without revision or version";
    return errors.local_error("bad_reply", text, endpoint);
}

export { check_read, has_key, is_complete_event, is_complete_kv, is_counted };
