import * as backoffs from "./backoff";
import * as ask from "./watch_ask";
import * as consumers from "./watch_consumer";
import type { Consumer } from "./watch_consumer";
import * as hubs from "./watch_hub";
import type { Hub } from "./watch_hub";
import * as verdict from "./watch_verdict";

const min = math.min;

/** Nothing sleeps longer than so many seconds without a look around. */
const LOOK = 0.5;

/** Somebody still waits for the state. */
function is_wanted(consumer: Consumer): boolean {
    return !consumer.closed && consumer.err === undefined && consumer.needs !== undefined;
}

function pause(consumer: Consumer, seconds: number): void {
    let left = seconds;
    while (left > 0 && is_wanted(consumer) && !ngx.worker.exiting()) {
        ngx.sleep(min(left, LOOK));
        left = left - LOOK;
    }
}

/** The state at the revision that it was to begin with is no more. */
function lose_start(consumer: Consumer): void {
    if (consumer.relist) {
        consumer.needs = "compacted";
        consumer.list_at = undefined;
    } else {
        hubs.leave(consumer);
        consumers.fail(consumer, verdict.compacted(undefined, undefined));
    }
}

/**
 * Reads the full state that a consumer of the hub waits for. The consumer is on the stream already, so nothing is
 * lost in between. Ends early when the stream has lost its place, and is called again when it has one.
 */
function read_for(consumer: Consumer, hub: Hub): void {
    const backoff = backoffs.new();
    while (is_wanted(consumer)) {
        const epoch = hub.epoch;
        const [kvs, outcome] = ask.list(hub.core, consumer.range, consumer.list_at);
        if (!is_wanted(consumer)) {
            return;
        }
        // too slow even for that, it has left the stream, and will be back behind this state
        const is_alone = consumer.hub === undefined;
        if (kvs !== undefined) {
            if (is_alone || hub.epoch === epoch) {
                consumers.accept(consumer, kvs, outcome);
                return;
            }
        } else if (verdict.is_compacted(outcome)) {
            lose_start(consumer);
        } else if (verdict.is_final(hub.core, outcome)) {
            hubs.leave(consumer);
            consumers.fail(consumer, outcome);
        } else {
            hub.last_error = outcome;
            verdict.drop_token(hub.core, outcome);
            pause(consumer, backoffs.next(backoff));
        }
        if (hub.next === undefined && !is_alone) {
            return;
        }
    }
}

export { read_for };
