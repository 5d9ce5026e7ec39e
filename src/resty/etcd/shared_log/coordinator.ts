import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as dict_values from "../base/dict_values";
import type { Mutable } from "../base/mutable";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as random from "../base/random";
import * as printable from "../base/printable";
import * as logs from "./log";
import type { Log } from "./log";
import type { LogDict } from "./records";
import * as cleanup from "./cleanup";
import * as registry from "./registry";
import type { Source, Writer } from "./writer";
import * as writers from "./writer";
import * as writer_error from "./writer_error";

const now = clock.now;
const max = math.max;

/** Seconds without a heartbeat after which a writer counts as dead. Writers send five or more in that time. */
const WRITER_LEASE = 1;
/** Seconds between two checks of the log and its writer, and between two heartbeats of the worker that writes. */
const CHECK_INTERVAL = 0.1;
/** Seconds between two checks which logs of the dict are used. */
const REGISTRY_CHECK_INTERVAL = 1;
/** Seconds for which other workers leave a takeover to the candidate that has announced itself. */
const CANDIDATE_TIME = 0.5;
/** Seconds without a writer after which that is reported: a takeover takes less. */
const NO_WRITER_AFTER = 3;
const NO_WRITER = errors.local_error("timeout", "shared watch log: no worker writes it");
/** Seconds without polls after one that raised an error. */
const ERROR_PAUSE = 1;

/**
 * Opens a feed straight from etcd.
 * @param from first revision to report; nil for the full state first
 * @param cluster_id ID of the cluster that revision is of; nil if unknown
 */
type OpenSource = (this: void, from: number | undefined, cluster_id: string | undefined) => Result<Source, EtcdError>;

/** Starts to write the log. Returns nil and an error if there is no timer for it. */
type StartWriter = (this: void, coordinator: Coordinator, writer: Writer) => Result<true>;

/**
 * A worker's view of one log: it polls the log for all readers of the worker, and takes over as writer if the log has
 * none.
 */
interface Coordinator {
    readonly dict: LogDict;
    /** Prefix of all keys in the dict. */
    readonly namespace: string;
    /** First key of the range, for log lines. */
    readonly range_key: string;
    readonly open_source: OpenSource;
    readonly start_writer: StartWriter;
    /** Seconds before an abandoned log is replaced. */
    readonly retry_after: number;
    /** The current log; nil before the first check, and while none is usable. */
    readonly log: Log | undefined;
    /** No log is usable: readers must read from etcd themselves. */
    readonly is_unavailable: boolean;
    /** Last known epoch of the chain. */
    readonly tail: number;
    /** Key of its head, which each poll reads. */
    readonly head_key: string;
    /** The head when it was last polled. */
    readonly head: unknown;
    /** When the last response from etcd came to a writer of a log, as far as this worker has seen; 0 for never. */
    readonly last_received_at: number;
    /** What the writer has published of its error. */
    readonly error_value: string;
    /** Why the writer cannot follow etcd; nil if it can. */
    readonly error: EtcdError | undefined;
    /** Since when the log has had no heartbeat; nil while it has. */
    readonly without_writer_since: number | undefined;
    /** Set while this worker writes the log. */
    readonly writer: Writer | undefined;
    /** Signals of the readers: posted when there can be something new for them. */
    readonly readers: LuaSet<Semaphore>;
    readonly reader_count: number;
    readonly paused_until: number;
    readonly next_check_at: number;
    /** Earliest time of the next note that the log is used, and of the next search for logs that are not. */
    readonly next_registry_check_at: number;
    /** Earliest time of the next attempt to create the first log, after the dict had no room for it. */
    readonly next_create_at: number;
}

type State = Mutable<Coordinator>;

/** Wakes all readers of this worker. */
function wake(coordinator: Coordinator): void {
    for (const reader of coordinator.readers) {
        if (reader.count() < 1) {
            reader.post(1);
        }
    }
}

function set_tail(coordinator: State, log: Log, tail: number): void {
    coordinator.tail = tail;
    coordinator.head_key = logs.key_of(log, tail, "h");
    coordinator.head = undefined;
}

/** Wakes the readers if something was published since the last poll. If nothing was, it reads one number. */
function poll_head(coordinator: State): void {
    const log = coordinator.log;
    if (log === undefined) {
        return;
    }
    const value = dict_values.get_integer(coordinator.dict, coordinator.head_key);
    if (value === undefined) {
        // the tail was removed: continue at the root, which is a hint and can point to a removed epoch for a moment
        set_tail(coordinator, log, logs.get_number(log, "root") ?? 0);
        return;
    }
    if (value === coordinator.head) {
        return;
    }
    coordinator.head = value;
    wake(coordinator);
    while (logs.is_sealed(log, coordinator.tail)) {
        coordinator.next_check_at = 0; // its writer has possibly resigned
        const link = logs.link_of(log, coordinator.tail);
        if (link === undefined) {
            coordinator.head = undefined;
            return;
        }
        set_tail(coordinator, log, link.to);
    }
}

/**
 * Abandons the log, for all workers.
 * @param cause nil if keys are missing
 */
function abandon_log(coordinator: State, log: Log, cause: Problem): void {
    if (!logs.is_broken(log)) {
        ngx.log(ngx.WARN, "shared watch log: abandoned: ", printable.of(cause ?? writers.KEYS_MISSING));
    }
    logs.mark_broken(log, coordinator.retry_after);
    coordinator.next_check_at = 0;
}

/** Creates the first log, or one that replaces a broken one, if it is time for that; nil otherwise. */
function try_create_log(coordinator: State, broken: Log | undefined): Log | undefined {
    const dict = coordinator.dict;
    const namespace = coordinator.namespace;
    const wait = broken !== undefined ? logs.seconds_until_retry(dict, namespace) : coordinator.next_create_at - now();
    if (wait > 0) {
        return undefined;
    }
    if (broken !== undefined) {
        logs.delay_retry(dict, namespace, coordinator.retry_after); // so that other workers do not try it as well
        cleanup.remove_log(broken);
    }
    const [created, err] = logs.create(dict, namespace, broken);
    if (created === undefined) {
        coordinator.next_create_at = now() + coordinator.retry_after;
        const cause = printable.of(err);
        ngx.log(ngx.WARN, "shared watch log: not created: ", cause, "; retrying in ", coordinator.retry_after, " s");
    }
    return created;
}

/** Finds the current log. Creates one if there is none, or if the current one was abandoned long enough ago. */
function refresh_log(coordinator: State): void {
    const dict = coordinator.dict;
    const known = coordinator.log;
    let log = logs.current(dict, coordinator.namespace);
    if (log === undefined || logs.is_broken(log)) {
        log = try_create_log(coordinator, log);
    }
    coordinator.is_unavailable = log === undefined;
    if (!logs.is_same(log, known)) {
        if (coordinator.writer !== undefined) {
            writers.stop(coordinator.writer, "fenced");
            coordinator.writer = undefined;
        }
        coordinator.log = log;
        if (log !== undefined) {
            set_tail(coordinator, log, logs.get_number(log, "root") ?? 0);
        }
        wake(coordinator);
    }
}

/** Takes over from a dead writer, unless another worker is about to. */
function try_take_over(coordinator: State, log: Log): void {
    if (now() - (logs.get_time(log, "candidate") ?? 0) < CANDIDATE_TIME) {
        return;
    }
    logs.set_number(log, "candidate", now());
    const [writer, err] = writers.take_over(log, coordinator.tail);
    logs.set_number(log, "candidate", 0);
    if (writer === undefined) {
        if (err !== "lost") {
            abandon_log(coordinator, log, err);
        }
        return;
    }
    coordinator.writer = writer;
    const [ok] = coordinator.start_writer(coordinator, writer);
    if (ok === undefined) {
        coordinator.writer = undefined;
        logs.release(log, writer.epoch);
        return;
    }
    const key = printable.key(coordinator.range_key);
    const event = coordinator.tail === 0 ? "started" : "taken over";
    ngx.log(ngx.NOTICE, "shared watch log of ", key, ": ", event, "; this worker follows etcd for all workers");
}

/** Notes what the writer has published. */
function note_contact(coordinator: State, log: Log): void {
    coordinator.last_received_at = max(coordinator.last_received_at, logs.last_received_at(log, coordinator.tail));
    const value = writer_error.read(log);
    // the first writer of a log that replaces another one knows nothing before it has a state
    if (value !== coordinator.error_value && (value !== writer_error.NONE || logs.get_number(log, "root") !== 0)) {
        coordinator.error_value = value;
        coordinator.error = writer_error.decode(value);
    }
    if (logs.seconds_since_heartbeat(log, coordinator.tail) <= WRITER_LEASE) {
        coordinator.without_writer_since = undefined;
    } else {
        coordinator.without_writer_since ??= now();
    }
}

/** Returns when a writer of the log last received a response from etcd; 0 if none did. */
function last_received_at(coordinator: Coordinator): number {
    const { log, tail } = coordinator;
    const known = coordinator.last_received_at;
    return log !== undefined ? max(known, logs.last_received_at(log, tail)) : known;
}

/** Returns why the log cannot follow etcd; nil if no error is known. */
function current_error(coordinator: Coordinator): EtcdError | undefined {
    const since = coordinator.without_writer_since;
    if (since !== undefined && now() - since > NO_WRITER_AFTER) {
        return NO_WRITER;
    }
    return coordinator.error;
}

/** Checks which log is current, whether it has a writer, and whether this worker must take over. */
function check(coordinator: State): void {
    const time = now();
    if (time >= coordinator.next_registry_check_at) {
        coordinator.next_registry_check_at = time + REGISTRY_CHECK_INTERVAL;
        registry.note_used(coordinator.dict, coordinator.namespace);
        registry.remove_unused(coordinator.dict);
    }
    refresh_log(coordinator);
    const log = coordinator.log;
    if (log === undefined) {
        return;
    }
    poll_head(coordinator);
    const writer = coordinator.writer;
    if (writer !== undefined) {
        writers.heartbeat(writer);
    } else if (logs.seconds_since_heartbeat(log, coordinator.tail) > WRITER_LEASE) {
        try_take_over(coordinator, log);
    }
    note_contact(coordinator, log);
}

function poll_and_check(coordinator: State, time: number): void {
    poll_head(coordinator);
    if (time >= coordinator.next_check_at) {
        // with jitter, so that the workers do not check at the same time
        coordinator.next_check_at = time + CHECK_INTERVAL * (1 + random.next() / 4);
        check(coordinator);
    }
}

/** Polls the log once. An error in it is logged and shown, and stops polling for a while. */
function poll(coordinator: State): void {
    const time = now();
    if (time < coordinator.paused_until) {
        return;
    }
    const [ok, err] = protected_call(poll_and_check, coordinator, time);
    if (!ok) {
        coordinator.paused_until = time + ERROR_PAUSE;
        if (coordinator.error_value !== tostring(err)) {
            ngx.log(ngx.ERR, "shared watch log: ", printable.of(err));
        }
        coordinator.without_writer_since = undefined; // the log was not read: nothing is known of its writer
        coordinator.error_value = tostring(err); // what the writer has published is read again after a poll without error
        coordinator.error = errors.local_error("bad_reply", `shared watch log: ${tostring(err)}`);
    }
}

/** Stops writing, so that another worker takes over immediately, and wakes the readers. */
function resign(coordinator: State): void {
    const writer = coordinator.writer;
    if (writer !== undefined) {
        coordinator.writer = undefined;
        writers.stop(writer, "resigned");
        writers.release(writer);
    }
    wake(coordinator);
}

/** Handles the end of the timer in which this worker has written the log. */
function on_writer_stopped(coordinator: State, writer: Writer): void {
    if (coordinator.writer === writer) {
        coordinator.writer = undefined;
    }
    if (writer.stop_reason === "broken") {
        abandon_log(coordinator, writer.log, writer.stop_detail);
    } else {
        writers.release(writer);
    }
    wake(coordinator);
}

/** @param signal posted when there can be something new */
function add_reader(coordinator: State, signal: Semaphore): void {
    coordinator.readers.add(signal);
    coordinator.reader_count = coordinator.reader_count + 1;
}

function remove_reader(coordinator: State, signal: Semaphore): void {
    coordinator.readers.delete(signal);
    coordinator.reader_count = coordinator.reader_count - 1;
}

/** Sets whether a timer polls the log. Without one, a worker that has no log yet must read from etcd itself. */
function set_polled(coordinator: State, is_polled: boolean): void {
    coordinator.is_unavailable = !is_polled && coordinator.log === undefined;
}

/**
 * Creates a worker's view of a log.
 * @param namespace prefix of all keys in the dict
 * @param range_key first key of the range, for log lines
 * @param retry_after seconds before an abandoned log is replaced
 */
function create(
    dict: LogDict,
    namespace: string,
    range_key: string,
    open_source: OpenSource,
    retry_after: number,
    start_writer: StartWriter,
): Coordinator {
    return {
        dict,
        namespace,
        range_key,
        open_source,
        retry_after,
        start_writer,
        log: undefined,
        is_unavailable: false,
        tail: 0,
        head_key: "",
        head: undefined,
        last_received_at: 0,
        error_value: writer_error.NONE,
        error: undefined,
        without_writer_since: undefined,
        writer: undefined,
        readers: new LuaSet(),
        reader_count: 0,
        paused_until: 0,
        next_check_at: 0,
        next_registry_check_at: 0,
        next_create_at: 0,
    };
}

export {
    abandon_log,
    add_reader,
    current_error,
    last_received_at,
    create as new,
    on_writer_stopped,
    poll,
    remove_reader,
    resign,
    set_polled,
    wake,
    type Coordinator,
    type OpenSource,
};
