import * as clock from "../base/clock";
import * as error_text from "../base/error_text";
import * as gc_barrier from "../base/gc_barrier";
import type { RateLimitedLog } from "../base/rate_limited_log";
import * as rate_limited_log from "../base/rate_limited_log";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import type { Callback, Change, Changes, Notifications, OnChange, PendingChanges, State } from "./types";

const now = clock.now;
const max = math.max;
const remove = table.remove;

/** Changes that can wait for a slow callback before they are coalesced. */
const MAX_PENDING = 1024;
/** Seconds after which a callback that has not returned is logged. */
const SLOW_AFTER = 1;
/** Seconds that a callback has to return when the worker exits. */
const EXIT_GRACE = 0.5;
const POLL_INTERVAL = 0.1;

function create(log: RateLimitedLog): Notifications {
    return {
        log,
        callbacks: [],
        pending: [],
        pending_count: 0,
        coalesce_at: MAX_PENDING,
        is_notifying: false,
        thread: undefined,
        callback_started_at: undefined,
        has_warned: false,
        is_stopped: false,
        error_count: 0,
        coalesced_count: 0,
    };
}

/**
 * Registers a function to be called after each change of the content, when all of the change is visible.
 * @returns a function that unregisters it
 */
function on_change(this: State, fn: OnChange): MethodResult<(this: void) => void> {
    if (typeof fn !== "function") {
        return errors.bad_request("callback must be function");
    }
    const notifications = this.notifications;
    const added: Callback = { fn, is_stopped: false };
    const all: Callback[] = [];
    for (const callback of notifications.callbacks) {
        all.push(callback);
    }
    all.push(added);
    notifications.callbacks = all;
    return $multi(() => {
        added.is_stopped = true;
        const others: Callback[] = [];
        for (const callback of notifications.callbacks) {
            if (callback !== added) {
                others.push(callback);
            }
        }
        notifications.callbacks = others;
    });
}

/** Calls the callbacks that were registered at the time of the change and still are. */
function call_all(notifications: Notifications, item: PendingChanges, slice: TimeSlice): void {
    const argument: Changes = { revision: item.revision, changes: item.changes };
    for (const callback of item.callbacks) {
        if (notifications.is_stopped) {
            return;
        }
        if (!callback.is_stopped) {
            notifications.callback_started_at = now();
            const [ok, err] = protected_call(callback.fn, argument);
            notifications.callback_started_at = undefined;
            notifications.has_warned = false;
            if (!ok) {
                notifications.error_count = notifications.error_count + 1;
                ngx.log(ngx.WARN, notifications.log.subject, ": on_change: ", error_text.of(err, "no reason"));
            }
            time_slice.yield_if_due(slice);
        }
    }
}

/** Delivers the pending changes. */
function deliver(this: void, notifications: Notifications): void {
    const slice = time_slice.start();
    let item = remove(notifications.pending, 1);
    while (item !== undefined) {
        notifications.pending_count = notifications.pending_count - item.changes.length;
        call_all(notifications, item, slice);
        item = remove(notifications.pending, 1);
    }
}

/** No callback runs any more: it has returned, or the timer that it ran in has ended. */
function reset(notifications: Notifications): void {
    notifications.is_notifying = false;
    notifications.thread = undefined;
    notifications.callback_started_at = undefined;
    notifications.coalesce_at = MAX_PENDING;
}

/** The light thread in which callbacks run. */
function run_thread(this: void, notifications: Notifications): void {
    protected_call(deliver, notifications); // nothing throws there, but `is_notifying` must not stay set
    reset(notifications);
}

/** Merges two changes of the same key. */
function merge(before: Change, after: Change): Change {
    return gc_barrier.mark_now({ type: after.type, key: after.key, kv: after.kv, old: before.old });
}

/**
 * Merges all pending changes into one difference. A slow callback then holds back no more memory than the keys take,
 * and no change is lost.
 */
function coalesce(notifications: Notifications): void {
    const pending = notifications.pending;
    const latest = pending[pending.length - 1]!;
    const count = notifications.pending_count;
    notifications.pending = [];
    notifications.pending_count = 0;
    const slice = time_slice.start();
    const by_key = new LuaMap<string, Change>();
    const keys: string[] = [];
    for (const item of pending) {
        for (const change of item.changes) {
            time_slice.yield_if_due(slice);
            const key = change.key;
            const before = by_key.get(key);
            if (before === undefined) {
                keys.push(key);
                by_key.set(key, change);
            } else {
                by_key.set(key, merge(before, change));
            }
        }
    }
    const changes: Change[] = [];
    for (const key of keys) {
        time_slice.yield_if_due(slice);
        const change = by_key.get(key)!;
        if (change.kv !== undefined || change.old !== undefined) {
            changes.push(change); // else the key was created and deleted meanwhile
        }
    }
    if (changes.length > 0) {
        notifications.pending.push({ revision: latest.revision, changes, callbacks: latest.callbacks });
    }
    notifications.pending_count = changes.length;
    notifications.coalesce_at = max(MAX_PENDING, 2 * changes.length);
    notifications.coalesced_count = notifications.coalesced_count + 1;
    rate_limited_log.warn(
        notifications.log,
        `on_change: slow callback: merged ${count} pending changes into one difference`,
    );
}

/** Logs, once per call, a callback that has not returned. */
function warn_if_slow(notifications: Notifications): void {
    const started_at = notifications.callback_started_at;
    if (started_at !== undefined && !notifications.has_warned && now() - started_at > SLOW_AFTER) {
        notifications.has_warned = true;
        rate_limited_log.warn(
            notifications.log,
            `on_change: a callback has not returned for ${SLOW_AFTER} s; later changes wait for it`,
        );
    }
}

/**
 * Notifies the callbacks of changes that are already visible. Callbacks that do not wait for anything have returned
 * when this function does. Others run on, and receive what follows after that. Only one light thread can call this.
 */
function notify(notifications: Notifications, revision: number, changes: Change[]): void {
    const callbacks = notifications.callbacks;
    if (changes.length === 0 || callbacks.length === 0) {
        return;
    }
    notifications.pending.push({ revision, changes, callbacks });
    notifications.pending_count = notifications.pending_count + changes.length;
    if (notifications.is_notifying && notifications.pending_count > notifications.coalesce_at) {
        coalesce(notifications);
    }
    if (!notifications.is_notifying && notifications.pending.length > 0) {
        notifications.is_notifying = true;
        const thread = ngx.thread.spawn(run_thread, notifications); // runs until a callback waits for something
        if (notifications.is_notifying as boolean) {
            notifications.thread = thread;
        }
    }
    while (notifications.is_notifying && notifications.callback_started_at === undefined) {
        time_slice.yield_now(); // the thread only yields to other requests
    }
}

/** Calls no callback any more, except to the end of the one that runs. */
function stop(notifications: Notifications): void {
    notifications.is_stopped = true;
}

/** Waits until the running callback has returned. An exiting worker waits no longer than `EXIT_GRACE`. */
function wait_for_callback(notifications: Notifications): void {
    notifications.pending = [];
    let deadline: number | undefined;
    while (notifications.is_notifying) {
        if (ngx.worker.exiting()) {
            deadline ??= now() + EXIT_GRACE;
            if (now() > deadline && notifications.thread !== undefined) {
                ngx.thread.kill(notifications.thread);
                return;
            }
        }
        ngx.sleep(POLL_INTERVAL);
    }
}

export { create as new, notify, on_change, reset, stop, wait_for_callback, warn_if_slow };
