import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import * as consumers from "./subscriber";
import type { Consumer } from "./subscriber";
import * as hubs from "./shared_watch";
import type { Hub } from "./shared_watch";

const now = clock.now;
const max = math.max;

/** A consumer that is too slow twice within so many seconds keeps a stream of its own for as long. */
const APART = 5;

/** The consumer takes along what its stream has learnt of etcd. */
function take_along(consumer: Consumer, hub: Hub): void {
    consumer.known = hubs.copy_known(hub.known);
    consumer.past = hub.past;
}

/** The consumer is too slow for the others: it goes on later, on a stream of its own. */
function part(hub: Hub, consumer: Consumer, revision: number): void {
    const time = now();
    if (consumer.times_behind > 0 && time - consumer.behind_at < APART) {
        consumer.apart_until = time + APART;
    }
    consumer.behind_at = time;
    consumer.times_behind = consumer.times_behind + 1;
    if (consumer.needs === undefined) {
        consumer.next = max(consumer.next, revision);
    } else {
        consumers.drop_held(consumer); // it goes on behind its state, of whatever revision that will be
    }
    take_along(consumer, hub);
    hubs.leave(consumer);
}

/**
 * Parts with consumers that have no room, unless one is alone.
 * @returns that one
 */
function make_room(hub: Hub, revision: number): Consumer | undefined {
    for (const consumer of hub.consumers) {
        if (batch_queue.is_full(consumer.queue) && !consumers.is_idle(consumer)) {
            if (hub.consumers.length === 1 && consumer.needs === undefined) {
                return consumer;
            }
            part(hub, consumer, revision);
        }
    }
    return undefined;
}

export { make_room, take_along };
