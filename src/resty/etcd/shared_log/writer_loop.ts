import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { Batch } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import * as timer_loop from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import * as printable from "../base/printable";
import * as coordinators from "./coordinator";
import type { Coordinator } from "./coordinator";
import * as compaction from "./compaction";
import * as writers from "./writer";
import type { Source, Writer } from "./writer";

const now = clock.now;

/** Maximum seconds of a wait for a batch. Compaction and cleanup are checked after each. */
const MAX_WAIT = 0.25;
/** Seconds before the next attempt after a compaction that failed. */
const COMPACTION_RETRY = 10;

function is_stopped(writer: Writer): boolean {
    return writer.stop_reason !== undefined;
}

function compact(coordinator: Coordinator, writer: Writer): void {
    const [ok, result, err] = protected_call(compaction.compact, writer);
    const cause = ok ? err : result;
    if (cause !== undefined) {
        const text = printable.of(cause);
        ngx.log(ngx.INFO, "shared watch log: not compacted: ", text, "; retrying in ", COMPACTION_RETRY, " s");
    }
    writers.end_compaction(writer, result === true ? 0 : COMPACTION_RETRY);
    coordinators.wake(coordinator);
}

/** Compacts the log in a separate light thread if that is due, and removes epochs that are not needed any more. */
function maintain(coordinator: Coordinator, writer: Writer, loop: TimerLoop): void {
    if (!writer.is_compacting && now() >= writer.next_compaction_at && compaction.is_due(writer)) {
        writers.start_compaction(writer);
        ngx.thread.spawn(compact, coordinator, writer);
        timer_loop.note_leftovers(loop, 1);
    }
    writers.clean_up(writer);
}

function write_batch(coordinator: Coordinator, writer: Writer, source: Source, batch: Batch): void {
    if (batch.full !== undefined) {
        compaction.reset_to_full_state(writer, batch, source.cluster_id());
    } else {
        writers.append(writer, batch);
    }
    coordinators.wake(coordinator);
}

/** Returns the writer's source, which it opens if there is none yet; nil if that failed and the writer was stopped. */
function ensure_source(coordinator: Coordinator, writer: Writer): Source | undefined {
    if (writer.source === undefined) {
        const from = writer.revision > 0 ? writer.revision + 1 : undefined;
        const [source, err] = coordinator.open_source(from, writer.cluster_id);
        if (source === undefined) {
            writers.stop(writer, "broken", errors.to_text(err));
            return undefined;
        }
        writers.set_source(writer, source);
    }
    return writer.source;
}

/** Moves batches from etcd to the log. Returns true when the writer has stopped, false if another timer must continue. */
function write(coordinator: Coordinator, writer: Writer, loop: TimerLoop): boolean {
    const source = ensure_source(coordinator, writer);
    if (source === undefined) {
        return true;
    }
    const slice = time_slice.start();
    while (!is_stopped(writer)) {
        const wait_started_at = now();
        const [batch, err] = source.next(MAX_WAIT);
        time_slice.restart_after_wait(slice, wait_started_at);
        if (is_stopped(writer)) {
            break;
        }
        if (batch !== undefined) {
            write_batch(coordinator, writer, source, batch);
        } else if (ngx.worker.exiting()) {
            writers.stop(writer, "resigned");
        } else if (err.name !== "timeout") {
            // a permanent error: all workers watch etcd themselves, and each reports the error that it gets
            writers.stop(writer, "broken", errors.to_text(err));
        }
        maintain(coordinator, writer, loop);
        time_slice.yield_if_due(slice); // the source can hold thousands of batches that need no wait
        if (timer_loop.must_hand_over(loop) && !writer.is_compacting) {
            return false; // a compaction is a light thread of this timer
        }
    }
    return true;
}

/**
 * One turn of the loop. An error abandons the log, because the batch that caused it is not in the log, and would raise it in
 * the next writer too: each worker then watches etcd, and the log is replaced later.
 */
function run(coordinator: Coordinator, writer: Writer, loop: TimerLoop): number | undefined {
    const [ok, result] = protected_call(write, coordinator, writer, loop);
    if (ok && result === false) {
        return 0;
    }
    if (!ok) {
        ngx.log(ngx.ERR, "shared watch log: ", printable.of(result));
        writers.stop(writer, "broken", tostring(result));
    }
    writers.stop(writer, "resigned"); // unless it has stopped for another reason
    coordinators.on_writer_stopped(coordinator, writer);
    return undefined;
}

/** Starts to write the log in a timer. */
function start(coordinator: Coordinator, writer: Writer): Result<true> {
    const loop: TimerLoop = timer_loop.new("shared watch log", () => run(coordinator, writer, loop), {
        // what the turn had taken from the source is lost
        on_terminated: () => {
            writers.stop(writer, "resigned");
            return false;
        },
    });
    return timer_loop.start(loop, 0);
}

export { start };
