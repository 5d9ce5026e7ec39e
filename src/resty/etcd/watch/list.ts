import type { Subscriber } from "./types";
import type { Core } from "../call/client_state";
import * as backoffs from "../base/backoff";
import * as reads from "./reads";
import * as subscribers from "./subscriber";
import * as shared_watches from "./shared_watch";
import * as errors from "./errors";

const min = math.min;

/** Nothing sleeps longer than so many seconds without a look around. */
const POLL_INTERVAL = 0.5;

/** Somebody still waits for the state. */
function is_wanted(subscriber: Subscriber): boolean {
    return !subscriber.is_closed && subscriber.err === undefined && subscriber.pending_state !== undefined;
}

function pause(subscriber: Subscriber, seconds: number): void {
    let left = seconds;
    while (left > 0 && is_wanted(subscriber) && !ngx.worker.exiting()) {
        ngx.sleep(min(left, POLL_INTERVAL));
        left = left - POLL_INTERVAL;
    }
}

/** The state at the revision that it was to begin with is no more. */
function lose_start(subscriber: Subscriber): void {
    if (subscriber.relist) {
        subscriber.pending_state = "compacted";
        subscriber.list_revision = undefined;
    } else {
        shared_watches.unsubscribe(subscriber);
        subscribers.fail(subscriber, errors.compacted(undefined, undefined));
    }
}

/** Its stream does not know where to go on, so a state read now could be too old. */
function has_lost_its_place(subscriber: Subscriber): boolean {
    return subscriber.shared_watch !== undefined && subscriber.shared_watch.next_revision === undefined;
}

/**
 * Reads the full state that a consumer waits for. The consumer is on the stream already, so nothing is lost in between;
 * or it was too slow even for that, has left, and will be back behind this state. Ends early when the stream has lost its
 * place, and is called again when it has one.
 */
function read_for(subscriber: Subscriber, core: Core): void {
    const backoff = backoffs.new();
    while (is_wanted(subscriber) && !has_lost_its_place(subscriber)) {
        const epoch = subscriber.epoch;
        const [kvs, outcome] = reads.list(core, subscriber.range, subscriber.list_revision);
        if (!is_wanted(subscriber)) {
            return;
        }
        if (kvs !== undefined) {
            if (subscriber.epoch === epoch) {
                subscribers.accept_full_state(subscriber, kvs, outcome);
            }
        } else if (errors.is_compacted(outcome)) {
            lose_start(subscriber);
        } else if (errors.is_permanent(core, outcome)) {
            shared_watches.unsubscribe(subscriber);
            subscribers.fail(subscriber, outcome);
        } else {
            if (subscriber.shared_watch !== undefined) {
                subscriber.shared_watch.last_error = outcome;
            }
            errors.drop_token(core, outcome);
            pause(subscriber, backoffs.next(backoff));
        }
    }
}

export { read_for };
