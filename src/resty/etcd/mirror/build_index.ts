import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import * as time_slice from "../base/time_slice";
import * as timers from "../base/timers";
import * as indexes from "./indexes";
import * as options from "./options";
import * as run_loop from "./run_loop";
import * as sorted_keys from "./sorted_keys";
import type { Index, IndexFn, State } from "./types";

/** Adds all keys to an index. The caller holds the lock of the store. */
function fill(this: void, state: State, index: Index): void {
    const slice = time_slice.start();
    const store = state.store;
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        const value = indexes.value_of(state.indexes, index, store.kvs.get(key)!);
        indexes.add(index.buckets, index.values, key, value);
    }
}

function build(premature: boolean, state: State, index: Index): void {
    let finished: Index | undefined;
    if (!premature && run_loop.acquire(state.loop)) {
        const [ok, err] = protected_call(fill, state, index);
        if (ok) {
            finished = index;
        } else {
            rate_limited_log.warn(state.log, `index ${index.name} was not built: ${error_text.of(err, "no reason")}`);
        }
        indexes.end_building(state.indexes, index.name, finished);
        run_loop.release(state.loop);
        return;
    }
    indexes.end_building(state.indexes, index.name, undefined);
}

/** Adds an index. It is built in the background: until then, `by` returns "not ready" for it. */
function add_index(this: State, name: string, fn: IndexFn): Result<true> {
    const problem = options.check_index(name, fn);
    if (problem !== undefined) {
        return $multi(undefined, problem);
    }
    if (this.loop.is_closed) {
        return $multi(undefined, "the mirror is closed");
    }
    const { by_name, building } = this.indexes;
    if (by_name.get(name) !== undefined || building.get(name) === true) {
        return $multi(undefined, `index ${name} already exists`);
    }
    indexes.start_building(this.indexes, name);
    const [ok, err] = timers.at(0, build, this, indexes.create_index(name, fn));
    if (ok === undefined) {
        indexes.end_building(this.indexes, name, undefined);
        return $multi(undefined, err);
    }
    return $multi(true);
}

export { add_index };
