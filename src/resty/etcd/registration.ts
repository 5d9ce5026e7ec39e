import * as call from "./call";
import * as clock from "./clock";
import type { State as ClientState } from "./dropin/state";
import type { EtcdError } from "./errors";
import * as errors from "./errors";
import * as health from "./health";
import * as leases from "./leases";
import * as rpcs from "./rpc";

const now = clock.now;
const max = math.max;
const min = math.min;
const guard = pcall as unknown as GuardedCall;

/** Longest pause between two tries. */
const LONGEST_PAUSE = 2;
/** Longest time that one call may take. */
const LONGEST_CALL = 5;
/** gRPC code of a lease that is gone. */
const NOT_FOUND = 5;

/** A registration as others may see it. */
interface Status {
    /** The instance is to be found, as far as is known here. */
    readonly registered: boolean;
    /** nil while there is none. */
    readonly lease: string | undefined;
    /** Seconds until the lease runs out, unless it is renewed; counted from when the last renewal was sent. */
    readonly expires_in: number;
    readonly renewals: number;
    /** How often the lease was lost. */
    readonly losses: number;
    /** Why the latest step failed. */
    readonly err: string | undefined;
}

interface State {
    readonly cli: ClientState;
    /** As etcd stores it. */
    readonly key: string;
    readonly value: string;
    readonly ttl: number;
    lease: string | undefined;
    is_registered: boolean;
    expires_at: number;
    is_closed: boolean;
    renewals: number;
    losses: number;
    /** Steps that failed in a row. */
    failures: number;
    err: EtcdError | undefined;
}

/** An instance of a service that is to be found for as long as this worker lives. */
interface Registration extends State, Methods {}

function call_time(reg: State): number {
    return max(0.5, min(LONGEST_CALL, reg.ttl / 3));
}

/** The lease is gone, or nobody can know whether it is. */
function lose(reg: State): void {
    if (reg.is_registered) {
        reg.losses = reg.losses + 1;
    }
    reg.lease = undefined;
    reg.is_registered = false;
}

/** The time that a lease has is counted from when it was asked for: etcd's own count ends later. */
function keep_until(reg: State, sent: number, granted: unknown): void {
    reg.expires_at = sent + (tonumber(granted) ?? reg.ttl);
}

function grant(reg: State): EtcdError | undefined {
    const sent = now();
    const [reply, err] = leases.grant_chosen(reg.cli, reg.ttl, call_time(reg));
    if (reply === undefined) {
        return err;
    }
    reg.lease = reply.body.get("ID") as string;
    keep_until(reg, sent, reply.body.get("TTL"));
    return undefined;
}

function put(reg: State): EtcdError | undefined {
    const request = { key: reg.key, value: reg.value, lease: reg.lease };
    const [reply, err] = call.unary(reg.cli, rpcs.put, request, call_time(reg));
    if (reply === undefined) {
        if (err.code === NOT_FOUND) {
            lose(reg);
        }
        return err;
    }
    reg.is_registered = true;
    return undefined;
}

function renew(reg: State): EtcdError | undefined {
    const sent = now();
    const [reply, err] = call.unary(reg.cli, rpcs.lease_keep_alive, { ID: reg.lease }, call_time(reg));
    if (reply === undefined) {
        return err;
    }
    const ttl = reply.body.get("TTL");
    if (ttl === undefined) {
        lose(reg); // etcd says it by leaving out the TTL
        return errors.refusal(404, NOT_FOUND, "etcdserver: requested lease not found");
    }
    reg.renewals = reg.renewals + 1;
    keep_until(reg, sent, ttl);
    return undefined;
}

function has_lease(reg: State): boolean {
    return reg.lease !== undefined;
}

/** It may have been closed while a call was under way. */
function is_over(reg: State): boolean {
    return reg.is_closed || ngx.worker.exiting();
}

/** Whatever is to be done next. */
function advance(this: void, reg: State): EtcdError | undefined {
    if (reg.lease !== undefined && now() >= reg.expires_at) {
        lose(reg);
    }
    let err: EtcdError | undefined;
    if (reg.is_registered) {
        err = renew(reg);
        if (has_lease(reg)) {
            return err;
        }
    }
    if (!has_lease(reg) && !is_over(reg)) {
        err = grant(reg);
    }
    if (!has_lease(reg) || is_over(reg)) {
        return err;
    }
    return put(reg);
}

/** Revokes the lease, which deletes the key. */
function leave(reg: State): void {
    const lease = reg.lease;
    reg.is_closed = true;
    reg.lease = undefined;
    reg.is_registered = false;
    if (lease !== undefined) {
        const [reply, err] = call.unary(reg.cli, rpcs.lease_revoke, { ID: lease }, call_time(reg));
        if (reply === undefined) {
            ngx.log(ngx.WARN, "lease of ", reg.key, " not revoked: ", errors.text(err), "; it runs out by itself");
        }
    }
}

function note(reg: State, err: EtcdError | undefined): void {
    if (err === undefined) {
        reg.failures = 0;
    } else {
        reg.failures = reg.failures + 1;
        if (reg.err?.message !== err.message) {
            ngx.log(ngx.WARN, "registration of ", reg.key, ": ", errors.text(err), "; trying again");
        }
    }
    reg.err = err;
}

/** Seconds until the next step. */
function delay(reg: State): number {
    if (reg.failures === 0) {
        return max(0, reg.expires_at - now() - (reg.ttl * 2) / 3);
    }
    return health.jittered(min(LONGEST_PAUSE, reg.ttl / 6, 0.1 * 2 ** min(reg.failures, 10)));
}

/** One step, and the timer of the next. nginx calls it at once when the worker ends. */
function step(premature: boolean, reg: State): void {
    while (!premature && !is_over(reg)) {
        const [ok, failed] = guard(advance, reg);
        let err = failed as EtcdError | undefined;
        if (!ok) {
            err = errors.failure("bad_reply", tostring(failed)); // whatever happens, it goes on
        }
        note(reg, err);
        const seconds = delay(reg);
        if (!is_over(reg)) {
            const [started] = ngx.timer.at(seconds, step, reg);
            if (started !== undefined) {
                return;
            }
            ngx.sleep(min(seconds, 0.5)); // no timer to be had
        }
    }
    leave(reg);
}

function leave_in_timer(_premature: boolean, reg: State): void {
    leave(reg);
}

/** How the registration is. */
function state_of(this: State): Status {
    const err = this.err?.message;
    return {
        registered: this.is_registered && now() < this.expires_at,
        lease: this.lease,
        expires_in: this.lease !== undefined ? max(0, this.expires_at - now()) : 0,
        renewals: this.renewals,
        losses: this.losses,
        err,
    };
}

/** Ends the registration: the instance is not to be found any more. */
function close(this: State): true {
    if (!this.is_closed) {
        this.is_closed = true;
        ngx.timer.at(0, leave_in_timer, this);
    }
    return true;
}

const methods = { close, state: state_of };
type Methods = typeof methods;
const mt: LuaMetatable<Registration, Methods> = { __index: methods };

/**
 * Keeps a key for as long as this worker lives.
 * @param key as etcd stores it
 * @param ttl seconds after which it is gone when the worker is
 */
function create(cli: ClientState, key: string, value: string, ttl: number): Result<Registration> {
    const state: State = {
        cli,
        key,
        value,
        ttl,
        lease: undefined,
        is_registered: false,
        expires_at: 0,
        is_closed: false,
        renewals: 0,
        losses: 0,
        failures: 0,
        err: undefined,
    };
    const [ok, err] = ngx.timer.at(0, step, state);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(setmetatable(state as Registration, mt));
}

export { create as new, type Registration, type Status };
