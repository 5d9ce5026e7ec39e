import type { HistoryPoint } from "./types";
import type { Message, RawKv } from "../protocol/message";
import type { CallOptions } from "../call/call";
import * as call from "../call/call";
import type { Core } from "../call/client_state";
import * as cluster from "../call/cluster";
import type { Endpoint } from "../endpoint/endpoint";
import * as errors from "../protocol/errors";
import * as int64 from "../protocol/int64";
import type { EtcdError } from "../protocol/errors";
import type { KeyRange } from "../protocol/key_range";
import * as key_range from "../protocol/key_range";
import * as monotonic from "../call/monotonic";
import * as paged_range from "../call/paged_range";
import type { PageSource } from "../call/paged_range";
import * as completeness from "../protocol/completeness";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";
import type { Reply } from "../transport/transport";

/** What a count says of a range. */
interface CurrentRevision extends HistoryPoint {
    readonly key_count: number;
}

/** What has changed in a range since a revision. */
interface ChangedKeys extends CurrentRevision {
    readonly has_changed: boolean;
}

/** The keys of a range, and how many of them were created since a revision. */
interface CreatedKeys extends CurrentRevision {
    /** Nil if there are more than `MAX_CREATED_KEYS`. */
    readonly created: number | undefined;
}

/** Maximum number of keys in the reply to `created_keys`, which bounds its size. */
const MAX_CREATED_KEYS = 1000;

/**
 * Resets the revision floor of a client with `monotonic` after a restore from a backup, which lowers etcd's revision. The
 * reads here are linearizable: a stale reply to them does not come from a member that lags behind.
 */
function reset_revision_floor(core: Core, err: EtcdError): void {
    const floor = core.revision_floor;
    if (err.name === "stale_reply" && floor !== undefined) {
        monotonic.reset(floor);
    }
}

/** Returns the point in etcd's history that a response header states; nil and an error if a proxy has answered without one. */
function history_of(reply: Reply): Result<HistoryPoint, EtcdError> {
    const header = reply.body.get("header") as Message | undefined;
    const cluster_id = header?.get("cluster_id") as string | undefined;
    const raft_term = int64.to_number(header?.get("raft_term")) ?? 0;
    const revision = int64.to_number(header?.get("revision")) ?? 0;
    if (cluster_id === undefined || raft_term < 1 || revision < 1) {
        const text = "malformed reply: response header without cluster_id, raft_term or revision";
        return $multi(undefined, errors.local_error("bad_reply", text));
    }
    return $multi({ cluster_id, raft_term, revision });
}

/**
 * Reads the current revision of the cluster that the client follows, with a linearizable count of the keys of a range.
 * @param options of the call
 */
function current_revision(core: Core, range: KeyRange, options: CallOptions): Result<CurrentRevision, EtcdError> {
    const request = { key: range.key, range_end: range.range_end, count_only: true };
    const [reply, err] = cluster.read(core, rpcs.range, request, options);
    if (reply === undefined) {
        reset_revision_floor(core, err);
        return $multi(undefined, err);
    }
    const [point, header_err] = history_of(reply);
    if (point === undefined) {
        return $multi(undefined, header_err);
    }
    const key_count = int64.to_number(reply.body.get("count")) ?? 0;
    const { cluster_id, raft_term, revision } = point;
    return $multi({ cluster_id, raft_term, revision, key_count });
}

/**
 * Reads the keys that a filter of etcd leaves over. etcd counts all keys of the range nevertheless.
 * @param filter field of the request that holds the minimum revision
 * @returns the point in etcd's history, the number of all keys, and the keys of the filter; or nil and an error
 */
function filtered_keys(
    core: Core,
    range: KeyRange,
    filter: "min_mod_revision" | "min_create_revision",
    from: number,
    limit: number,
    at: Endpoint,
): LuaMultiReturn<[current: CurrentRevision, keys: readonly unknown[]] | [current: undefined, err: EtcdError]> {
    const request: Message = new LuaMap();
    request.set("key", range.key);
    request.set("range_end", range.range_end);
    request.set(filter, from);
    request.set("limit", limit);
    request.set("keys_only", true);
    const [reply, err] = call.unary(core, rpcs.range, request, { quiet: true, at });
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    const [point, header_err] = history_of(reply);
    if (point === undefined) {
        return $multi(undefined, header_err);
    }
    const key_count = int64.to_number(reply.body.get("count")) ?? 0;
    const { cluster_id, raft_term, revision } = point;
    const keys = (reply.body.get("kvs") as unknown[] | undefined) ?? [];
    return $multi({ cluster_id, raft_term, revision, key_count }, keys);
}

/**
 * Reads whether keys of a range were written since a revision, and how many keys there are: compactions do not affect this.
 * @param from first revision of the writes
 * @param at the endpoint to ask
 */
function changed_keys(core: Core, range: KeyRange, from: number, at: Endpoint): Result<ChangedKeys, EtcdError> {
    const [current, keys] = filtered_keys(core, range, "min_mod_revision", from, 1, at);
    if (current === undefined) {
        return $multi(undefined, keys);
    }
    const { cluster_id, raft_term, revision, key_count } = current;
    return $multi({ cluster_id, raft_term, revision, key_count, has_changed: keys.length > 0 });
}

/**
 * Reads how many keys a range has, and how many of them were created since a revision: compactions do not affect this.
 * @param from first revision of the creations
 * @param at the endpoint to ask
 */
function created_keys(core: Core, range: KeyRange, from: number, at: Endpoint): Result<CreatedKeys, EtcdError> {
    const [current, keys] = filtered_keys(core, range, "min_create_revision", from, MAX_CREATED_KEYS + 1, at);
    if (current === undefined) {
        return $multi(undefined, keys);
    }
    const { cluster_id, raft_term, revision, key_count } = current;
    const created = keys.length <= MAX_CREATED_KEYS ? keys.length : undefined;
    return $multi({ cluster_id, raft_term, revision, key_count, created });
}

/**
 * Returns what is wrong with the keys of a full state, nil if nothing is: each of them is complete and in the range, and
 * comes after the one before.
 */
function problem_of_list(kvs: readonly RawKv[], range: KeyRange): Problem {
    const slice = time_slice.start();
    let last = "";
    for (const kv of kvs) {
        if (!completeness.is_complete_kv(kv)) {
            return "malformed reply: key-value pair without key, revision or version";
        }
        if (kv.key <= last || !key_range.has(range, kv.key)) {
            return "malformed reply: key out of order, or outside the range that was read";
        }
        last = kv.key;
        time_slice.yield_if_due(slice);
    }
    return undefined;
}

/**
 * Reads all keys of the range at one revision.
 * @param revision nil for the current one
 * @param source the cluster and the endpoint that the events are from
 * @returns the keys and their revision; or nil and an error
 */
function list(
    core: Core,
    range: KeyRange,
    revision: number | undefined,
    source: PageSource,
): LuaMultiReturn<[kvs: RawKv[], revision: number] | [kvs: undefined, err: EtcdError]> {
    const request: Message = new LuaMap();
    request.set("key", range.key);
    request.set("range_end", range.range_end);
    request.set("revision", revision);
    const [reply, err] = paged_range.read_raw(core, request, undefined, source);
    if (reply === undefined) {
        reset_revision_floor(core, err);
        return $multi(undefined, err);
    }
    const [current, header_err] = history_of(reply);
    if (current === undefined) {
        return $multi(undefined, header_err);
    }
    const kvs = (reply.body.get("kvs") as RawKv[] | undefined) ?? [];
    const problem = problem_of_list(kvs, range);
    if (problem !== undefined) {
        return $multi(undefined, errors.local_error("bad_reply", problem));
    }
    return $multi(kvs, revision ?? current.revision);
}

export { changed_keys, created_keys, current_revision, list };
