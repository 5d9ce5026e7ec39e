import type { ClientState } from "../call/client_state";
import * as backoff from "../base/backoff";
import type { CallOptions } from "../call/call";
import * as call from "../call/call";
import * as cluster from "../call/cluster";
import * as clock from "../base/clock";
import * as printable from "../base/printable";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as txn_response from "../protocol/txn_response";
import * as lease_grant from "../call/lease_grant";
import * as rpcs from "../protocol/rpc";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Longest timeout of a call, in seconds. */
const MAX_CALL_TIME = 5;
/** Seconds before the next attempt after the first final error; doubles with each one in a row. */
const FIRST_FINAL_DELAY = 1;
/** Longest such time. A rejected value can be 2 MB long, and etcd rejects it each time. */
const MAX_FINAL_DELAY = 120;
/**
 * Longest TTL in seconds that etcd grants instead of a shorter one that was requested: 1.5 times its election timeout, which is
 * 50 s at most. A server that grants more would end the renewals for years.
 */
const LONGEST_RAISED_TTL = 75;
/** Timeout of the call that revokes the lease when the worker exits, in seconds. */
const EXIT_CALL_TIME = 1;

interface State {
    readonly cli: ClientState;
    /** As etcd stores it. */
    readonly key: string;
    /** As requested: `update` replaces it. */
    value: string;
    /** The value that etcd has accepted last; nil before the first one. */
    written: string | undefined;
    /** Why etcd will not accept `value`: it is sent again at `retry_at`. */
    rejection: EtcdError | undefined;
    /** How often etcd has rejected `value`. */
    rejections: number;
    retry_at: number;
    /** As requested. */
    readonly ttl: number;
    /** TTL as granted: etcd raises one that is shorter than its election timeout. */
    granted: number;
    lease: string | undefined;
    /** The endpoint that granted it, for the calls that follow: the lease is unknown to members of another cluster. */
    granted_by: string | undefined;
    /** The lease before `lease`: a key that is still attached to it belongs to this registration. */
    previous_lease: string | undefined;
    /** The key has not been written yet. */
    is_new: boolean;
    is_registered: boolean;
    /** The lease of another registration that owns the key. */
    owner_lease: string | undefined;
    /** When the lease expires unless it is renewed. */
    expires_at: number;
    is_closed: boolean;
    renewals: number;
    losses: number;
    /** Number of steps that failed in a row. */
    failures: number;
    err: EtcdError | undefined;
    /** A warning was logged since the registration was well. */
    has_warned: boolean;
}

/**
 * Reports whether a step fails again until someone changes something: the instance, the user's roles, etcd's space. An
 * absent lease is replaced instead, and a conflict ends with the other registration. After an exceeded size limit a write
 * counts as possibly applied, because the limit can concern the response.
 */
function is_final(err: EtcdError): boolean {
    if (err.retryable || err.name === "not_found" || err.name === "conflict") {
        return false;
    }
    return !err.maybe_applied || err.code === errors.Code.RESOURCE_EXHAUSTED;
}

/** Returns the seconds before the next attempt after a number of final errors in a row. */
function final_delay(count: number): number {
    return backoff.exponential(FIRST_FINAL_DELAY, MAX_FINAL_DELAY, count);
}

/** Returns the value to write. While etcd rejects the current one, that is the one that it has accepted. */
function value_to_write(reg: State): string {
    const { rejection, retry_at, value, written } = reg;
    return rejection !== undefined && now() < retry_at ? (written ?? value) : value;
}

function forget_rejection(reg: State): void {
    reg.rejection = undefined;
    reg.rejections = 0;
    reg.retry_at = 0;
}

function call_time(reg: State): number {
    return max(0.5, min(MAX_CALL_TIME, reg.granted / 3));
}

/** Returns the options of a call that needs the lease. */
function call_options(reg: State): CallOptions {
    return { timeout: call_time(reg), prefer: reg.granted_by };
}

/** Reports whether the registration has ended, which can happen during each call. */
function is_over(reg: State): boolean {
    return reg.is_closed || ngx.worker.exiting();
}

/** Notes that the key is gone, or attached to another lease. */
function mark_lost(reg: State): void {
    if (reg.is_registered) {
        reg.losses = reg.losses + 1;
    }
    reg.is_registered = false;
}

/** Forgets the lease: it has expired, in etcd or by this clock. */
function drop_lease(reg: State): void {
    mark_lost(reg);
    reg.previous_lease = reg.lease;
    reg.lease = undefined;
    reg.owner_lease = undefined;
}

/** Sets the expiry. It counts from when the request was sent, so that it is never later than in etcd. */
function keep_until(reg: State, sent: number, granted: number): void {
    reg.granted = min(granted, max(reg.ttl, LONGEST_RAISED_TTL));
    reg.expires_at = sent + reg.granted;
}

function grant(reg: State): EtcdError | undefined {
    const sent = now();
    const options: CallOptions = { timeout: call_time(reg), prefer: reg.granted_by };
    const [reply, err] = lease_grant.grant_with_random_id(reg.cli, reg.ttl, options);
    if (reply === undefined) {
        return err;
    }
    if (!cluster.accepts_reply(reg.cli, reply, options)) {
        reg.granted_by = reg.cli.cluster.member;
        return cluster.error_of(reg.cli, reply, options); // the stray lease expires unused
    }
    reg.granted_by = options.answered_by;
    reg.lease = reply.body.get("ID") as string;
    keep_until(reg, sent, lease_grant.ttl_of(reply.body)!);
    return undefined;
}

function renew(reg: State): EtcdError | undefined {
    const sent = now();
    const [reply, err] = cluster.read(reg.cli, rpcs.lease_keep_alive, { ID: reg.lease }, call_options(reg));
    if (reply === undefined) {
        return err;
    }
    if (reply.body.get("TTL") === undefined) {
        drop_lease(reg); // etcd omits the TTL of a lease that does not exist
        return errors.server_error(404, errors.Code.NOT_FOUND, "etcdserver: requested lease not found");
    }
    const ttl = lease_grant.ttl_of(reply.body);
    if (ttl === undefined) {
        return lease_grant.invalid_ttl(reply.body);
    }
    reg.renewals = reg.renewals + 1;
    keep_until(reg, sent, ttl);
    return undefined;
}

function mark_registered(reg: State): void {
    reg.is_new = false;
    reg.is_registered = true;
    reg.owner_lease = undefined;
}

/** Notes that the key has a value. The program can have replaced it while the call waited for etcd. */
function mark_written(reg: State, value: string): void {
    reg.written = value;
    if (value === reg.value) {
        forget_rejection(reg);
    }
    mark_registered(reg);
}

/** Leaves the key to another registration. If both kept writing it, it would alternate between them. */
function cede_to(reg: State, lease: string): EtcdError {
    reg.is_registered = false;
    reg.owner_lease = lease;
    return errors.local_error("conflict", `the key is owned by another registration, with lease ${lease}`);
}

/**
 * Notes why a value was not written.
 * @param options of the call that has failed
 */
function on_put_error(reg: State, value: string, err: EtcdError, options: CallOptions): EtcdError {
    if (err.code === errors.Code.NOT_FOUND) {
        if (cluster.is_stray(reg.cli, options.answered_by)) {
            reg.granted_by = reg.cli.cluster.member;
        } else {
            drop_lease(reg);
        }
    } else if (is_final(err) && value === reg.value) {
        reg.rejections = reg.rejections + 1;
        reg.rejection = err;
        reg.retry_at = now() + final_delay(reg.rejections);
    }
    return err;
}

/** Writes the key for the first time, unconditionally: a new worker takes it over from an old one without a gap. */
function put(reg: State): EtcdError | undefined {
    const value = reg.value;
    const request = { key: reg.key, value, lease: reg.lease };
    const options = call_options(reg);
    const [reply, err] = call.unary(reg.cli, rpcs.put, request, options);
    if (reply === undefined) {
        return on_put_error(reg, value, err, options);
    }
    mark_written(reg, value);
    return undefined;
}

/** Writes the key again, unless it was changed after it was read. */
function put_again(reg: State, mod_revision: string): EtcdError | undefined {
    const key = reg.key;
    const value = value_to_write(reg);
    const request = {
        compare: [{ key, target: "MOD", result: "EQUAL", mod_revision }],
        success: [{ request_put: { key, value, lease: reg.lease } }],
        failure: [{ request_range: { key } }], // no keys_only: etcd 3.7 then omits the lease
    };
    const options = call_options(reg);
    const [reply, err] = call.unary(reg.cli, rpcs.txn, request, options);
    if (reply === undefined) {
        return on_put_error(reg, value, err, options);
    }
    if (!cluster.accepts_reply(reg.cli, reply, options)) {
        reg.granted_by = reg.cli.cluster.member;
        return cluster.error_of(reg.cli, reply, options);
    }
    if (reply.body.get("succeeded") !== true) {
        const [kv, problem] = txn_response.read_of(reply.body, key);
        if (problem !== undefined) {
            return errors.local_error("bad_reply", problem, options.answered_by);
        }
        const owner = kv?.lease;
        if (owner === undefined) {
            return errors.local_error("conflict", "the key was changed concurrently");
        }
        return cede_to(reg, owner);
    }
    mark_written(reg, value);
    return undefined;
}

/** Logs that etcd rejects a new value of a key that remains registered. */
function log_rejection(reg: State, err: EtcdError): void {
    if (reg.rejections === 1) {
        reg.has_warned = true;
        const key = printable.key(reg.key);
        ngx.log(ngx.WARN, "registration of ", key, ": ", errors.to_text(err), "; keeping the previous instance");
    }
}

/** Replaces the value of the key, which is attached to the lease. */
function write_update(reg: State, value: string): EtcdError | undefined {
    const { key, lease } = reg;
    const request = {
        compare: [{ key, target: "LEASE", result: "EQUAL", lease }],
        success: [{ request_put: { key, value, lease } }],
    };
    const options = call_options(reg);
    const [reply, err] = call.unary(reg.cli, rpcs.txn, request, options);
    if (reply === undefined) {
        on_put_error(reg, value, err, options);
        if (reg.rejection !== err) {
            return err;
        }
        log_rejection(reg, err); // the key keeps its previous value, and the lease was renewed
        return undefined;
    }
    if (!cluster.accepts_reply(reg.cli, reply, options)) {
        reg.granted_by = reg.cli.cluster.member;
        return cluster.error_of(reg.cli, reply, options);
    }
    if (reply.body.get("succeeded") !== true) {
        return errors.local_error("conflict", "the key was changed concurrently");
    }
    mark_written(reg, value);
    return undefined;
}

/**
 * Checks that the key is attached to the lease, and then writes a new value. Writes the key again if it is absent or
 * attached to no other lease.
 */
function check_key(reg: State): EtcdError | undefined {
    const key = reg.key;
    const request = {
        compare: [{ key, target: "LEASE", result: "EQUAL", lease: reg.lease }],
        failure: [{ request_range: { key } }], // no keys_only: etcd 3.7 then omits the lease
    };
    const options = call_options(reg);
    options.semantics = "read";
    const [reply, err] = cluster.read(reg.cli, rpcs.txn, request, options);
    if (reply === undefined) {
        return err;
    }
    if (reply.body.get("succeeded") === true) {
        mark_registered(reg);
        const value = value_to_write(reg);
        return value !== reg.written ? write_update(reg, value) : undefined;
    }
    const [kv, problem] = txn_response.read_of(reply.body, key);
    if (problem !== undefined) {
        return errors.local_error("bad_reply", problem, options.answered_by);
    }
    const owner = kv?.lease;
    // a key without a lease would never expire: it is overwritten
    if (owner !== undefined && owner !== reg.previous_lease) {
        return cede_to(reg, owner);
    }
    if (reg.is_registered) {
        reg.has_warned = true;
        const name = printable.key(key);
        ngx.log(ngx.WARN, "registration of ", name, ": the key was deleted or overwritten; writing it again");
    }
    mark_lost(reg);
    if (is_over(reg)) {
        return undefined;
    }
    return put_again(reg, kv?.mod_revision ?? "0");
}

/** A function, because TypeScript does not see that steps change `reg`. */
function has_lease(reg: State): boolean {
    return reg.lease !== undefined;
}

/** Makes the next step: renews or grants the lease, then writes or checks the key. */
function step(this: void, reg: State): EtcdError | undefined {
    if (has_lease(reg) && now() >= reg.expires_at) {
        drop_lease(reg);
    }
    let err: EtcdError | undefined;
    if (has_lease(reg) && !reg.is_new) {
        err = renew(reg);
        if (err !== undefined && has_lease(reg)) {
            return err;
        }
    }
    if (!has_lease(reg) && !is_over(reg)) {
        err = grant(reg);
    }
    if (!has_lease(reg) || is_over(reg)) {
        return err;
    }
    if (reg.is_new) {
        return put(reg);
    }
    return check_key(reg);
}

/** Revokes the lease, which deletes the key if it is attached to it. */
function deregister(this: void, reg: State): void {
    const lease = reg.lease;
    reg.is_closed = true;
    reg.lease = undefined;
    reg.is_registered = false;
    reg.owner_lease = undefined;
    if (lease !== undefined) {
        const timeout = ngx.worker.exiting() ? EXIT_CALL_TIME : call_time(reg);
        const options = { timeout, prefer: reg.granted_by };
        const [reply, err] = call.unary(reg.cli, rpcs.lease_revoke, { ID: lease }, options);
        if (reply === undefined && !ngx.worker.exiting()) {
            ngx.log(
                ngx.WARN,
                "registration of ",
                printable.key(reg.key),
                ": lease not revoked, it expires later: ",
                errors.to_text(err),
            );
        }
    }
}

export { deregister, final_delay, forget_rejection, is_final, is_over, step, type State };
