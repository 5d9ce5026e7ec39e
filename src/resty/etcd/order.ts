import * as errors from "./errors";
import type { EtcdError } from "./errors";
import type { Message } from "./transport";

/** How far a client has seen etcd come. */
interface Order {
    revision: number;
    cluster_id: unknown;
}

function create(): Order {
    return { revision: 0, cluster_id: undefined };
}

/** Notes how far etcd has come. Another cluster, as after a restore from a backup, counts anew. */
function note(order: Order, header: Message | undefined): void {
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
 * @returns an error if it is
 */
function check(order: Order, not_before: number, body: Message, endpoint: string): EtcdError | undefined {
    const header = body.get("header") as Message | undefined;
    const revision = tonumber(header?.get("revision"));
    if (revision !== undefined && revision < not_before && header?.get("cluster_id") === order.cluster_id) {
        const text = `${endpoint}: stale reply: revision ${revision}, seen already ${not_before}`;
        const err = errors.failure("stale_reply", text, endpoint);
        err.retryable = true;
        return err;
    }
    note(order, header);
    return undefined;
}

export { check, create as new, type Order };
