import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import * as time_slice from "../base/time_slice";
import type { TimerLoop } from "../base/timer_loop";
import * as timer_loop from "../base/timer_loop";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as indexes from "./indexes";
import * as options from "./options";
import * as run_loop from "./run_loop";
import * as sorted_keys from "./sorted_keys";
import type { Index, IndexFn, State } from "./types";

/** An index that is being built. */
interface Build {
    readonly state: State;
    index: Index;
    /** It holds the lock of the store. */
    is_filling: boolean;
}

/** Adds all keys to the index. The caller holds the lock of the store. */
function fill(this: void, build: Build): void {
    const { index, state } = build;
    const slice = time_slice.start();
    const store = state.store;
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        const value = indexes.value_of(state.indexes, index, store.kvs.get(key)!);
        indexes.add(index.buckets, index.values, key, value);
    }
}

/**
 * Ends the building of the index, before other changes of the store.
 * @param err why it was not built; nil if it was
 */
function finish(build: Build, err: string | undefined): void {
    const { index, state } = build;
    if (err !== undefined) {
        rate_limited_log.warn(state.log, `index ${index.name} was not built: ${err}`);
    }
    indexes.end_building(state.indexes, index.name, err === undefined ? index : undefined);
    if (build.is_filling) {
        build.is_filling = false;
        run_loop.release(state.loop);
    }
}

/** The only turn of the loop that builds the index. */
function run(build: Build): void {
    const { index, state } = build;
    if (!run_loop.acquire(state.loop)) {
        indexes.end_building(state.indexes, index.name, undefined); // the mirror was closed
        return;
    }
    build.is_filling = true;
    const [ok, err] = protected_call(fill, build);
    if (ok) {
        finish(build, undefined);
    } else {
        finish(build, error_text.of(err, "no reason"));
    }
}

/** Handles that the timer was terminated: by the index function, unless it was not running. The index is then built again. */
function on_terminated(build: Build, loop: TimerLoop): boolean {
    const { index, state } = build;
    const was_calling = build.is_filling && state.indexes.is_calling;
    if (was_calling) {
        state.indexes.is_calling = false;
        timer_loop.stop(loop);
        finish(build, "its function terminated the timer");
    } else if (build.is_filling) {
        build.is_filling = false;
        build.index = indexes.create_index(index.name, index.fn);
        run_loop.release(state.loop);
    }
    return was_calling;
}

/** Adds an index. It is built in the background: until then, `by` returns "not ready" for it. */
function add_index(this: State, name: string, fn: IndexFn): MethodResult<true> {
    const problem = options.check_index(name, fn);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (this.loop.is_closed) {
        return errors.to_result(errors.local_error("closed", "the mirror is closed"));
    }
    const { by_name, building } = this.indexes;
    if (by_name.get(name) !== undefined || building.get(name) === true) {
        return errors.bad_request(`index ${name} already exists`);
    }
    const build: Build = { state: this, index: indexes.create_index(name, fn), is_filling: false };
    const loop: TimerLoop = timer_loop.new(
        this.log.subject,
        () => {
            run(build);
            return undefined;
        },
        {
            pool: "user_functions",
            on_terminated: () => on_terminated(build, loop),
        },
    );
    const [ok, err] = timer_loop.start(loop, 0);
    if (ok === undefined) {
        return errors.bad_request(err);
    }
    indexes.start_building(this.indexes, name);
    return $multi(true);
}

export { add_index };
