import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as wait_for from "../base/wait";
import * as mirror_options from "../mirror/options";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as registration_steps from "./registration_steps";
import type { State } from "./registration_steps";

const now = clock.now;
const min = math.min;

/** Longest single wait in seconds. */
const POLL_INTERVAL = 10;

/** Callers that wait; weak, because a caller can be killed. */
type Waiters = LuaMap<Semaphore, true>;

interface Waitable extends State {
    readonly waiters: Waiters;
}

function create(): Waiters {
    return setmetatable(new LuaMap(), { __mode: "k" });
}

/** Wakes all callers of `wait`: a step was made, or the registration has ended. */
function wake_all(waiters: Waiters): void {
    for (const [waiter] of waiters) {
        waiter.post(1);
    }
}

/** Reports whether the key is in etcd, with the current instance. */
function is_written(reg: State): boolean {
    return reg.is_registered && reg.written === reg.value && now() < reg.expires_at;
}

function timeout_error(reg: State): EtcdError {
    const suffix = reg.err !== undefined ? `: ${errors.to_text(reg.err)}` : "";
    return errors.out_of_time(`the instance is not registered: timeout${suffix}`);
}

/**
 * Waits until the key is in etcd, with the instance as registered or last updated.
 * @param timeout seconds; nil waits without a limit
 * @returns true; nil, an error text and the details: etcd's error if it rejects the instance, or the name `timeout`,
 *   `closed`, or `not_in_phase` in a phase that cannot yield
 */
function wait(this: Waitable, timeout?: number): MethodResult<true> {
    const problem = mirror_options.check_timeout(timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return errors.bad_request(create_err);
    }
    this.waiters.set(waiter, true);
    const deadline = timeout !== undefined ? now() + timeout : math.huge;
    while (!registration_steps.is_over(this)) {
        if (is_written(this)) {
            return $multi(true);
        }
        if (this.rejection !== undefined) {
            return errors.to_result(this.rejection);
        }
        const left = deadline - now();
        if (left <= 0) {
            return errors.to_result(timeout_error(this));
        }
        const [outcome, reason] = wait_for.wait(waiter, min(left, POLL_INTERVAL));
        if (outcome === "cannot_wait") {
            return errors.to_result(
                errors.local_error("not_in_phase", `waiting for the registration: ${tostring(reason)}`),
            );
        }
    }
    return errors.to_result(errors.local_error("closed", "the registration is closed"));
}

export { create as new, wait, wake_all };
