import type { Message, RawKv } from "../protocol/message";
import * as call from "../call/call";
import * as int64 from "../protocol/int64";
import * as keys from "../protocol/keys";
import * as rpcs from "../protocol/rpc";
import type { EtcdError } from "../protocol/errors";
import type { Loop, State, Store } from "./types";
import * as apply_batch from "./apply_batch";

/*
 * A watch does not show that a revision changed no key of its range: etcd reports that only every 10 minutes, and the
 * gateway cannot request it on an open stream. So the range itself is read: without keys, except for one that was
 * modified after the revision of the content. If no key was modified since, and the number of keys is the same, none was
 * deleted either: the content is that of the revision of the reply. Events up to that revision that are still on their
 * way cancel each other out: `apply_batch` skips them.
 */

/** Returns the number of keys that etcd has below the prefix, as far as the mirror knows. */
function count_keys(store: Store): number {
    let count = store.key_count;
    for (const [key] of store.invalid_items) {
        if (store.kvs.get(key) === undefined) {
            count = count + 1;
        }
    }
    return count;
}

/** Returns the ID of the cluster that the content is from; nil if the feed does not know it. */
function cluster_of(loop: Loop): string | undefined {
    const feed = loop.feed;
    return feed?.cluster_id !== undefined ? feed.cluster_id() : undefined;
}

/** Reports whether the content, as of `revision`, equals the range that etcd has described. */
function is_equal(state: State, revision: number, reply: Message): boolean {
    const { loop, store } = state;
    if (loop.is_applying || loop.feed === undefined || loop.feed_revision !== revision) {
        return false; // the content changes, or has changed meanwhile
    }
    const header = reply.get("header") as Message | undefined;
    const kvs = (reply.get("kvs") as RawKv[] | undefined) ?? [];
    const count = int64.to_number(reply.get("count")) ?? 0;
    return kvs.length === 0 && count === count_keys(store) && header?.get("cluster_id") === cluster_of(loop);
}

/** Reports whether etcd can be asked: the content is from etcd, not from a snapshot file. */
function can_ask(state: State): boolean {
    return state.loop.has_etcd_state;
}

/**
 * Asks etcd whether the content is still current, and notes it if that is so.
 * @param timeout seconds
 * @returns an error if etcd did not answer
 */
function ask(state: State, timeout: number): EtcdError | undefined {
    const { loop, store } = state;
    const revision = loop.feed_revision;
    const request: Message = new LuaMap();
    for (const [name, value] of keys.prefix_range(state.cli.key_prefix, state.dir)) {
        request.set(name, value);
    }
    request.set("min_mod_revision", string.format("%d", revision + 1));
    request.set("keys_only", true);
    request.set("limit", 1);
    const [reply, err] = call.unary(state.cli, rpcs.range, request, { timeout, quiet: true });
    if (reply === undefined) {
        return err;
    }
    const header = reply.body.get("header") as Message | undefined;
    const confirmed = int64.to_number(header?.get("revision")) ?? 0;
    if (confirmed > store.revision && is_equal(state, revision, reply.body)) {
        apply_batch.confirm(state, confirmed);
    }
    return undefined;
}

export { ask, can_ask };
