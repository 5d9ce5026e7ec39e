import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as error_text from "../base/error_text";
import * as gc_barrier from "../base/gc_barrier";
import type { RateLimitedLog } from "../base/rate_limited_log";
import * as rate_limited_log from "../base/rate_limited_log";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as wait from "../base/wait";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as timer_loop from "../base/timer_loop";
import * as printable from "../base/printable";
import * as apply from "./apply";
import * as options from "./options";
import type {
    Callback,
    Change,
    Changes,
    Notifications,
    OnChange,
    OnChangeOptions,
    PendingChanges,
    State,
} from "./types";

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
/** Seconds of a wait for changes, which has no limit. */
const IDLE_INTERVAL = 3600;

function create(log: RateLimitedLog): Result<Notifications> {
    const [wake_signal, err] = semaphore.new(0);
    const [done_signal, done_err] = semaphore.new(0);
    if (wake_signal === undefined || done_signal === undefined) {
        return $multi(undefined, err ?? done_err ?? "no semaphore");
    }
    return $multi({
        log,
        callbacks: [],
        joining: [],
        pending: [],
        coalescing: [],
        current: undefined,
        called: 0,
        pending_count: 0,
        coalesce_at: MAX_PENDING,
        is_notifying: false,
        thread: undefined,
        wake_signal,
        done_signal,
        callback_started_at: undefined,
        has_warned: false,
        is_stopped: false,
        error_count: 0,
        coalesced_count: 0,
    });
}

function with_callback(list: readonly Callback[], added: Callback): Callback[] {
    const all: Callback[] = [];
    for (const callback of list) {
        all.push(callback);
    }
    all.push(added);
    return all;
}

function without_callback(list: readonly Callback[], removed: Callback): Callback[] {
    const others: Callback[] = [];
    for (const callback of list) {
        if (callback !== removed) {
            others.push(callback);
        }
    }
    return others;
}

/**
 * Registers a function to be called after each change of the content, when all of the change is visible.
 * @returns a function that unregisters it; nil, an error text and the details for invalid arguments
 */
function on_change(this: State, fn: OnChange, opts?: OnChangeOptions): MethodResult<(this: void) => void> {
    const problem = options.check_on_change(fn, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const notifications = this.notifications;
    const added: Callback = { fn, is_stopped: false };
    if (opts?.initial === true) {
        notifications.joining = with_callback(notifications.joining, added);
    } else {
        notifications.callbacks = with_callback(notifications.callbacks, added);
    }
    return $multi(() => {
        added.is_stopped = true;
        notifications.callbacks = without_callback(notifications.callbacks, added);
        notifications.joining = without_callback(notifications.joining, added);
    });
}

/** Calls the callbacks that were registered at the time of the change and still are. */
function call_all(notifications: Notifications, item: PendingChanges, slice: TimeSlice): void {
    const argument: Changes = { revision: item.revision, changes: item.changes, initial: item.initial! };
    const callbacks = item.callbacks;
    while (notifications.called < callbacks.length) {
        if (notifications.is_stopped) {
            return;
        }
        const callback = callbacks[notifications.called]!;
        notifications.called = notifications.called + 1; // before the call: one that was interrupted is not repeated
        if (!callback.is_stopped) {
            notifications.callback_started_at = now();
            const [ok, err] = protected_call(callback.fn, argument);
            notifications.callback_started_at = undefined;
            notifications.has_warned = false;
            if (!ok) {
                notifications.error_count = notifications.error_count + 1;
                const text = printable.of(error_text.of(err, "no reason"));
                ngx.log(ngx.WARN, notifications.log.subject, ": on_change: ", text);
            }
            time_slice.yield_if_due(slice);
        }
    }
}

/** Delivers the pending changes. */
function deliver(this: void, notifications: Notifications): void {
    const slice = time_slice.start();
    while (true) {
        if (notifications.current === undefined) {
            const item = remove(notifications.pending, 1);
            if (item === undefined) {
                return;
            }
            notifications.pending_count = notifications.pending_count - item.changes.length;
            notifications.current = item;
            notifications.called = 0;
        }
        call_all(notifications, notifications.current, slice);
        notifications.current = undefined;
    }
}

/** No callback runs any more. */
function end_notifying(notifications: Notifications): void {
    notifications.is_notifying = false;
    notifications.callback_started_at = undefined;
    notifications.coalesce_at = MAX_PENDING;
}

/**
 * The light thread in which callbacks run. It lasts, because nginx keeps the context of each light thread until the timer
 * ends.
 */
function run_thread(this: void, notifications: Notifications): void {
    while (true) {
        protected_call(deliver, notifications); // nothing throws there, but `is_notifying` must not stay set
        end_notifying(notifications);
        wait.wake_all(notifications.done_signal);
        wait.wait(notifications.wake_signal, IDLE_INTERVAL);
    }
}

/** Calls the callbacks with what is pending. Those that do not wait for anything have returned when this function does. */
function call_pending(notifications: Notifications): void {
    const has_pending = notifications.current !== undefined || notifications.pending.length > 0;
    if (!notifications.is_notifying && has_pending && !notifications.is_stopped) {
        notifications.is_notifying = true;
        if (notifications.thread === undefined) {
            notifications.thread = ngx.thread.spawn(run_thread, notifications); // runs until a callback waits for something
        } else {
            notifications.wake_signal.post(1);
        }
    }
    while (notifications.is_notifying && notifications.callback_started_at === undefined) {
        wait.wait(notifications.done_signal, wait.MIN_PAUSE); // the thread yields to other requests, or has not begun yet
    }
}

/** Ends the light thread, which waits for changes. The light thread that has called `notify` must do this. */
function end_thread(notifications: Notifications): void {
    const thread = notifications.thread;
    if (thread !== undefined) {
        notifications.thread = undefined;
        ngx.thread.kill(thread);
    }
}

/**
 * Restores a consistent state after the timer was terminated. Callbacks that had not been called with the last changes
 * are called after `notify` or `call_pending`.
 */
function reset(notifications: Notifications): void {
    end_notifying(notifications);
    notifications.thread = undefined;
    const { coalescing, pending } = notifications;
    if (coalescing.length > 0) {
        notifications.coalescing = [];
        for (const item of pending) {
            coalescing.push(item);
        }
        notifications.pending = coalescing;
        notifications.pending_count = 0;
        for (const item of coalescing) {
            notifications.pending_count = notifications.pending_count + item.changes.length;
        }
    }
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
    notifications.coalescing = pending;
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
    notifications.coalescing = [];
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
    call_pending(notifications);
}

/** Notifies the callbacks of the batch that was applied. Returns after those that do not wait for anything. */
function announce(state: State): void {
    const { loop, notifications } = state;
    const { applied } = loop;
    if (applied !== undefined) {
        const { is_first, revision } = applied;
        const is_all = is_first && notifications.callbacks.length > 0;
        const changes = is_all ? apply.all_as_changes(state) : applied.changes;
        loop.applied = undefined;
        notify(notifications, revision, changes);
    }
    if (notifications.thread !== undefined) {
        timer_loop.note_leftovers(loop.timer, 1); // what the callbacks have made is unknown
    }
}

/** Reports whether there is any callback. */
function is_used(notifications: Notifications): boolean {
    return notifications.callbacks.length > 0 || notifications.joining.length > 0;
}

/**
 * Delivers the whole content to the callbacks that have asked for it, unless another callback delays them. From then on
 * they receive changes. Only the loop of the mirror calls this: the content does not change meanwhile.
 */
function announce_initial(state: State): void {
    const { notifications, store } = state;
    if (notifications.joining.length === 0 || notifications.is_notifying || !store.is_ready) {
        return;
    }
    const changes = apply.all_as_changes(state);
    const joining = notifications.joining;
    notifications.joining = [];
    for (const callback of joining) {
        notifications.callbacks = with_callback(notifications.callbacks, callback);
    }
    notifications.pending.push({ revision: store.revision, changes, callbacks: joining, initial: true });
    notifications.pending_count = notifications.pending_count + changes.length;
    call_pending(notifications);
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
            if (now() > deadline) {
                break;
            }
        }
        wait.sleep(POLL_INTERVAL);
    }
    end_thread(notifications);
}

export {
    announce,
    announce_initial,
    call_pending,
    end_thread,
    is_used,
    create as new,
    on_change,
    reset,
    stop,
    wait_for_callback,
    warn_if_slow,
};
