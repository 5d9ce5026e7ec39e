import type { ClientState } from "../call/client_state";
import type { Integer } from "../protocol/message";
import * as int64 from "../protocol/int64";
import * as keys from "../protocol/keys";
import type { FeedOptions } from "../watch/options";
import type { EtcdError } from "../protocol/errors";
import type { WatchBatch } from "./batch";

/** What a watcher is to watch, and how. */
interface WatcherOptions {
    /** All keys that start with the key, which may be "" then. */
    prefix?: boolean;
    /** All keys from the key up to this one; "\0" for all from the key on. */
    range_end?: string;
    /** First revision to report, which may be in the future; default: what comes after the call. */
    start_revision?: Integer;
    /** Events tell what the key was before. */
    prev_kv?: boolean;
    /** "NOPUT", "NODELETE", or both: events to leave out. */
    filters?: string | string[];
    /** Values are left as etcd stores them. */
    raw?: boolean;
    /** The first batch is the present state, or that before `start_revision`, as puts. */
    list?: boolean;
    /** Lost revisions are made up for by what has changed since; without it they end the watcher. */
    relist?: boolean;
    /** Batches without events tell how far etcd has come. */
    progress?: boolean;
    /** Seconds without any byte after which the stream is opened anew; default 60. */
    idle_timeout?: number;
    /** A shorter prefix, whose stream watchers of several keys under it share. */
    shared_prefix?: string;
    /** Events that may wait to be taken; default 10,000. */
    max_queue?: number;
    /** Bytes of events that may wait to be taken; default 16 MiB. */
    max_queue_bytes?: number;
    /** Called with each batch, in a timer; with nil and an error if the watcher comes to an end by itself. */
    on_batch?: (this: void, batch: WatchBatch | undefined, err?: EtcdError) => void;
}

function is_positive(value: unknown): boolean {
    return typeof value === "number" && value > 0;
}

function is_filter(value: unknown): boolean {
    return value === "NOPUT" || value === "NODELETE";
}

function is_type(value: unknown, name: string): boolean {
    return value === undefined || type(value) === name;
}

/** The filters as a list, nil if they are none. */
function read_filters(filters: unknown): string[] | undefined {
    const all = typeof filters === "string" ? [filters] : filters;
    if (typeof all !== "object") {
        return undefined;
    }
    const list: string[] = [];
    for (const filter of all as string[]) {
        if (!is_filter(filter)) {
            return undefined;
        }
        list.push(filter);
    }
    return list;
}

/** What is wrong with the options; nil if nothing is. */
function check(key: unknown, opts: WatcherOptions): Problem {
    if (typeof key !== "string") {
        return "key must be string";
    }
    if (key === "" && opts.prefix !== true) {
        return "key should not be empty";
    }
    if (!is_type(opts.range_end, "string") || opts.range_end === "") {
        return "opts.range_end must be string, not empty";
    }
    if (opts.prefix === true && opts.range_end !== undefined) {
        return "opts.prefix and opts.range_end exclude each other";
    }
    if (opts.start_revision !== undefined && (tonumber(int64.to_text(opts.start_revision)) ?? 0) < 1) {
        return "opts.start_revision must be a positive integer";
    }
    if (opts.idle_timeout !== undefined && !is_positive(opts.idle_timeout)) {
        return "opts.idle_timeout must be number of seconds";
    }
    if (opts.max_queue !== undefined && !is_positive(opts.max_queue)) {
        return "opts.max_queue must be a positive number";
    }
    if (opts.max_queue_bytes !== undefined && !is_positive(opts.max_queue_bytes)) {
        return "opts.max_queue_bytes must be a positive number";
    }
    if (!is_type(opts.shared_prefix, "string")) {
        return "opts.shared_prefix must be string";
    }
    if (!is_type(opts.on_batch, "function")) {
        return "opts.on_batch must be function";
    }
    if (opts.filters !== undefined && read_filters(opts.filters) === undefined) {
        return 'opts.filters must be "NOPUT", "NODELETE" or a list of them';
    }
    return undefined;
}

/** What the feed behind the watcher is to be. The options are without fault. */
function to_feed(cli: ClientState, key: string, opts: WatcherOptions): FeedOptions {
    const start = keys.with_prefix(cli.key_prefix, key);
    const feed: FeedOptions = { key: start };
    if (opts.prefix === true) {
        feed.range_end = keys.prefix_end(start);
    } else if (opts.range_end !== undefined) {
        feed.range_end = keys.real_range_end(cli.key_prefix, opts.range_end) as string;
    }
    if (opts.start_revision !== undefined) {
        feed.start_revision = tonumber(int64.to_text(opts.start_revision))!;
    }
    if (opts.shared_prefix !== undefined) {
        const shared = keys.with_prefix(cli.key_prefix, opts.shared_prefix);
        feed.shared_range = { key: shared, range_end: keys.prefix_end(shared) };
    }
    if (opts.filters !== undefined && opts.relist !== true) {
        // with a state to be kept, every event counts, and they are left out later
        feed.filters = read_filters(opts.filters)!;
    }
    if (opts.idle_timeout !== undefined) {
        feed.idle_timeout = opts.idle_timeout;
    }
    if (opts.max_queue !== undefined) {
        feed.max_queue = opts.max_queue;
    }
    if (opts.max_queue_bytes !== undefined) {
        feed.max_queue_bytes = opts.max_queue_bytes;
    }
    feed.prev_kv = opts.prev_kv === true;
    feed.progress = opts.progress === true;
    feed.relist = opts.relist === true;
    feed.list = opts.list === true || opts.relist === true;
    feed.from_now = opts.list !== true && opts.start_revision === undefined;
    return feed;
}

export { check, read_filters, to_feed, type WatcherOptions };
