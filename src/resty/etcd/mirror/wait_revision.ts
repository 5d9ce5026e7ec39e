import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as int64 from "../protocol/int64";
import * as confirmation from "./confirmation";
import * as options from "./options";
import type { State } from "./types";
import * as waiters from "./waiters";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds that the stream has to deliver the revision before etcd is asked: it takes milliseconds if a key changed. */
const FIRST_PAUSE = 0.02;
/** Maximum seconds between two requests of one caller. */
const MAX_PAUSE = 1;
/** Minimum seconds between two requests of all callers. */
const REQUEST_INTERVAL = 0.2;
/** That interval as a multiple of the duration of the last request: etcd visits all keys of the range. */
const DUTY_FACTOR = 4;
/** Maximum seconds of a request: the stream can deliver the revision meanwhile. */
const MAX_REQUEST_TIME = 5;

/** Asks etcd whether the content is current, unless another caller has done so a moment ago. */
function ask(state: State, left: number): void {
    const time = now();
    if (time >= state.next_confirmation_at && confirmation.can_ask(state)) {
        state.next_confirmation_at = time + REQUEST_INTERVAL;
        confirmation.ask(state, min(left, MAX_REQUEST_TIME));
        state.next_confirmation_at = now() + max(REQUEST_INTERVAL, DUTY_FACTOR * (now() - time));
    }
}

/**
 * Waits until the mirror shows a revision or a later one, whichever keys it changed.
 * @param revision of a response of etcd: number or decimal string
 * @param timeout seconds; nil waits without a limit
 * @returns true; nil, an error text and the details with the name `bad_request`, `timeout` or `closed`, or
 *   `not_in_phase` in a phase that cannot yield
 */
function wait_revision(this: State, revision: number | string, timeout?: number): MethodResult<true> {
    const text = int64.to_text(revision);
    const wanted = tonumber(text) ?? 0;
    if (wanted < 1 || wanted >= 2 ** 63) {
        return errors.bad_request("revision must be a revision");
    }
    const problem = options.check_timeout(timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const store = this.store;
    if (store.revision >= wanted) {
        return $multi(true);
    }
    const [waiter, create_err] = waiters.add(this.revision_waiters);
    if (waiter === undefined) {
        return errors.bad_request(create_err);
    }
    const deadline = waiters.deadline_of(timeout);
    let pause = FIRST_PAUSE;
    let ask_at = max(now() + pause, this.next_confirmation_at);
    while (store.revision < wanted) {
        const seconds = max(0, ask_at - now());
        const err = waiters.pause(this, waiter, deadline, seconds, `revision ${text} not reached`);
        if (err !== undefined) {
            return errors.to_result(err);
        }
        if (store.revision < wanted && now() >= ask_at) {
            ask(this, deadline - now());
            pause = min(2 * pause, MAX_PAUSE);
            ask_at = max(now() + pause, this.next_confirmation_at);
        }
    }
    return $multi(true);
}

export { wait_revision };
