import * as backoff from "../base/backoff";
import * as clock from "../base/clock";
import type { Mutable } from "../base/mutable";
import type { TimerLoop } from "../base/timer_loop";
import * as timer_loop from "../base/timer_loop";
import * as printable from "../base/printable";
import type { ClientState } from "../call/client_state";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as guarded_methods from "../protocol/guarded_methods";
import type { Semaphore } from "ngx.semaphore";
import * as instances from "./instance";
import type { Encode, Instance } from "./instance";
import * as registration_steps from "./registration_steps";
import type { State } from "./registration_steps";
import * as registration_wait from "./registration_wait";

const now = clock.now;
const max = math.max;
const min = math.min;

/**
 * Shortest delay in seconds after a step that has not failed. A server that grants a TTL of 1 s thus receives 4 calls per
 * second; etcd grants no TTL of less than 2 s.
 */
const MIN_DELAY = 0.5;
/** Longest delay in seconds before a failed step is repeated. */
const MAX_DELAY = 2;
/** Least upper bound in seconds of that delay, however short the TTL is. */
const MIN_MAX_DELAY = 1;
/** That delay after the first failure; doubles with each failure in a row. */
const FIRST_DELAY = 0.1;
/** Maximum number of warnings about different errors until the registration is well again. */
const MAX_LOGGED = 20;

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
    /** etcd does not accept the instance; `err` says why. */
    readonly rejected: boolean;
    /** Why the latest step failed, or the latest value was rejected. */
    readonly err: string | undefined;
    /** Seconds until the next attempt; nil without `err`. */
    readonly retry_in: number | undefined;
}

interface Background extends State {
    /** Makes the steps. */
    readonly loop: TimerLoop;
    /** When the next step is due. */
    next_step_at: number;
    /** Callers of `wait`. */
    readonly waiters: LuaMap<Semaphore, true>;
    /** Warnings since the registration was well: each text is logged once. */
    logged: LuaMap<string, true>;
    logged_count: number;
    /** As registered or updated. */
    instance: Instance;
    readonly encode: Encode;
}

/** An instance of a service in etcd, for as long as this worker runs. */
interface Registration extends Background, Methods {}

/** Logs an error once, until the registration is well again. */
function log_error(reg: Background, text: string): void {
    if (reg.logged.get(text) !== true && reg.logged_count < MAX_LOGGED) {
        reg.logged.set(text, true);
        reg.logged_count = reg.logged_count + 1;
        reg.has_warned = true;
        ngx.log(ngx.WARN, "registration of ", printable.key(reg.key), ": ", printable.of(text), "; retrying");
    }
}

function note(reg: Background, err: EtcdError | undefined): void {
    // a key that another registration owns is checked at the normal pace
    const is_failure = err !== undefined && err.name !== "conflict";
    reg.failures = is_failure ? reg.failures + 1 : 0;
    reg.err = err;
    if (err !== undefined) {
        log_error(reg, errors.to_text(err));
    } else if (reg.has_warned && reg.is_registered && reg.rejection === undefined) {
        reg.has_warned = false;
        reg.logged = new LuaMap();
        reg.logged_count = 0;
        ngx.log(ngx.NOTICE, "registration of ", printable.key(reg.key), ": registered again");
    }
}

/** Makes a step and notes its result. */
function make_step(reg: Background): void {
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
        const is_pending = reg.err === undefined && reg.rejection === undefined && reg.written !== reg.value;
        return is_pending ? MIN_DELAY : max(MIN_DELAY, reg.expires_at - now() - (reg.granted * 2) / 3);
    }
    // while the key is registered, a lease that is not renewed in time would be lost
    if (reg.err !== undefined && registration_steps.is_final(reg.err) && !reg.is_registered) {
        return registration_steps.final_delay(reg.failures);
    }
    return backoff.exponential(FIRST_DELAY, max(MIN_MAX_DELAY, min(MAX_DELAY, reg.granted / 6)), reg.failures);
}

/** A turn of the loop: makes a step, or revokes the lease if the registration has ended. */
function turn(reg: Background): number | undefined {
    if (!registration_steps.is_over(reg)) {
        make_step(reg);
    }
    if (!registration_steps.is_over(reg)) {
        const seconds = delay(reg);
        reg.next_step_at = now() + seconds;
        registration_wait.wake_all(reg.waiters);
        return seconds;
    }
    registration_wait.wake_all(reg.waiters);
    registration_steps.deregister(reg);
    return undefined;
}

/** Returns the seconds until the next attempt: of a step, or to write a value that etcd has rejected. */
function seconds_to_retry(reg: Background): number {
    const at = reg.err === undefined ? max(reg.retry_at, reg.next_step_at) : reg.next_step_at;
    return max(0, at - now());
}

/** Returns why the latest step failed, or the latest value was rejected, or the next step is late. */
function problem_of(reg: Background): string | undefined {
    const err = reg.err ?? reg.rejection;
    return err !== undefined ? errors.to_text_with_hint(err) : timer_loop.problem(reg.loop);
}

function state_of(this: Background): Status {
    const err = problem_of(this);
    return {
        registered: this.is_registered && now() < this.expires_at,
        lease: this.lease,
        expires_in: this.lease !== undefined ? max(0, this.expires_at - now()) : 0,
        renewals: this.renewals,
        losses: this.losses,
        ttl: this.granted,
        owner_lease: this.owner_lease,
        rejected: this.rejection !== undefined,
        err,
        retry_in: err !== undefined ? seconds_to_retry(this) : undefined,
    };
}

/** Checks the fields of `update`. Returns an error text, or nil. */
function check_update(fields: unknown): Problem {
    if (typeof fields !== "object") {
        return "fields must be table";
    }
    for (const [key] of pairs(fields as Record<string, unknown>)) {
        const name = tostring(key);
        if (name !== "weight" && name !== "meta") {
            return `update: unknown field ${name}; weight and meta can change`;
        }
    }
    return undefined;
}

/**
 * Changes fields of the instance. The key is written in the background, immediately; `wait` waits for that. A value that
 * etcd rejected is forgotten.
 * @param fields `weight`, `meta`; `cjson.null` removes one
 * @returns true; nil, an error text and the details, named `bad_request` or `closed`
 */
function update(this: Background, fields: { weight?: unknown; meta?: unknown }): MethodResult<true> {
    const problem = check_update(fields);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (registration_steps.is_over(this)) {
        return errors.to_result(errors.local_error("closed", "the registration is closed"));
    }
    const { id, host, port, weight, meta } = this.instance;
    const changed = { id, host, port, weight: fields.weight ?? weight, meta: fields.meta ?? meta };
    const [instance, instance_err] = instances.read(changed, true);
    if (instance === undefined) {
        return errors.bad_request(instance_err);
    }
    const [value, encode_err] = instances.encode(instance, this.encode);
    if (value === undefined) {
        return errors.bad_request(encode_err);
    }
    this.instance = instance;
    this.value = value;
    this.failures = 0;
    registration_steps.forget_rejection(this);
    timer_loop.wake(this.loop);
    return $multi(true);
}

/** Ends the registration: its lease is revoked in the background, which deletes the key. */
function close(this: Background): true {
    this.is_closed = true;
    timer_loop.wake(this.loop);
    return true;
}

const methods = { close, state: state_of, update, wait: registration_wait.wait };
type Methods = typeof methods;
const mt: LuaMetatable<Registration, Methods> = { __index: guarded_methods.new(methods, "loop") };

/**
 * Keeps a key in etcd for as long as this worker runs.
 * @param key as etcd stores it
 * @param ttl seconds after which it expires if the worker stops renewing its lease
 * @param instance what `value` was made from by `encode`, for updates
 */
function create(
    cli: ClientState,
    key: string,
    value: string,
    ttl: number,
    instance: Instance,
    encode: Encode,
): MethodResult<Registration> {
    const state: Omit<Background, "loop"> = {
        cli,
        key,
        value,
        written: undefined,
        rejection: undefined,
        rejections: 0,
        retry_at: 0,
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
        has_warned: false,
        next_step_at: 0,
        waiters: registration_wait.new(),
        logged: new LuaMap(),
        logged_count: 0,
        instance,
        encode,
    };
    const reg = state as Mutable<Registration>;
    // an exiting worker does not wait for a step, only for the revocation
    const loop = timer_loop.new(`registration of ${key}`, () => turn(reg), { exit_grace: 0 });
    reg.loop = loop;
    const [ok, err] = timer_loop.start(loop, 0);
    if (ok === undefined) {
        return errors.to_result(errors.local_error("not_in_phase", err));
    }
    return $multi(setmetatable(reg, mt));
}

export { create as new, type Registration, type Status };
