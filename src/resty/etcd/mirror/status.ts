import type { EtcdError } from "../protocol/errors";
import * as lookups from "./lookups";
import type { Counters, Invalid, State } from "./types";

/** Everything at a glance. */
interface Status {
    /** "starting", "ready", "retrying" while etcd cannot be followed, "closed". */
    readonly status: "starting" | "ready" | "retrying" | "closed";
    readonly ready: boolean;
    readonly revision: number;
    readonly version: number;
    readonly count: number;
    readonly age: number;
    /** Items that are not taken in. */
    readonly invalid: number;
    /** Changes that wait for functions given to `on_change`. */
    readonly pending_changes: number;
    readonly prefix: string;
    readonly mode: string;
    /** Why etcd cannot be followed. */
    readonly err: string | undefined;
}

/** Items that etcd has and that are not taken in, by their keys. */
function invalid(this: State): Record<string, Invalid> {
    const copy: Record<string, Invalid> = {};
    for (const [key, item] of this.invalid_items) {
        copy[key] = item;
    }
    return copy;
}

/** Why etcd cannot be followed; nil if nothing is known to be wrong. */
function current_error(state: State): EtcdError | undefined {
    const { last_error: failure, feed } = state;
    if (failure !== undefined || feed === undefined || feed.current_error === undefined) {
        return failure;
    }
    return feed.current_error();
}

/** How the mirror is. */
function state_of(this: State): Status {
    let bad = 0;
    for (const [_] of this.invalid_items) {
        bad = bad + 1;
    }
    const trouble = current_error(this);
    let status: Status["status"] = this.miss_reason !== undefined ? "starting" : "ready";
    if (this.is_closed) {
        status = "closed";
    } else if (trouble !== undefined) {
        status = "retrying";
    }
    const err = trouble?.message;
    return {
        status,
        ready: this.miss_reason === undefined,
        revision: this.at_revision,
        version: this.data_version,
        count: this.key_count,
        age: lookups.age.call(this),
        invalid: bad,
        pending_changes: this.pending_count,
        prefix: this.dir,
        mode: this.opts.mode ?? "worker",
        err,
    };
}

/** What has happened so far; not to be written to. */
function stats(this: State): Counters {
    return this.counters;
}

export { invalid, state_of, stats, current_error, type Status };
