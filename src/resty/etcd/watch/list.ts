import type { Subscriber } from "./types";
import type { Core } from "../call/client_state";
import * as backoffs from "../base/backoff";
import * as reads from "./reads";
import * as subscriber from "./subscriber";
import * as shared_watch from "./shared_watch";
import * as errors from "./errors";

const min = math.min;

/** Nothing sleeps longer than so many seconds without a look around. */
const LOOK = 0.5;

/** Somebody still waits for the state. */
function is_wanted(consumer: Subscriber): boolean {
    return !consumer.closed && consumer.err === undefined && consumer.needs !== undefined;
}

function pause(consumer: Subscriber, seconds: number): void {
    let left = seconds;
    while (left > 0 && is_wanted(consumer) && !ngx.worker.exiting()) {
        ngx.sleep(min(left, LOOK));
        left = left - LOOK;
    }
}

/** The state at the revision that it was to begin with is no more. */
function lose_start(consumer: Subscriber): void {
    if (consumer.relist) {
        consumer.needs = "compacted";
        consumer.list_at = undefined;
    } else {
        shared_watch.unsubscribe(consumer);
        subscriber.fail(consumer, errors.compacted(undefined, undefined));
    }
}

/** Its stream does not know where to go on, so a state read now could be too old. */
function has_lost_its_place(consumer: Subscriber): boolean {
    return consumer.hub !== undefined && consumer.hub.next === undefined;
}

/**
 * Reads the full state that a consumer waits for. The consumer is on the stream already, so nothing is lost in between;
 * or it was too slow even for that, has left, and will be back behind this state. Ends early when the stream has lost its
 * place, and is called again when it has one.
 */
function read_for(consumer: Subscriber, core: Core): void {
    const backoff = backoffs.new();
    while (is_wanted(consumer) && !has_lost_its_place(consumer)) {
        const epoch = consumer.epoch;
        const [kvs, outcome] = reads.list(core, consumer.range, consumer.list_at);
        if (!is_wanted(consumer)) {
            return;
        }
        if (kvs !== undefined) {
            if (consumer.epoch === epoch) {
                subscriber.accept_full_state(consumer, kvs, outcome);
            }
        } else if (errors.is_compacted(outcome)) {
            lose_start(consumer);
        } else if (errors.is_permanent(core, outcome)) {
            shared_watch.unsubscribe(consumer);
            subscriber.fail(consumer, outcome);
        } else {
            if (consumer.hub !== undefined) {
                consumer.hub.last_error = outcome;
            }
            errors.drop_token(core, outcome);
            pause(consumer, backoffs.next(backoff));
        }
    }
}

export { read_for };
