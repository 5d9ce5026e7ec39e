import type { ClientState } from "../call/client_state";
import type { Semaphore } from "ngx.semaphore";
import type { RateLimitedLog } from "../base/rate_limited_log";
import type { EtcdError } from "../protocol/errors";
import type { Heartbeat } from "../base/watchdog";
import type { Feed } from "../watch/feed";

/** A key as a mirror holds it; int64 values are decimal strings. */
interface Kv {
    /** As the client's caller writes it: without the client's `key_prefix`. */
    readonly key: string;
    /** Decoded, and as `transform` made it. */
    readonly value: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    readonly create_revision: string;
    readonly mod_revision: string;
    readonly version: string;
    readonly lease: string | undefined;
}

/** An item that is not taken in, and why. */
interface Invalid {
    readonly err: string;
    readonly create_revision: string;
    readonly mod_revision: string;
}

/** What one revision has done to a key. */
interface Change {
    readonly type: "PUT" | "DELETE";
    readonly key: string;
    /** nil for a deletion. */
    readonly kv?: Kv | undefined;
    /** What it was before; nil if it was not there. */
    readonly old?: Kv | undefined;
}

/** Changes that become visible together. */
interface Changes {
    readonly revision: number;
    readonly changes: readonly Change[];
}

type OnChange = (this: void, changes: Changes) => void;

/** One value to be found under, or several, or none. */
type IndexFn = (this: void, value: any, kv: Kv) => unknown; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/** A function of a caller's, as one thing that can be taken off again. */
interface Callback {
    readonly fn: OnChange;
    /** It was taken off: it is not called any more. */
    is_stopped: boolean;
}

/** Changes that nobody was told of yet. */
interface PendingChanges extends Changes {
    /** Those who asked for changes when these came. */
    readonly callbacks: readonly Callback[];
}

type Decode = (this: void, bytes: string, kv: Kv) => LuaMultiReturn<[value: unknown, err?: unknown]>;

interface Options {
    /** Makes a value of bytes; default the client's serializer. */
    decode?: Decode;
    /** True for a value that may be taken in. */
    validate?: (this: void, value: any, key: string) => LuaMultiReturn<[good: boolean | undefined, err?: unknown]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    /** Makes what `get` answers out of a value, once per change. */
    transform?: (this: void, value: any, kv: Kv) => LuaMultiReturn<[value: unknown, err?: unknown]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    /** Functions that tell what a key is found under, by the name of the index. */
    index?: Record<string, IndexFn>;
    /** Watchers and mirrors below this prefix share one stream. */
    shared_prefix?: string;
    /** Seconds without a byte from etcd after which a stream is opened anew. */
    idle_timeout?: number;
    /** Who watches: each worker, or one of them for all. */
    mode?: "worker" | "shared";
    /** With `mode` "shared": the shared dict for the log. */
    shm_name?: string;
    /** Path of a file with the latest state, to begin with while etcd is away. */
    snapshot?: string;
    /** Seconds after a change before the file is written; default 5. */
    snapshot_interval?: number;
}

/** All that is found under one value of an index. */
interface Bucket {
    /** In their order. */
    readonly keys: string[];
    /** Made when it is asked for, never changed afterwards. */
    list: readonly Kv[] | undefined;
}

type Buckets = LuaMap<AnyNotNil, Bucket>;
/** What each key is found under: a value, or an array of values. */
type Values = LuaMap<string, AnyNotNil>;

interface Index {
    readonly name: string;
    readonly fn: IndexFn;
    buckets: Buckets;
    values: Values;
}

/** What is held, and what can be looked up in it. */
interface Store {
    /** The look-up table. */
    kvs: LuaMap<string, Kv>;
    key_count: number;
    /** Keys in their order: with some that are gone if `has_gaps`, and without those of `added`. */
    sorted: string[];
    unsorted_keys: string[];
    has_deleted_keys: boolean;
    /** Made when it is asked for, never changed afterwards. */
    list: readonly Kv[] | undefined;
    lists: LuaMap<string, readonly Kv[]>;
    list_count: number;
    indexes: LuaMap<string, Index>;
    invalid_items: LuaMap<string, Invalid>;
    at_revision: number;
    /** Counts real changes; 0 until there is a full state. */
    data_version: number;
}

/** What has happened so far. */
interface Counters {
    /** Revisions, whether they changed anything or not. */
    batches: number;
    puts: number;
    deletes: number;
    /** Full states, by reason. */
    full: Record<string, number>;
    /** Items that were not taken in. */
    invalid: number;
    callback_errors: number;
    /** How often changes that waited for functions of `on_change` became one difference. */
    coalesced: number;
    index_errors: number;
    /** Feeds that ended in an error. */
    failures: number;
}

type Source = (this: void) => Result<Feed, EtcdError>;

interface State extends Store {
    readonly cli: ClientState;
    readonly dir: string;
    readonly opts: Options;
    readonly decode: Decode;
    /** Bytes of the client's prefix. */
    readonly prefix_length: number;
    readonly source: Source;
    readonly counters: Counters;
    /** What `get` says of a key that is not there. */
    miss_reason: Problem;
    is_closed: boolean;
    /** Of the timer that it runs in. */
    readonly life: Heartbeat;
    /** Timers so far: the last one is the one that may run. */
    timers: number;
    /** It is changing the store. */
    is_applying: boolean;
    feed: Feed | undefined;
    /** The feed has delivered something. */
    has_received: boolean;
    /** When etcd was last heard of by the feed before. */
    last_received_at: number | undefined;
    last_error: EtcdError | undefined;
    callbacks: readonly Callback[];
    /** In their order; and how many changes that is, and from how many on they become one difference. */
    pending_changes: PendingChanges[];
    pending_count: number;
    coalesce_at: number;
    /** A light thread tells them. */
    is_notifying: boolean;
    /** That thread. */
    notifier_thread: ngx.thread.Thread | undefined;
    /** When it called the function that has not returned; nil between two calls. */
    callback_started_at: number | undefined;
    /** That this function is slow has been said. */
    has_warned: boolean;
    /** Those who wait for the first state; who was killed or has given up is forgotten. */
    readonly waiters: LuaMap<Semaphore, true>;
    /** Whoever has it may change the store, and yield in between. */
    readonly lock: Semaphore;
    /** Ends a pause between two feeds. */
    readonly wake: Semaphore;
    /** Indexes that are being made. */
    readonly building_indexes: LuaMap<string, true>;
    /** What users' functions and items get wrong. */
    readonly log: RateLimitedLog;
}

export type {
    Bucket,
    Buckets,
    Callback,
    Change,
    Changes,
    Counters,
    Decode,
    Index,
    IndexFn,
    Invalid,
    Kv,
    OnChange,
    Options,
    Source,
    State,
    Store,
    PendingChanges,
    Values,
};
