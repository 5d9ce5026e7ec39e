import * as random from "../base/random";
import type { ClientState } from "../call/client_state";
import type { Semaphore } from "ngx.semaphore";
import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as watchdog from "../base/watchdog";
import * as registration_steps from "./registration_steps";
import type { State } from "./registration_steps";
import * as timers from "../base/timers";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Longest delay in seconds before a failed step is repeated. */
const MAX_DELAY = 2;
/** Seconds between two checks, during a step, whether the worker is exiting. */
const POLL_INTERVAL = 0.25;

/** The state of a registration. */
interface Status {
    /** The key is in etcd, as of the last response, and its lease has not expired. */
    readonly registered: boolean;
    /** nil before it is granted. */
    readonly lease: string | undefined;
    /** Seconds until the lease expires unless it is renewed, counted from when the last renewal was sent. */
    readonly expires_in: number;
    readonly renewals: number;
    /** Times that the lease expired, or the key was deleted or overwritten. */
    readonly losses: number;
    /** TTL in seconds, as etcd granted it. */
    readonly ttl: number;
    /** The lease of another registration of the same id that owns the key; nil if there is none. */
    readonly owner_lease: string | undefined;
    /** Why the latest step failed. */
    readonly err: string | undefined;
}

/** An instance of a service in etcd, for as long as this worker runs. */
interface Registration extends State, Methods {}

type Step = (this: void, reg: State) => void;

function note(reg: State, err: EtcdError | undefined): void {
    const is_failure = err !== undefined && err.name !== "conflict"; // a key that another registration owns is checked at the normal pace
    reg.failures = is_failure ? reg.failures + 1 : 0;
    if (err !== undefined) {
        if (reg.err?.message !== err.message) {
            ngx.log(ngx.WARN, "registration of ", reg.key, ": ", errors.to_text(err), "; retrying");
        }
    }
    reg.err = err;
}

/** Makes a step and notes its result. */
function advance(this: void, reg: State): void {
    const [ok, failed] = protected_call(registration_steps.step, reg);
    let err = failed as EtcdError | undefined;
    if (!ok) {
        err = errors.local_error("bad_reply", tostring(failed));
    }
    if (!registration_steps.is_over(reg)) {
        note(reg, err);
    }
}

/** Runs a step and posts `done`, even if the step throws. */
function run(this: void, reg: State, fn: Step, done: Semaphore): void {
    const [ok, err] = protected_call(fn, reg);
    if (!ok) {
        ngx.log(ngx.WARN, "registration of ", reg.key, ": ", tostring(err));
    }
    done.post(1);
}

/**
 * Runs a step, which can wait for etcd. It is killed when the worker exits.
 * @param grace seconds that it has from then on
 */
function run_within_life(reg: State, fn: Step, grace: number): void {
    const [done, err] = semaphore.new(0);
    if (done === undefined) {
        ngx.log(ngx.WARN, "registration of ", reg.key, ": ", err);
        ngx.sleep(POLL_INTERVAL);
        return;
    }
    const thread = ngx.thread.spawn(run, reg, fn, done);
    let [is_done] = done.wait(POLL_INTERVAL);
    while (is_done !== true && !ngx.worker.exiting()) {
        [is_done] = done.wait(POLL_INTERVAL);
    }
    if (is_done !== true && grace > 0) {
        [is_done] = done.wait(grace);
    }
    if (is_done !== true) {
        ngx.thread.kill(thread);
    }
}

/** Revokes the lease. If an exiting worker cannot wait for etcd, the lease expires later. */
function leave(reg: State): void {
    run_within_life(reg, registration_steps.deregister, registration_steps.EXIT_CALL_TIME);
}

/** Returns the seconds until the next step: a third of the TTL after the last renewal. */
function delay(reg: State): number {
    if (reg.failures === 0) {
        return max(0, reg.expires_at - now() - (reg.granted * 2) / 3);
    }
    return random.jittered(min(MAX_DELAY, reg.granted / 6, 0.1 * 2 ** min(reg.failures, 10)));
}

type Timer = (this: void, premature: boolean, reg: State, id: number) => void;

/** Schedules the next step. */
function plan(timer: Timer, reg: State, seconds: number): Result<true> {
    const [ok, err] = timers.at(seconds, timer, reg, reg.timers + 1);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    reg.timers = reg.timers + 1;
    watchdog.expect_restart_in(reg.life, seconds);
    return $multi(true);
}

/** Makes steps until a timer for the next one is created. nginx runs the timer immediately when the worker exits. */
function work(this: void, premature: boolean, reg: State, timer: Timer): void {
    while (!premature && !registration_steps.is_over(reg)) {
        run_within_life(reg, advance, 0);
        if (!registration_steps.is_over(reg)) {
            const seconds = delay(reg);
            if (plan(timer, reg, seconds)[0] !== undefined) {
                return;
            }
            ngx.sleep(min(seconds, 0.5)); // nginx has no free timer
        }
    }
    watchdog.release(reg.life);
    leave(reg);
}

function step(this: void, premature: boolean, reg: State, id: number): void {
    if (id === reg.timers) {
        const signs = watchdog.start_heartbeat(reg.life);
        work(premature, reg, step);
        ngx.thread.kill(signs);
    }
}

function leave_in_timer(_premature: boolean, reg: State): void {
    leave(reg);
}

function state_of(this: State): Status {
    const err = this.err?.message;
    return {
        registered: this.is_registered && now() < this.expires_at,
        lease: this.lease,
        expires_in: this.lease !== undefined ? max(0, this.expires_at - now()) : 0,
        renewals: this.renewals,
        losses: this.losses,
        ttl: this.granted,
        owner_lease: this.owner_lease,
        err,
    };
}

/** Ends the registration: its lease is revoked in the background, which deletes the key. */
function close(this: State): true {
    if (!this.is_closed) {
        this.is_closed = true;
        watchdog.release(this.life);
        timers.at(0, leave_in_timer, this);
    }
    return true;
}

const methods = { close, state: state_of };
type Methods = typeof methods;
const mt: LuaMetatable<Registration, Methods> = { __index: methods };

/**
 * Keeps a key in etcd for as long as this worker runs.
 * @param key as etcd stores it
 * @param ttl seconds after which it expires if the worker stops renewing its lease
 */
function create(cli: ClientState, key: string, value: string, ttl: number): Result<Registration> {
    const state: State = {
        cli,
        key,
        value,
        ttl,
        life: { running: false, missed: 0 },
        timers: 0,
        granted: ttl,
        lease: undefined,
        previous_lease: undefined,
        is_new: true,
        is_registered: false,
        owner_lease: undefined,
        expires_at: 0,
        is_closed: false,
        renewals: 0,
        losses: 0,
        failures: 0,
        err: undefined,
    };
    const [kept, keep_err] = watchdog.supervise(state.life, () => {
        plan(step, state, 0);
    });
    if (kept === undefined) {
        return $multi(undefined, keep_err);
    }
    const [ok, err] = plan(step, state, 0);
    if (ok === undefined) {
        watchdog.release(state.life);
        return $multi(undefined, err);
    }
    return $multi(setmetatable(state as Registration, mt));
}

export { create as new, type Registration, type Status };
