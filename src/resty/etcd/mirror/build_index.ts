import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import * as time_slice from "../base/time_slice";
import * as timer_loop from "../base/timer_loop";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as indexes from "./indexes";
import * as options from "./options";
import * as sorted_keys from "./sorted_keys";
import type { Index, IndexFn, State } from "./types";

/**
 * Adds all keys to an index.
 * @returns false if the mirror was closed meanwhile
 */
function fill(this: void, state: State, index: Index): boolean {
    const slice = time_slice.start();
    const store = state.store;
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        if (state.loop.is_closed) {
            return false;
        }
        const value = indexes.value_of(state.indexes, index, store.kvs.get(key)!);
        indexes.add(index.buckets, index.values, key, value);
    }
    return true;
}

function log_failure(state: State, name: string, err: string): void {
    rate_limited_log.warn(state.log, `index ${name} was not built: ${err}`);
}

function build(state: State, index: Index): void {
    const [ok, result] = protected_call(fill, state, index);
    if (!ok) {
        log_failure(state, index.name, error_text.of(result, "no reason"));
    }
    indexes.end_building(state.indexes, index.name, ok && result === true ? index : undefined);
}

/** Builds the indexes that were added. Only the loop of the mirror calls this: the content does not change meanwhile. */
function build_pending(state: State): void {
    while (!state.loop.is_closed) {
        const index = indexes.start_building(state.indexes);
        if (index === undefined) {
            return;
        }
        build(state, index);
    }
}

/**
 * Handles that the timer was terminated. An index whose function has done that is not built. If another function has, it
 * stays pending.
 * @returns whether the function of an index that was being built has terminated the timer
 */
function on_terminated(state: State): boolean {
    const name = state.indexes.building;
    if (name === undefined) {
        return false;
    }
    const was_calling = state.indexes.is_calling;
    indexes.interrupt_building(state.indexes);
    if (was_calling) {
        log_failure(state, name, "its function terminated the timer");
        indexes.end_building(state.indexes, name, undefined);
    }
    return was_calling;
}

/** Adds an index. The loop of the mirror builds it: until then, `by` returns "not ready" for it. */
function add_index(this: State, name: string, fn: IndexFn): MethodResult<true> {
    const problem = options.check_index(name, fn);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (this.loop.is_closed) {
        return errors.to_result(errors.local_error("closed", "the mirror is closed"));
    }
    const { by_name, pending } = this.indexes;
    if (by_name.get(name) !== undefined || pending.get(name) !== undefined) {
        return errors.bad_request(`index ${name} already exists`);
    }
    indexes.add_pending(this.indexes, name, fn);
    timer_loop.wake(this.loop.timer); // the loop can be waiting to open the next feed
    return $multi(true);
}

export { add_index, build_pending, on_terminated };
