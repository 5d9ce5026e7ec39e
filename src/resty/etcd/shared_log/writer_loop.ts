import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { Batch } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import * as coordinators from "./coordinator";
import type { Coordinator } from "./coordinator";
import * as compaction from "./compaction";
import * as writers from "./writer";
import type { Source, Writer } from "./writer";

const now = clock.now;

/** Seconds after which it looks around, if nothing comes. */
const POLL_INTERVAL = 0.25;
/** Seconds before a new base is tried again, if that failed. */
const COMPACTION_RETRY = 10;
/** Seconds after which a batch was surely waited for, and others had their turn. */
const WAITED = 0.001;
/** Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends. */
const TIMER_LIFETIME = 300;

function is_over(writer: Writer): boolean {
    return writer.stop_reason !== undefined;
}

function compact(coordinator: Coordinator, writer: Writer): void {
    const [ok, err] = protected_call(compaction.compact, writer);
    if (!ok || err !== undefined) {
        ngx.log(ngx.INFO, "shared log of watches: no new base: ", err);
        writer.compact_at = now() + COMPACTION_RETRY;
    }
    writer.is_compacting = false;
    coordinators.wake(coordinator);
}

/** Lets a new base be made beside, when one is due. */
function look_after(coordinator: Coordinator, writer: Writer): void {
    if (!writer.is_compacting && now() >= writer.compact_at && compaction.is_due(writer)) {
        writer.is_compacting = true;
        ngx.thread.spawn(compact, coordinator, writer);
    }
    writers.tidy(writer);
}

function take(coordinator: Coordinator, writer: Writer, source: Source, batch: Batch): void {
    if (batch.full !== undefined) {
        compaction.reset_to_full_state(writer, batch, source.cluster_id());
    } else {
        writers.append(writer, batch);
    }
    coordinators.wake(coordinator);
}

/** Writes what comes, until the writer is none any more; false if it has only been at it for long. */
function write(coordinator: Coordinator, writer: Writer): boolean {
    const since = now();
    if (writer.source === undefined) {
        const from = writer.revision > 0 ? writer.revision + 1 : undefined;
        const [source, err] = coordinator.open_source(from, writer.cluster_id);
        if (source === undefined) {
            writers.stop(writer, "broken", errors.to_text(err));
            return true;
        }
        writer.source = source;
    }
    const source = writer.source;
    const slice = time_slice.start();
    while (!is_over(writer)) {
        const asked = now();
        const [batch, err] = source.next(POLL_INTERVAL);
        if (now() - asked > WAITED) {
            slice.since = now();
        }
        if (is_over(writer)) {
            break;
        }
        if (batch !== undefined) {
            take(coordinator, writer, source, batch);
        } else if (ngx.worker.exiting()) {
            writers.stop(writer, "leaving");
        } else if (err.name !== "timeout") {
            // final: all workers go on by themselves, and see it themselves
            writers.stop(writer, "broken", errors.to_text(err));
        }
        look_after(coordinator, writer);
        time_slice.yield_if_due(slice); // there may be thousands, which nobody has to be waited for
        if (now() - since > TIMER_LIFETIME && !writer.is_compacting) {
            return false;
        }
    }
    return true;
}

/** Writes the log, as a timer. */
function lead(_premature: boolean, coordinator: Coordinator, writer: Writer): void {
    const [ok, is_done] = protected_call(write, coordinator, writer);
    if (ok && is_done === false && ngx.timer.at(0, lead, coordinator, writer)[0] !== undefined) {
        return;
    }
    if (!ok) {
        ngx.log(ngx.ERR, "shared log of watches: ", is_done);
    }
    writers.stop(writer, "leaving"); // unless it is over for another reason
    if (writer.source !== undefined) {
        writer.source.close();
    }
    if (coordinator.writer === writer) {
        coordinator.writer = undefined;
    }
    if (writer.stop_reason === "broken") {
        coordinators.give_up(coordinator, writer.log, writer.broken_reason);
    } else {
        writers.leave(writer);
    }
    coordinators.wake(coordinator);
}

export { lead };
