import type { ClientState } from "../call/client_state";
import * as identities from "../call/identity";
import * as keys from "../protocol/keys";
import type { OpenSource } from "../shared_log/coordinator";
import * as open from "../shared_log/open";
import * as snapshot_feed from "../storage/snapshot_feed";
import * as etcd_feed from "../watch/etcd_feed";
import type { FeedOptions } from "../watch/etcd_feed";
import type { Options, Source } from "./types";

/** Returns the key and range end of all keys below a prefix. */
function range_of(cli: ClientState, dir: string): { key: string; range_end: string } {
    const range = keys.prefix_range(cli.key_prefix, dir);
    return { key: range.get("key") as string, range_end: range.get("range_end") as string };
}

/** Returns the function that opens a feed from etcd: for the writer of a shared log, and for all workers if the log fails. */
function opener(cli: ClientState, wanted: FeedOptions): OpenSource {
    return (from, cluster_id) => {
        const { key, range_end, shared_range } = wanted;
        const options: FeedOptions = { key, relist: true, progress: true };
        if (range_end !== undefined) {
            options.range_end = range_end;
        }
        if (shared_range !== undefined) {
            options.shared_range = shared_range;
        }
        if (wanted.idle_timeout !== undefined) {
            options.idle_timeout = wanted.idle_timeout;
        }
        if (from === undefined) {
            options.list = true;
        } else {
            options.start_revision = from;
            options.resumed = true;
            if (cluster_id !== undefined) {
                options.cluster_id = cluster_id;
            }
        }
        return etcd_feed.open(cli, options);
    };
}

/** Returns a source that starts from a snapshot file if etcd does not respond immediately. */
function with_snapshot(source: Source, path: string, identity: string, interval: number | undefined): Source {
    const state = snapshot_feed.new_state(path, identity, interval);
    return () => {
        const [feed, err] = source();
        if (feed === undefined) {
            return $multi(undefined, err);
        }
        return $multi(snapshot_feed.wrap(feed, state));
    };
}

/**
 * Chooses where the batches of a mirror come from.
 * @param dir without the client's `key_prefix`
 * @returns a function that opens a feed of all keys below the prefix, which starts with a full state
 */
function choose(cli: ClientState, dir: string, opts: Options): Result<Source> {
    const { key, range_end } = range_of(cli, dir);
    const wanted: FeedOptions = { key, range_end, list: true, relist: true, progress: true };
    if (opts.idle_timeout !== undefined) {
        wanted.idle_timeout = opts.idle_timeout;
    }
    if (opts.shared_prefix !== undefined) {
        wanted.shared_range = range_of(cli, opts.shared_prefix);
    }
    const identity = identities.of_range(cli, key, range_end);
    let source: Source = () => etcd_feed.open(cli, wanted);
    if (opts.mode === "shared") {
        const dict = ngx.shared[opts.shm_name ?? ""];
        if (dict === undefined) {
            return $multi(undefined, `opts.shm_name: no shared dict ${opts.shm_name ?? ""}`);
        }
        const open_source = opener(cli, wanted);
        source = () => open.open(dict, identity, key, open_source);
    }
    if (opts.snapshot !== undefined) {
        source = with_snapshot(source, opts.snapshot, identity, opts.snapshot_interval);
    }
    return $multi(source);
}

export { choose };
