import type { Message } from "../protocol/message";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";

/** How far a client has seen etcd come. */
interface RevisionFloor {
    revision: number;
    cluster_id: unknown;
    /** The last revision that was refused as too old. */
    refused: number;
}

function create(): RevisionFloor {
    return { revision: 0, cluster_id: undefined, refused: 0 };
}

/** Notes how far etcd has come. Another cluster, as after a restore from a backup, counts anew. */
function note(order: RevisionFloor, header: Message | undefined): void {
    const revision = tonumber(header?.get("revision"));
    if (revision === undefined) {
        return; // not every reply tells
    }
    const cluster_id = header?.get("cluster_id");
    if (order.cluster_id !== cluster_id) {
        order.cluster_id = cluster_id;
        order.revision = revision;
    } else if (revision > order.revision) {
        order.revision = revision;
    }
}

/**
 * Looks whether a reply is older than what was seen before its call began.
 * @param not_before the revision that was seen
 * @param cluster_id of the cluster that it was seen of: revisions of another one say nothing
 * @returns an error if it is
 */
function check(
    order: RevisionFloor,
    not_before: number,
    cluster_id: unknown,
    body: Message,
    endpoint: string,
): EtcdError | undefined {
    const header = body.get("header") as Message | undefined;
    const revision = tonumber(header?.get("revision"));
    if (revision !== undefined && revision < not_before && header?.get("cluster_id") === cluster_id) {
        order.refused = revision;
        const text = `${endpoint}: stale reply: revision ${revision}, seen already ${not_before}`;
        const err = errors.local_error("stale_reply", text, endpoint);
        err.retryable = true;
        return err;
    }
    note(order, header);
    return undefined;
}

/**
 * All members have answered with revisions below what was seen. If they must have agreed among them for it, what was
 * seen is history: they were restored from a backup, or began anew under the same cluster ID. Later calls are told so.
 * @param is_current the call was one that only members serve that are up to date
 */
function accept_rollback(order: RevisionFloor, is_current: boolean): void {
    if (is_current && order.refused < order.revision) {
        ngx.log(ngx.WARN, "etcd has gone back from revision ", order.revision, " to ", order.refused);
        order.revision = order.refused;
    }
}

export { check, create as new, accept_rollback, type RevisionFloor };
