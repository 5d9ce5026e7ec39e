import type { ClientState } from "../call/client_state";
import * as checks from "../base/checks";
import * as clock from "../base/clock";
import type { MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as guarded_methods from "../protocol/guarded_methods";
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
    /** How often `on_batch` raised an error, or terminated its timer. */
    callback_errors: number;
}

interface Fields {
    readonly feed: WatchFeed;
    readonly style: BatchStyle;
    /** Nil without `relist`. */
    readonly known: KnownKeys | undefined;
    /** The user has asked for the first full state. */
    readonly reports_list: boolean;
    /** The user has asked for batches without events. */
    readonly reports_progress: boolean;
    /**
     * Batch taken from the feed but not yet returned. Kept here because the light thread that translates it can be killed
     * with its request.
     */
    pending_batch: Batch | undefined;
    /** Everything up to this revision has been returned. */
    delivered_revision: number;
    /** Nil without `on_batch`. */
    callback_loop: CallbackLoop | undefined;
    readonly slice: TimeSlice;
}

/** Delivers the changes of keys, each exactly once, as long as etcd has them. */
interface Watcher extends Fields, Methods {}

/** Converts a full state for the user; nil if it was only read to know which keys exist. */
function translate_full(watcher: Fields, batch: Batch): WatchBatch | undefined {
    const known = watcher.known;
    const until = watcher.delivered_revision;
    if (known !== undefined && batch.reason !== "restored" && known_keys.contradicts(known, batch.full!, until)) {
        batch.reason = "restored";
    }
    const revisions = known_keys.revisions_of(known !== undefined ? batch.full! : []);
    let user_batch: WatchBatch | undefined;
    if (batch.reason !== "list" || watcher.reports_list) {
        user_batch = watcher_batch.from_full_state(watcher.style, batch, known, revisions);
    }
    if (known !== undefined) {
        known.revisions = revisions;
        known.unknown_before = undefined;
    }
    return user_batch;
}

/** Converts the pending batch for the user; nil if it has nothing to report. */
function translate(watcher: Fields, batch: Batch): WatchBatch | undefined {
    const known = watcher.known;
    let user_batch: WatchBatch | undefined;
    if (batch.full !== undefined) {
        user_batch = translate_full(watcher, batch);
    } else {
        user_batch = watcher_batch.from_events(watcher.style, batch);
        if (known !== undefined) {
            known_keys.apply(known, batch.events);
        }
    }
    watcher.pending_batch = undefined;
    watcher.delivered_revision =
        batch.reason === "restored" ? batch.revision : max(watcher.delivered_revision, batch.revision);
    const reports_empty = watcher.reports_progress || (watcher.reports_list && batch.reason === "list");
    if (user_batch !== undefined && user_batch.events.length === 0 && !reports_empty) {
        return undefined;
    }
    return user_batch;
}

/**
 * Waits for the next batch. One light thread at a time can call it, of any request.
 * @param timeout seconds; nil waits without a limit
 * @returns the batch; or nil, an error text and the details. `details.name` is `timeout` if no batch came; any other error is
 *   final
 */
function next_batch(this: Watcher, timeout?: number): MethodResult<WatchBatch> {
    const problem = checks.check_timeout(timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const deadline = timeout !== undefined ? clock.now() + timeout : undefined;
    while (true) {
        if (this.pending_batch === undefined) {
            time_slice.yield_if_due(this.slice); // the feed does not yield while batches are queued
            const since = clock.now();
            const [batch, err] = this.feed.next(deadline !== undefined ? deadline - since : undefined);
            time_slice.restart_after_wait(this.slice, since);
            if (batch === undefined) {
                return errors.to_result(err);
            }
            this.pending_batch = batch;
        }
        const user_batch = translate(this, this.pending_batch);
        if (user_batch !== undefined) {
            return $multi(user_batch);
        }
    }
}

/** Returns an iterator: `for batch in watcher:batches() do`. The loop ends when the watcher ends; `next` returns why. */
function batches(this: Watcher): (this: void) => MethodResult<WatchBatch> {
    return () => this.next();
}

/**
 * Ends the watcher, and frees its connection immediately unless other watchers share it. A waiting `next` returns the error
 * `closed`.
 */
function close(this: Watcher): true {
    this.feed.close();
    return true;
}

/** Returns the revision up to which everything was delivered. It decreases only if etcd was restored from a backup. */
function revision(this: Watcher): number {
    if (this.pending_batch === undefined) {
        this.delivered_revision = max(this.delivered_revision, this.feed.revision());
    }
    return this.delivered_revision;
}

/** Returns the counters of the watcher and of the watch that serves it. */
function stats(this: Watcher): WatcherStats {
    const counters = this.feed.stats() as WatcherStats;
    const loop = this.callback_loop;
    counters.callback_errors = loop !== undefined ? loop.errors : 0;
    return counters;
}

/** Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`. */
function state(this: Watcher): string {
    return this.feed.state();
}

const methods = { batches, close, next: next_batch, revision, state, stats };
type Methods = typeof methods;
const mt: LuaMetatable<Watcher, Methods> = { __index: guarded_methods.new(methods, "feed") };

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
 * Watches a key, a prefix or a range. The watcher resumes after errors, without losing or repeating an event.
 * @param key as in `set`
 * @returns the watcher; or nil, an error text and the details. Without `list` and `start_revision` the call first asks etcd
 *   for its current revision
 */
function open(this: ClientState, key: string, opts?: WatcherOptions): MethodResult<Watcher> {
    const wanted = opts ?? {};
    const problem = options.check(key, wanted);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [feed, err] = etcd_feed.open(this, options.to_feed(this, key, wanted));
    if (feed === undefined) {
        return errors.to_result(err);
    }
    const fields: Fields = {
        feed,
        style: make_style(this, wanted),
        known: wanted.relist === true ? known_keys.new(feed.from) : undefined,
        reports_list: wanted.list === true,
        reports_progress: wanted.progress === true,
        pending_batch: undefined,
        delivered_revision: 0,
        callback_loop: undefined,
        slice: time_slice.start(),
    };
    const watcher = setmetatable(fields as Watcher, mt);
    if (wanted.on_batch !== undefined) {
        const [push, timer_err] = callback_loop.new(watcher, wanted.on_batch);
        if (push === undefined) {
            feed.close();
            return errors.bad_request(timer_err);
        }
        watcher.callback_loop = push;
    }
    return $multi(watcher);
}

export { open, type Watcher, type WatcherOptions, type WatcherStats, type WatchBatch, type WatchEvent };
