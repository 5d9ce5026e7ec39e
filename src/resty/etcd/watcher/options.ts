import type { ClientState } from "../call/client_state";
import * as checks from "../base/checks";
import type { OptionTable } from "../base/checks";
import type { Integer } from "../protocol/message";
import * as int64 from "../protocol/int64";
import * as keys from "../protocol/keys";
import type { FeedOptions } from "../watch/options";
import type { EtcdError } from "../protocol/errors";
import type { WatchBatch } from "./batch";

/** What a watcher watches, and how it delivers that. */
interface WatcherOptions {
    /** All keys that start with the key, which can be "" then. */
    prefix?: boolean;
    /** All keys from the key up to this one, exclusive; "\0" for all from the key on. */
    range_end?: string;
    /** First revision to report, which can be in the future; default: the next one after the call. */
    start_revision?: Integer;
    /** Events carry the previous key-value pair. */
    prev_kv?: boolean;
    /** "NOPUT", "NODELETE", or both: events to leave out. */
    filters?: string | string[];
    /** Values are kept as etcd stores them. */
    raw?: boolean;
    /** The first batch is the current state, or that before `start_revision`, as puts. */
    list?: boolean;
    /** Lost revisions are replaced by the difference to a full state. Without it they end the watcher. */
    relist?: boolean;
    /** Batches without events report etcd's current revision. */
    progress?: boolean;
    /** Seconds without any byte after which the stream is checked, and opened again if it is dead; default 60. */
    idle_timeout?: number;
    /** A shorter prefix. Watchers with the same one share a watch of all keys below it. */
    shared_prefix?: string;
    /** Maximum number of events in the queue; default 10,000. */
    max_queue?: number;
    /** Maximum size in bytes of the events in the queue; default 16 MiB. */
    max_queue_bytes?: number;
    /** Called with each batch, in a timer; with nil, an error text and the details when an error ends the watcher. */
    on_batch?: (this: void, batch: WatchBatch | undefined, err?: string, details?: EtcdError) => void;
}

function is_filter(value: unknown): boolean {
    return value === "NOPUT" || value === "NODELETE";
}

/** Returns the filters as a list; nil if they are invalid. */
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

function check_range_end(value: unknown): Problem {
    return value === "" ? "opts.range_end must be string, not empty" : undefined;
}

function check_start_revision(value: unknown): Problem {
    const revision = tonumber(int64.to_text(value)) ?? 0; // the watcher keeps revisions as numbers
    return revision < 1 || int64.to_text(revision) === undefined
        ? "opts.start_revision must be a positive integer"
        : undefined;
}

function check_filters(value: unknown): Problem {
    const is_invalid = read_filters(value) === undefined;
    return is_invalid ? 'opts.filters must be "NOPUT", "NODELETE" or a list of them' : undefined;
}

const OPTIONS: OptionTable = {
    rules: [
        { name: "prefix", type: "boolean" },
        { name: "range_end", type: "string", expected: "string, not empty", check: check_range_end },
        { name: "start_revision", check: check_start_revision },
        { name: "prev_kv", type: "boolean" },
        { name: "filters", check: check_filters },
        { name: "raw", type: "boolean" },
        { name: "list", type: "boolean" },
        { name: "relist", type: "boolean" },
        { name: "progress", type: "boolean" },
        { name: "idle_timeout", type: "number", above: 0, expected: "number of seconds" },
        { name: "shared_prefix", type: "string" },
        { name: "max_queue", type: "number", above: 0, expected: "a positive number" },
        { name: "max_queue_bytes", type: "number", above: 0, expected: "a positive number" },
        { name: "on_batch", type: "function" },
    ],
};

/** Checks key and options, which are not nil. Returns an error text, or nil if they are valid. */
function check(key: unknown, opts: unknown): Problem {
    if (typeof key !== "string") {
        return "key must be string";
    }
    const problem = checks.check_options(opts, OPTIONS);
    if (problem !== undefined) {
        return problem;
    }
    const wanted = opts as WatcherOptions;
    if (wanted.prefix === true) {
        return wanted.range_end !== undefined ? "opts.prefix and opts.range_end exclude each other" : undefined;
    }
    return checks.check_key(key);
}

/** Returns the options of the feed behind the watcher. `check` has accepted the watcher's options. */
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
        // with `relist` all events are needed, to know which keys exist: they are filtered later
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
