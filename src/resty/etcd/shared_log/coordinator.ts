import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as random from "../base/random";
import * as logs from "./log";
import type { Log } from "./log";
import type { NodeDict } from "./records";
import * as cleanup from "./cleanup";
import type { Source, Writer } from "./writer";
import * as writers from "./writer";

const now = clock.now;

/** Seconds of silence after which a writer counts as gone. It gives a sign of life five times as often. */
const WRITER_LEASE = 1;
/** Seconds between two looks at who writes, and whether the log is well. */
const CHECK_INTERVAL = 0.1;
/** Seconds that a worker has for taking over, before others try. */
const CANDIDATE_TIME = 0.5;
/**
 * Opens a feed out of etcd.
 * @param from first revision to report; nil for the full state first
 * @param cluster_id the cluster of that revision, if it is known
 */
type OpenSource = (this: void, from: number | undefined, cluster_id: string | undefined) => Result<Source, EtcdError>;

/** What one worker has of one log: it looks for what is new, for all of the worker's readers, and may be its writer. */
interface Coordinator {
    readonly dict: NodeDict;
    /** In front of all keys in the dict. */
    readonly base: string;
    readonly open_source: OpenSource;
    /** Seconds after which a log that was given up is tried anew. */
    readonly retry: number;
    /** Writes the log in a timer of its own. */
    readonly run_writer: (this: void, premature: boolean, coordinator: Coordinator, writer: Writer) => void;
    /** The log of the day; nil if there is none, or it is given up. */
    log: Log | undefined;
    /** There is no log to wait for: readers go on by themselves. */
    is_alone: boolean;
    /** Last epoch of the chain as far as is known. */
    tail: number;
    head_key: string;
    head: unknown;
    /** This worker is the writer. */
    writer: Writer | undefined;
    /** Of all readers, to be posted when there may be something new. */
    readonly readers: LuaSet<Semaphore>;
    reader_count: number;
    /** Somebody lets it look around. */
    is_polled: boolean;
    /** Not before that, after an error. */
    paused_until: number;
    next_check_at: number;
    /** When a first log may be tried again, if the dict had no room for one. */
    retry_at: number;
}

/** Wakes all readers of this worker. */
function wake(coordinator: Coordinator): void {
    for (const reader of coordinator.readers) {
        if (reader.count() < 1) {
            reader.post(1);
        }
    }
}

function stand_at(coordinator: Coordinator, log: Log, tail: number): void {
    coordinator.tail = tail;
    coordinator.head_key = logs.key_of(log, tail, "h");
    coordinator.head = undefined;
}

function is_sealed(log: Log, epoch: number): boolean {
    const [, sealed] = logs.head(log, epoch);
    return sealed;
}

/** Looks for what is new: one read of one number. */
function look_at_head(coordinator: Coordinator): void {
    const log = coordinator.log;
    if (log === undefined) {
        return;
    }
    const [value] = coordinator.dict.get(coordinator.head_key);
    if (value === undefined) {
        // gone; as the root is a hint, that may be gone, too, for a moment
        stand_at(coordinator, log, logs.number_at(log, "root") ?? 0);
        return;
    }
    if (value === coordinator.head) {
        return;
    }
    coordinator.head = value;
    wake(coordinator);
    while (is_sealed(log, coordinator.tail)) {
        coordinator.next_check_at = 0; // if there is no link yet, the writer may be gone
        const link = logs.link_of(log, coordinator.tail);
        if (link === undefined) {
            coordinator.head = undefined;
            return;
        }
        stand_at(coordinator, log, link.to);
    }
}

/** Gives the log up for all workers. */
function give_up(coordinator: Coordinator, log: Log, why: string | undefined): void {
    if (!logs.is_broken(log)) {
        ngx.log(ngx.WARN, "shared log of watches is given up: ", why ?? writers.MISSING);
    }
    logs.mark_broken(log, coordinator.retry);
    coordinator.next_check_at = 0;
}

function is_same(a: Log | undefined, b: Log | undefined): boolean {
    return a === b || (a !== undefined && b !== undefined && a.name === b.name);
}

/** Finds the log of the day, starts one if there is none, or in the place of one that was given up long ago. */
function find_log(coordinator: Coordinator): void {
    const dict = coordinator.dict;
    const base = coordinator.base;
    const known = coordinator.log;
    let log = logs.current(dict, base);
    if (log === undefined || logs.is_broken(log)) {
        const old = log;
        const wait = old !== undefined ? logs.retry_in(dict, base) : coordinator.retry_at - now();
        log = undefined;
        if (wait <= 0) {
            if (old !== undefined) {
                dict.safe_set(`${base}retry`, now() + coordinator.retry); // one tries at a time
                cleanup.all(old);
            }
            const [begun, err] = logs.begin(dict, base, old);
            if (begun === undefined) {
                coordinator.retry_at = now() + coordinator.retry;
                ngx.log(ngx.WARN, "no room for a shared log of watches: ", err);
            }
            log = begun;
        }
    }
    coordinator.is_alone = log === undefined;
    if (!is_same(log, known)) {
        if (coordinator.writer !== undefined) {
            writers.stop(coordinator.writer, "deposed");
            coordinator.writer = undefined;
        }
        coordinator.log = log;
        if (log !== undefined) {
            stand_at(coordinator, log, logs.number_at(log, "root") ?? 0);
        }
        wake(coordinator);
    }
}

/** A sign of life, unless another one writes now. */
function keep_writing(writer: Writer): void {
    const log = writer.log;
    const [head, sealed] = logs.head(log, writer.epoch);
    if (head === undefined) {
        writers.on_epoch_missing(writer);
    } else if (sealed) {
        writers.stop(writer, "deposed");
    }
    if (writer.stop_reason !== undefined) {
        return;
    }
    const contact = writer.source !== undefined ? now() - writer.source.age() : undefined;
    logs.heartbeat(log, writer.epoch, contact);
    if (logs.number_at(log, "root") !== writer.root) {
        logs.set_number(log, "root", writer.root);
    }
}

/** Tries to become the writer in the place of one that is gone. */
function try_to_write(coordinator: Coordinator, log: Log): void {
    const candidate = logs.number_at(log, "candidate");
    if (candidate === undefined) {
        give_up(coordinator, log, undefined);
        return;
    }
    if (now() - candidate < CANDIDATE_TIME) {
        return;
    }
    logs.set_number(log, "candidate", now());
    const [writer, err] = writers.take_over(log, coordinator.tail);
    logs.set_number(log, "candidate", 0);
    if (writer === undefined) {
        if (err !== "lost") {
            give_up(coordinator, log, err);
        }
        return;
    }
    coordinator.writer = writer;
    const [ok] = ngx.timer.at(0, coordinator.run_writer, coordinator, writer);
    if (ok === undefined) {
        coordinator.writer = undefined;
        logs.release(log, writer.epoch);
    }
}

/** Looks at who writes, and whether the log is well. */
function look(coordinator: Coordinator): void {
    find_log(coordinator);
    const log = coordinator.log;
    if (log === undefined) {
        return;
    }
    look_at_head(coordinator);
    const writer = coordinator.writer;
    if (writer !== undefined) {
        keep_writing(writer);
    } else if (logs.seconds_since_heartbeat(log, coordinator.tail) > WRITER_LEASE) {
        try_to_write(coordinator, log);
    }
}

/** One round of looking around. */
function poll(coordinator: Coordinator): void {
    const time = now();
    look_at_head(coordinator);
    if (time >= coordinator.next_check_at) {
        coordinator.next_check_at = time + CHECK_INTERVAL * (1 + random.next() / 4); // not all workers at once
        look(coordinator);
    }
}

/** Leaves the log to other workers. */
function leave(coordinator: Coordinator): void {
    const writer = coordinator.writer;
    if (writer !== undefined) {
        coordinator.writer = undefined;
        writers.stop(writer, "leaving");
        writers.leave(writer);
    }
    wake(coordinator);
}

function create(
    dict: NodeDict,
    base: string,
    open_source: OpenSource,
    retry: number,
    lead: Coordinator["run_writer"],
): Coordinator {
    return {
        dict,
        base,
        open_source,
        retry,
        run_writer: lead,
        log: undefined,
        is_alone: false,
        tail: 0,
        head_key: "",
        head: undefined,
        writer: undefined,
        readers: new LuaSet(),
        reader_count: 0,
        is_polled: false,
        paused_until: 0,
        next_check_at: 0,
        retry_at: 0,
    };
}

export { create as new, give_up, leave, poll, wake, type Coordinator, type OpenSource };
