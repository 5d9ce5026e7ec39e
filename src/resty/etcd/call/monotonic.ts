import type { Message } from "../protocol/message";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as int64 from "../protocol/int64";

/** The least revision that replies can have. */
interface RevisionFloor {
    /** Highest revision that the client has seen. */
    revision: number;
    /** Cluster of that revision; nil before the first reply. */
    cluster_id: string | undefined;
    /** Highest revisions of other clusters, of which replies came before: a stray endpoint can answer in between. */
    others: LuaMap<string, number>;
    other_count: number;
    /** Revision of the last reply that was rejected as stale. */
    rejected: number;
    /** Its cluster. */
    rejected_cluster: string | undefined;
}

/** Maximum number of other clusters, against a server that invents them. */
const MAX_OTHERS = 16;

function create(): RevisionFloor {
    return {
        revision: 0,
        cluster_id: undefined,
        others: new LuaMap(),
        other_count: 0,
        rejected: 0,
        rejected_cluster: undefined,
    };
}

/** Forgets what was seen: etcd was restored from a backup. */
function reset(floor: RevisionFloor): void {
    floor.revision = 0;
    floor.others = new LuaMap();
    floor.other_count = 0;
}

/** Makes another cluster the one of the floor. */
function change_cluster(floor: RevisionFloor, cluster_id: string | undefined): void {
    const { others, cluster_id: before } = floor;
    if (before !== undefined && others.get(before) === undefined) {
        floor.other_count = floor.other_count + 1;
        if (floor.other_count > MAX_OTHERS) {
            floor.others = new LuaMap();
            floor.other_count = 1;
        }
    }
    if (before !== undefined) {
        floor.others.set(before, floor.revision);
    }
    floor.cluster_id = cluster_id;
    floor.revision = others.get(cluster_id ?? "") ?? 0;
}

/** Raises the floor to the revision of a reply. Each cluster has a floor: their revisions are not compared. */
function note(floor: RevisionFloor, header: Message | undefined): void {
    const revision = int64.to_number(header?.get("revision"));
    if (revision === undefined) {
        return; // replies of some RPCs have no header
    }
    const cluster_id = header?.get("cluster_id") as string | undefined;
    if (floor.cluster_id !== cluster_id) {
        change_cluster(floor, cluster_id);
    }
    if (revision > floor.revision) {
        floor.revision = revision;
    }
}

/**
 * Checks that a reply is not older than what the client had seen when the call began.
 * @param is_read only reads are checked
 * @param seen_revision the revision that was seen
 * @param seen_cluster its cluster; a reply of another one is compared with the revision of that, as far as there is one
 * @returns an error if the reply is older
 */
function check(
    floor: RevisionFloor,
    is_read: boolean,
    seen_revision: number,
    seen_cluster: string | undefined,
    body: Message,
    endpoint: string,
): EtcdError | undefined {
    const header = body.get("header") as Message | undefined;
    const revision = int64.to_number(header?.get("revision"));
    const cluster_id = header?.get("cluster_id") as string | undefined;
    const not_before = cluster_id === seen_cluster ? seen_revision : (floor.others.get(cluster_id ?? "") ?? 0);
    if (is_read && revision !== undefined && revision < not_before) {
        floor.rejected = revision;
        floor.rejected_cluster = cluster_id;
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
    const { rejected, rejected_cluster, others } = floor;
    const is_current = rejected_cluster === floor.cluster_id;
    const seen = is_current ? floor.revision : (others.get(rejected_cluster ?? "") ?? 0);
    if (is_linearizable && rejected < seen) {
        const text = `revision ${seen} was seen, the current one is ${rejected}`;
        ngx.log(ngx.WARN, "history of etcd diverged: ", text);
        if (is_current) {
            floor.revision = rejected;
        } else {
            others.set(rejected_cluster ?? "", rejected);
        }
    }
}

export { accept_rollback, check, create as new, reset, type RevisionFloor };
