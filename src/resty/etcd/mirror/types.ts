import type { ClientState } from "../call/client_state";
import type { Semaphore } from "ngx.semaphore";
import type { RateLimitedLog } from "../base/rate_limited_log";
import type { EtcdError } from "../protocol/errors";
import type { TimerLoop } from "../base/timer_loop";
import type { Choice } from "../serializers/serializer";
import type { Batch, Feed } from "../watch/feed";

/** A key in a mirror; int64 values are decimal strings. */
interface Kv {
    /** Without the client's `key_prefix`. */
    readonly key: string;
    /** Decoded and transformed. */
    readonly value: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    readonly create_revision: string;
    readonly mod_revision: string;
    readonly version: string;
    readonly lease: string | undefined;
}

/** An item that `decode`, `validate` or `transform` rejected. */
interface Invalid {
    readonly err: string;
    readonly create_revision: string;
    readonly mod_revision: string;
}

/** What one revision changed in one key. */
interface Change {
    readonly type: "PUT" | "DELETE";
    readonly key: string;
    /** nil for a deletion. */
    readonly kv?: Kv | undefined;
    /** The kv before the change; nil if the key was absent. */
    readonly old?: Kv | undefined;
}

/** Changes that become visible together. */
interface Changes {
    readonly revision: number;
    readonly changes: readonly Change[];
    /** The changes are the whole content, as `on_change` was asked for. */
    readonly initial?: true;
}

interface OnChangeOptions {
    /** Call the function with the whole content first. */
    initial?: boolean;
}

type OnChange = (this: void, changes: Changes) => void;

/** Returns the value of an index for a key, an array of values, or nil. */
type IndexFn = (this: void, value: any, kv: Kv) => unknown; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/** A function given to `on_change`. */
interface Callback {
    readonly fn: OnChange;
    /** Set by the function that `on_change` returned: `fn` is not called any more. */
    is_stopped: boolean;
}

/** Changes that the callbacks have not received yet. */
interface PendingChanges extends Changes {
    /** The callbacks at the time of the change. */
    readonly callbacks: readonly Callback[];
}

type Decode = (this: void, bytes: string, kv: Kv) => LuaMultiReturn<[value: unknown, err?: unknown]>;
type Validate = (this: void, value: any, key: string) => LuaMultiReturn<[good: boolean | undefined, err?: unknown]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
type Transform = (this: void, value: any, kv: Kv) => LuaMultiReturn<[value: unknown, err?: unknown]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

interface Options {
    /** Makes a value from bytes; default: the client's serializer. */
    decode?: Decode;
    /** Makes a value from bytes, instead of the client's serializer. */
    serializer?: Choice;
    /** Returns true if the mirror accepts the value. */
    validate?: Validate;
    /** Makes the value that `get` returns, once per change. */
    transform?: Transform;
    /** Index functions by the name of the index. */
    index?: Record<string, IndexFn>;
    /** Watchers and mirrors below this prefix share one watch stream. */
    shared_prefix?: string;
    /** Seconds without a byte from etcd after which a stream is opened again. */
    idle_timeout?: number;
    /** "worker": each worker watches etcd. "shared": one of them watches for all. */
    mode?: "worker" | "shared";
    /** With `mode` "shared": the shared dict for the log. */
    shm_name?: string;
    /** Path of a file with the latest state, which a mirror starts from while etcd is unreachable. */
    snapshot?: string;
    /** Seconds between a change and the write of the file; default 5. */
    snapshot_interval?: number;
}

/** The functions that make a kv from bytes. */
interface Decoder {
    readonly decode: Decode;
    /** `decode`, `validate` or `transform` was given by the user. */
    readonly has_user_functions: boolean;
    readonly validate: Validate | undefined;
    readonly transform: Transform | undefined;
    /** Bytes of the client's `key_prefix`. */
    readonly prefix_length: number;
    readonly log: RateLimitedLog;
    /** Items rejected so far. */
    rejected_count: number;
    /** One of the functions has not returned yet. */
    is_calling: boolean;
}

/** The keys with one value of an index. */
interface Bucket {
    /** In byte order. */
    readonly keys: string[];
    /** Their kvs: made on demand, never changed afterwards. */
    list: readonly Kv[] | undefined;
}

type Buckets = LuaMap<AnyNotNil, Bucket>;
/** The value of an index for each key, or an array of values. */
type Values = LuaMap<string, AnyNotNil>;

interface Index {
    readonly name: string;
    readonly fn: IndexFn;
    buckets: Buckets;
    values: Values;
}

interface Indexes {
    readonly by_name: LuaMap<string, Index>;
    /** Functions of the indexes that were added and are not built yet, by the name of the index. */
    readonly pending: LuaMap<string, IndexFn>;
    /** Name of the pending index that is being built. */
    building: string | undefined;
    readonly log: RateLimitedLog;
    /** Errors that index functions have thrown so far. */
    error_count: number;
    /** An index function has not returned yet. */
    is_calling: boolean;
}

/** The keys of a store in byte order, sorted on demand. */
interface KeyOrder {
    /** Sorted; includes deleted keys if `has_deleted`, and lacks those of `unsorted`. */
    sorted: string[];
    unsorted: string[];
    has_deleted: boolean;
}

/** Arrays of kvs, made on demand, never changed afterwards. */
interface Lists {
    all: readonly Kv[] | undefined;
    by_prefix: LuaMap<string, readonly Kv[]>;
    prefix_count: number;
}

/** What lookups read. */
interface Store {
    kvs: LuaMap<string, Kv>;
    key_count: number;
    readonly order: KeyOrder;
    readonly lists: Lists;
    invalid_items: LuaMap<string, Invalid>;
    /** etcd's revision; 0 before the first full state. */
    revision: number;
    /** Number of changes of the content; 0 before the first full state. */
    version: number;
    /** There is a full state: an absent key is absent in etcd. */
    is_ready: boolean;
}

/** The callbacks of `on_change`, and what they have not received yet. */
interface Notifications {
    readonly log: RateLimitedLog;
    callbacks: readonly Callback[];
    /** Callbacks that receive the whole content before they receive changes. */
    joining: readonly Callback[];
    /** In the order of revisions. */
    pending: PendingChanges[];
    /** Those that are being merged, which were pending before. */
    coalescing: PendingChanges[];
    /** Those that the callbacks receive now. */
    current: PendingChanges | undefined;
    /** Number of callbacks that were called with `current`. */
    called: number;
    /** Number of changes in `pending`. */
    pending_count: number;
    /** Above this number, pending changes are coalesced. */
    coalesce_at: number;
    /** The light thread calls the callbacks. */
    is_notifying: boolean;
    /** It lasts as long as the turn of the loop, and waits for changes. */
    thread: ngx.thread.Thread | undefined;
    /** Posted when there are changes for the light thread. */
    readonly wake_signal: Semaphore;
    /** Posted when the light thread has called the callbacks. */
    readonly done_signal: Semaphore;
    /** When the callback that has not returned was called; nil between two calls. */
    callback_started_at: number | undefined;
    /** The running callback was logged as slow. */
    has_warned: boolean;
    /** The mirror is closed: no callback is called any more. */
    is_stopped: boolean;
    /** Errors that callbacks have thrown so far. */
    error_count: number;
    /** Times that pending changes were coalesced. */
    coalesced_count: number;
}

/** Numbers since the mirror was created. */
interface LoopCounters {
    /** Revisions, including those that changed nothing. */
    batches: number;
    puts: number;
    deletes: number;
    /** Full states, by reason. */
    readonly full: Record<string, number>;
    /** Feeds that ended with an error. */
    failures: number;
}

type Source = (this: void) => Result<Feed, EtcdError>;

/** A batch that was applied. */
interface AppliedBatch {
    readonly revision: number;
    readonly changes: Change[];
    /** It was the first full state. */
    readonly is_first: boolean;
}

/** Follows one feed after the other. */
interface Loop {
    /** Opens a feed. */
    readonly source: Source;
    is_closed: boolean;
    feed: Feed | undefined;
    feed_opened_at: number;
    /** The feed has delivered a batch. */
    has_received: boolean;
    /** A batch was from etcd, not from a snapshot file. */
    has_etcd_state: boolean;
    /** Revision of the last batch. */
    feed_revision: number;
    /** Revision for which etcd has confirmed the content since the last full state; 0 for none. */
    confirmed_revision: number;
    /** Time of the last response from etcd to the previous feed. */
    last_received_at: number | undefined;
    last_error: EtcdError | undefined;
    readonly counters: LoopCounters;
    /** Makes the turns. */
    timer: TimerLoop;
    /** The turns can call functions of users. */
    has_user_functions: boolean;
    /** Taken from the feed but not applied yet. */
    batch: Batch | undefined;
    /** Applied, but not given to `notifier` yet. */
    applied: AppliedBatch | undefined;
    /** Number of feeds that failed in a row. */
    failures_in_a_row: number;
    /** Earliest time at which the next feed is opened. */
    next_feed_at: number;
    /** A batch is being applied. */
    is_applying: boolean;
    /** Waits for a timer that can call functions of users, in which the loop then continues. */
    successor: TimerLoop | undefined;
}

/** Semaphores of callers that wait; weak, because a waiter can be killed. */
type Waiters = LuaMap<Semaphore, true>;

interface State {
    readonly cli: ClientState;
    readonly dir: string;
    readonly mode: string;
    readonly decoder: Decoder;
    readonly store: Store;
    readonly indexes: Indexes;
    readonly notifications: Notifications;
    readonly loop: Loop;
    /** Callers that wait for the first full state. */
    readonly ready_waiters: Waiters;
    /** Callers that wait for a revision. */
    readonly revision_waiters: Waiters;
    /** Earliest time of the next request whether the content is current. */
    next_confirmation_at: number;
    readonly log: RateLimitedLog;
}

export type {
    Bucket,
    Buckets,
    Callback,
    Change,
    Changes,
    Decode,
    Decoder,
    Index,
    IndexFn,
    Indexes,
    Invalid,
    KeyOrder,
    Kv,
    Lists,
    Loop,
    LoopCounters,
    Notifications,
    OnChange,
    OnChangeOptions,
    Options,
    PendingChanges,
    Source,
    State,
    Store,
    Transform,
    Validate,
    Values,
    Waiters,
};
