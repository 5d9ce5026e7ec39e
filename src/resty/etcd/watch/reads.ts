import type { HistoryPoint } from "./types";
import type { Message, RawKv } from "../protocol/message";
import * as call from "../call/call";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { KeyRange } from "../protocol/key_range";
import * as paged_range from "../call/paged_range";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

/** A client that never goes back in time refuses what an etcd restored from a backup answers. */
function forget_order(core: Core, err: EtcdError): void {
    const order = core.revision_floor;
    if (err.name === "stale_reply" && order !== undefined) {
        // the read is linearizable: it is not the member that is behind
        order.revision = 0;
    }
}

/** What a reply says of the etcd that it comes from. What stands in front of etcd may answer without saying so. */
function known_from(reply: Reply): Result<HistoryPoint, EtcdError> {
    const header = reply.body.get("header") as Message | undefined;
    const cluster_id = header?.get("cluster_id") as string | undefined;
    const raft_term = tonumber(header?.get("raft_term")) ?? 0;
    const revision = tonumber(header?.get("revision")) ?? 0;
    if (cluster_id === undefined || raft_term < 1 || revision < 1) {
        return $multi(
            undefined,
            errors.local_error("bad_reply", "malformed reply: it does not say of which revision it is"),
        );
    }
    return $multi({ cluster_id, raft_term, revision });
}

/** Asks etcd how far it has come, with a linearizable read that costs little. */
function current_revision(core: Core, range: KeyRange): Result<HistoryPoint, EtcdError> {
    const [reply, err] = call.unary(core, rpcs.range, { key: range.key, count_only: true }, { quiet: true });
    if (reply === undefined) {
        forget_order(core, err);
        return $multi(undefined, err);
    }
    return known_from(reply);
}

/**
 * Reads all keys of the range at one revision.
 * @param revision nil for the latest
 */
function list(
    core: Core,
    range: KeyRange,
    revision: number | undefined,
): LuaMultiReturn<[kvs: RawKv[], revision: number] | [kvs: undefined, err: EtcdError]> {
    const request: Message = new LuaMap();
    request.set("key", range.key);
    request.set("range_end", range.range_end);
    request.set("revision", revision);
    const [reply, err] = paged_range.read_raw(core, request, undefined);
    if (reply === undefined) {
        forget_order(core, err);
        return $multi(undefined, err);
    }
    const [known, bad] = known_from(reply);
    if (known === undefined) {
        return $multi(undefined, bad);
    }
    const kvs = (reply.body.get("kvs") as RawKv[] | undefined) ?? [];
    return $multi(kvs, revision ?? known.revision);
}

/** The etcd that answered is not the one that is known, or was set back: it was restored from a backup. */
function history_diverged(before: HistoryPoint, after: HistoryPoint): boolean {
    return (
        (before.cluster_id !== undefined && after.cluster_id !== before.cluster_id) ||
        after.revision < before.revision ||
        after.raft_term < before.raft_term
    );
}

export { list, current_revision, history_diverged };
