import type { ClientState } from "../call/client_state";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Batch } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as etcd_feed from "../watch/etcd_feed";
import type { WatchFeed } from "../watch/etcd_feed";
import type { FeedStats } from "../watch/stats";
import type { BatchStyle, WatchBatch, WatchEvent } from "./batch";
import * as watcher_batch from "./batch";
import type { KnownKeys } from "./known_keys";
import * as known_keys from "./known_keys";
import type { WatcherOptions } from "./options";
import * as options from "./options";
import * as callback_loop from "./callback_loop";
import type { CallbackLoop } from "./callback_loop";

const max = math.max;

interface WatcherStats extends FeedStats {
    /** Times that `on_batch` threw, or ended its timer. */
    callback_errors: number;
}

interface Fields {
    readonly feed: WatchFeed;
    readonly style: BatchStyle;
    /** Nil where lost revisions end the watcher. */
    readonly known: KnownKeys | undefined;
    readonly wants_list: boolean;
    readonly wants_progress: boolean;
    /** Taken from the feed, but not told yet: whoever works on it may be killed with its request. */
    pending_batch: Batch | undefined;
    /** Everything up to it has been told, and it was said so. */
    last_reported: number;
    /** Nil without `on_batch`. */
    callback_loop: CallbackLoop | undefined;
    readonly slice: TimeSlice;
}

/** Follows the changes of keys, each exactly once, for as long as etcd keeps them. */
interface Watcher extends Fields, Methods {}

/** What a full state says; nil if it only serves to know the keys. */
function translate_full(watcher: Fields, batch: Batch): WatchBatch | undefined {
    const { style, known, wants_list } = watcher;
    const revisions = known_keys.revisions_of(known !== undefined ? batch.full! : []);
    let made: WatchBatch | undefined;
    if (batch.reason !== "list" || wants_list) {
        made = watcher_batch.make_of_full(style, batch, known, revisions);
    }
    if (known !== undefined) {
        known.revisions = revisions;
        known.unknown_before = undefined;
    }
    return made;
}

/** Makes the user's batch of the feed's; nil if there is nothing to tell. */
function translate(watcher: Fields, batch: Batch): WatchBatch | undefined {
    const { style, known, wants_list, wants_progress } = watcher;
    let made: WatchBatch | undefined;
    if (batch.full !== undefined) {
        made = translate_full(watcher, batch);
    } else {
        made = watcher_batch.make(style, batch);
        if (known !== undefined) {
            known_keys.note(known, batch.events);
        }
    }
    watcher.pending_batch = undefined;
    watcher.last_reported = batch.reason === "restored" ? batch.revision : max(watcher.last_reported, batch.revision);
    const is_due = wants_progress || (wants_list && batch.reason === "list");
    return made !== undefined && (made.events.length > 0 || is_due) ? made : undefined;
}

/**
 * Waits for the next batch. May be called by one light thread at a time, of any request.
 * @param timeout seconds; nil waits for ever
 * @returns the batch; or nil and an error: `timeout` if none came, any other is final
 */
function next_batch(this: Watcher, timeout?: number): Result<WatchBatch, EtcdError> {
    const deadline = timeout !== undefined ? clock.now() + timeout : undefined;
    while (true) {
        if (this.pending_batch === undefined) {
            time_slice.yield_if_due(this.slice); // where many have come it does not wait for the next one
            const since = clock.now();
            const [batch, err] = this.feed.next(deadline !== undefined ? deadline - since : undefined);
            time_slice.restart_after_wait(this.slice, since);
            if (batch === undefined) {
                return $multi(undefined, err);
            }
            this.pending_batch = batch;
        }
        const made = translate(this, this.pending_batch);
        if (made !== undefined) {
            return $multi(made);
        }
    }
}

/**
 * For a loop over all batches: `for batch in watcher:batches() do`. It ends when the watcher does; `next` says why.
 */
function batches(this: Watcher): (this: void) => Result<WatchBatch, EtcdError> {
    return () => this.next();
}

/** Ends the watcher and frees its connection at once, unless others use it too. Who waits in `next` gets `closed`. */
function close(this: Watcher): true {
    this.feed.close();
    return true;
}

/** Everything up to this revision has been told. It never goes back, but where etcd did. */
function revision(this: Watcher): number {
    if (this.pending_batch === undefined) {
        this.last_reported = max(this.last_reported, this.feed.revision());
    }
    return this.last_reported;
}

/** What has happened so far. */
function stats(this: Watcher): WatcherStats {
    const counted = this.feed.stats() as WatcherStats;
    counted.callback_errors = this.callback_loop?.errors ?? 0;
    return counted;
}

/** `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`. */
function state(this: Watcher): string {
    return this.feed.state();
}

const methods = { batches, close, next: next_batch, revision, state, stats };
type Methods = typeof methods;
const mt: LuaMetatable<Watcher, Methods> = { __index: methods };

function make_style(cli: ClientState, opts: WatcherOptions): BatchStyle {
    let no_put = false;
    let no_delete = false;
    for (const filter of options.read_filters(opts.filters) ?? []) {
        no_put = no_put || filter === "NOPUT";
        no_delete = no_delete || filter === "NODELETE";
    }
    return {
        prefix_length: cli.key_prefix.length,
        serializer: opts.raw === true ? undefined : cli.serializer,
        prev_kv: opts.prev_kv === true,
        no_put,
        no_delete,
    };
}

/**
 * Follows the changes of a key, or of all keys with a prefix. It resumes by itself after any trouble, with neither
 * loss nor repetition.
 * @param key as `set` takes it
 * @returns the watcher; without `list` and `start_revision` it asks etcd for its revision first
 */
function open(this: ClientState, key: string, opts?: WatcherOptions): Result<Watcher, EtcdError> {
    const wanted = opts ?? {};
    const wrong = typeof wanted !== "object" ? "opts must be table" : options.check(key, wanted);
    if (wrong !== undefined) {
        return $multi(undefined, errors.local_error("bad_request", wrong));
    }
    const wants = options.to_feed(this, key, wanted);
    const [feed, err] = etcd_feed.open(this, wants);
    if (feed === undefined) {
        return $multi(undefined, err);
    }
    const fields: Fields = {
        feed,
        style: make_style(this, wanted),
        known: wanted.relist === true ? known_keys.new(feed.from) : undefined,
        wants_list: wanted.list === true,
        wants_progress: wanted.progress === true,
        pending_batch: undefined,
        last_reported: 0,
        callback_loop: undefined,
        slice: time_slice.start(),
    };
    const watcher = setmetatable(fields as Watcher, mt);
    if (wanted.on_batch !== undefined) {
        const [push, timer_err] = callback_loop.new(watcher, wanted.on_batch);
        if (push === undefined) {
            feed.close();
            return $multi(undefined, errors.local_error("bad_request", timer_err));
        }
        watcher.callback_loop = push;
    }
    return $multi(watcher);
}

export { open, type Watcher, type WatcherOptions, type WatcherStats, type WatchBatch, type WatchEvent };
