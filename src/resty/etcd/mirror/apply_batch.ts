import type { Batch } from "../watch/feed";
import * as apply from "./apply";
import * as stores from "./store";
import type { Change, Loop, State } from "./types";
import * as waiters from "./waiters";

const max = math.max;

/** Reports whether history has diverged. It also has if revisions go backwards: a new feed cannot know. */
function has_diverged(loop: Loop, batch: Batch): boolean {
    return batch.full !== undefined && (batch.reason === "restored" || batch.revision < loop.feed_revision);
}

/** Marks a full state as that of a restore if it contradicts the content. */
function find_divergence(state: State, batch: Batch): void {
    const { full } = batch;
    const until = state.loop.feed_revision;
    if (full !== undefined && until > 0 && !has_diverged(state.loop, batch) && apply.contradicts(state, full, until)) {
        batch.reason = "restored";
    }
}

/** Changes the content. The events up to a confirmed revision cancel each other out: they are skipped. */
function apply_content(state: State, batch: Batch): Change[] | undefined {
    const loop = state.loop;
    if (batch.full !== undefined) {
        return apply.apply_full_state(state, batch, has_diverged(loop, batch));
    }
    if (batch.events.length > 0 && batch.revision > loop.confirmed_revision) {
        return apply.apply_events(state, batch.events);
    }
    return [];
}

/** Notes the revision of a batch whose changes are in the store. */
function advance(state: State, batch: Batch, has_changed: boolean): void {
    const { loop, store } = state;
    stores.advance(
        store,
        has_diverged(loop, batch) ? batch.revision : max(store.revision, batch.revision),
        has_changed,
    );
    loop.feed_revision = batch.revision;
    if (batch.full !== undefined) {
        loop.confirmed_revision = 0;
    }
    waiters.wake_all(state.revision_waiters);
}

/** Notes that etcd has confirmed the content for a revision. */
function confirm(state: State, revision: number): void {
    stores.advance(state.store, revision, false);
    state.loop.confirmed_revision = revision;
    waiters.wake_all(state.revision_waiters);
}

function count(loop: Loop, batch: Batch): void {
    const counters = loop.counters;
    counters.batches = counters.batches + 1;
    if (batch.full !== undefined) {
        const reason = batch.reason ?? "list";
        counters.full[reason] = (counters.full[reason] ?? 0) + 1;
    }
    for (const event of batch.events) {
        if (event.type === "PUT") {
            counters.puts = counters.puts + 1;
        } else {
            counters.deletes = counters.deletes + 1;
        }
    }
}

function clear_error(state: State): void {
    const loop = state.loop;
    if (loop.last_error !== undefined) {
        loop.last_error = undefined;
        ngx.log(ngx.NOTICE, state.log.subject, ": follows etcd again");
    }
}

/**
 * Applies a batch. Nothing yields between the change of the store and the end of this function.
 * @returns the changes of the content; nil if the mirror was closed meanwhile: nothing has changed then
 */
function apply_batch(this: void, state: State, batch: Batch): Change[] | undefined {
    const { loop, store } = state;
    find_divergence(state, batch);
    const changes = apply_content(state, batch);
    if (changes === undefined) {
        return undefined;
    }
    count(loop, batch);
    const is_first = batch.full !== undefined && store.version === 0;
    advance(state, batch, changes.length > 0 || is_first);
    loop.has_received = true;
    if (batch.reason !== "snapshot") {
        loop.has_etcd_state = true;
        clear_error(state); // a snapshot file says nothing about the state of etcd
    }
    if (batch.full !== undefined && !store.is_ready) {
        stores.mark_ready(store);
        waiters.wake_all(state.ready_waiters);
    }
    return changes;
}

export { apply_batch, confirm };
