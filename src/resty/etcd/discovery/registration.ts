import * as backoff from "../base/backoff";
import * as clock from "../base/clock";
import type { Mutable } from "../base/mutable";
import type { TimerLoop } from "../base/timer_loop";
import * as timer_loop from "../base/timer_loop";
import type { ClientState } from "../call/client_state";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as registration_steps from "./registration_steps";
import type { State } from "./registration_steps";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Longest delay in seconds before a failed step is repeated. */
const MAX_DELAY = 2;
/** That delay after the first failure; doubles with each failure in a row. */
const FIRST_DELAY = 0.1;

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

interface Background extends State {
    /** Makes the steps. */
    readonly loop: TimerLoop;
}

/** An instance of a service in etcd, for as long as this worker runs. */
interface Registration extends Background, Methods {}

function note(reg: State, err: EtcdError | undefined): void {
    // a key that another registration owns is checked at the normal pace
    const is_failure = err !== undefined && err.name !== "conflict";
    reg.failures = is_failure ? reg.failures + 1 : 0;
    if (err !== undefined) {
        if (reg.err?.message !== err.message) {
            ngx.log(ngx.WARN, "registration of ", reg.key, ": ", errors.to_text(err), "; retrying");
        }
    }
    reg.err = err;
}

/** Makes a step and notes its result. */
function make_step(reg: State): void {
    const [ok, result] = protected_call(registration_steps.step, reg);
    let err = result as EtcdError | undefined;
    if (!ok) {
        err = errors.local_error("bad_reply", tostring(result));
    }
    if (!registration_steps.is_over(reg)) {
        note(reg, err);
    }
}

/** Returns the seconds until the next step: a third of the TTL after the last renewal. */
function delay(reg: State): number {
    if (reg.failures === 0) {
        return max(0, reg.expires_at - now() - (reg.granted * 2) / 3);
    }
    return backoff.exponential(FIRST_DELAY, min(MAX_DELAY, reg.granted / 6), reg.failures);
}

/** A turn of the loop: makes a step, or revokes the lease if the registration has ended. */
function turn(reg: State): number | undefined {
    if (!registration_steps.is_over(reg)) {
        make_step(reg);
    }
    if (!registration_steps.is_over(reg)) {
        return delay(reg);
    }
    registration_steps.deregister(reg);
    return undefined;
}

function state_of(this: Background): Status {
    const err = this.err !== undefined ? errors.to_text_with_hint(this.err) : timer_loop.problem(this.loop);
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
function close(this: Background): true {
    this.is_closed = true;
    timer_loop.wake(this.loop);
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
        granted: ttl,
        lease: undefined,
        granted_by: undefined,
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
    // an exiting worker does not wait for a step, only for the revocation
    const loop = timer_loop.new(`registration of ${key}`, () => turn(state), { exit_grace: 0 });
    const reg = state as Mutable<Registration>;
    reg.loop = loop;
    const [ok, err] = timer_loop.start(loop, 0);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(setmetatable(reg, mt));
}

export { create as new, type Registration, type Status };
