import type { Message } from "../protocol/message";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";

/** The least revision that replies can have. */
interface RevisionFloor {
    /** Highest revision that the client has seen. */
    revision: number;
    /** Cluster of that revision; nil before the first reply. */
    cluster_id: unknown;
    /** Revision of the last reply that was rejected as stale. */
    rejected: number;
}

function create(): RevisionFloor {
    return { revision: 0, cluster_id: undefined, rejected: 0 };
}

/** Raises the floor to the revision of a reply. A reply of another cluster, as after a restore from a backup, resets it. */
function note(floor: RevisionFloor, header: Message | undefined): void {
    const revision = tonumber(header?.get("revision"));
    if (revision === undefined) {
        return; // replies of some RPCs have no header
    }
    const cluster_id = header?.get("cluster_id");
    if (floor.cluster_id !== cluster_id) {
        floor.cluster_id = cluster_id;
        floor.revision = revision;
    } else if (revision > floor.revision) {
        floor.revision = revision;
    }
}

/**
 * Checks that a reply is not older than what the client had seen when the call began.
 * @param not_before the revision that was seen
 * @param cluster_id cluster of that revision; revisions of different clusters are not compared
 * @returns an error if the reply is older
 */
function check(
    floor: RevisionFloor,
    not_before: number,
    cluster_id: unknown,
    body: Message,
    endpoint: string,
): EtcdError | undefined {
    const header = body.get("header") as Message | undefined;
    const revision = tonumber(header?.get("revision"));
    if (revision !== undefined && revision < not_before && header?.get("cluster_id") === cluster_id) {
        floor.rejected = revision;
        const text = `${endpoint}: stale reply: revision ${revision}, seen already ${not_before}`;
        const err = errors.local_error("stale_reply", text, endpoint);
        err.retryable = true;
        return err;
    }
    note(floor, header);
    return undefined;
}

/**
 * Lowers the floor after every member answered with a lower revision. If the call was linearizable, the quorum agrees on
 * that revision: the cluster was restored from a backup, or was created again with the same cluster ID.
 */
function accept_rollback(floor: RevisionFloor, is_linearizable: boolean): void {
    if (is_linearizable && floor.rejected < floor.revision) {
        const text = `revision ${floor.revision} was seen, the current one is ${floor.rejected}`;
        ngx.log(ngx.WARN, "history of etcd diverged: ", text);
        floor.revision = floor.rejected;
    }
}

export { check, create as new, accept_rollback, type RevisionFloor };
