import type { ClientState } from "../call/client_state";
import * as call from "../call/call";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as txn_response from "../protocol/txn_response";
import type { Heartbeat } from "../base/watchdog";
import * as lease_grant from "../call/lease_grant";
import * as rpcs from "../protocol/rpc";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Longest time that one call may take. */
const MAX_CALL_TIME = 5;
/** The same while the worker ends. */
const EXIT_CALL_TIME = 1;
/** gRPC code of a lease that is gone. */
const NOT_FOUND = 5;

interface State {
    readonly cli: ClientState;
    /** As etcd stores it. */
    readonly key: string;
    readonly value: string;
    /** As asked for. */
    readonly ttl: number;
    /** Of the timers that it runs in. */
    readonly life: Heartbeat;
    /** Timers so far: the last one is the one that may run. */
    timers: number;
    /** As granted: etcd raises what is too short for it. */
    granted: number;
    lease: string | undefined;
    /** The lease before: what it still holds is nobody else's. */
    previous_lease: string | undefined;
    /** The key has not been written yet. */
    is_new: boolean;
    is_registered: boolean;
    /** The lease of another registration that has the key. */
    owner_lease: string | undefined;
    expires_at: number;
    is_closed: boolean;
    renewals: number;
    losses: number;
    /** Steps that failed in a row. */
    failures: number;
    err: EtcdError | undefined;
}

function call_time(reg: State): number {
    return max(0.5, min(MAX_CALL_TIME, reg.granted / 3));
}

/** It may have been closed while a call was under way. */
function is_over(reg: State): boolean {
    return reg.is_closed || ngx.worker.exiting();
}

/** The instance is not to be found any more. */
function mark_lost(reg: State): void {
    if (reg.is_registered) {
        reg.losses = reg.losses + 1;
    }
    reg.is_registered = false;
}

/** The lease is gone, or nobody can know whether it is. */
function drop_lease(reg: State): void {
    mark_lost(reg);
    reg.previous_lease = reg.lease;
    reg.lease = undefined;
    reg.owner_lease = undefined;
}

/** The time that a lease has is counted from when it was asked for: etcd's own count ends later. */
function keep_until(reg: State, sent: number, granted: unknown): void {
    reg.granted = tonumber(granted) ?? reg.granted;
    reg.expires_at = sent + reg.granted;
}

function grant(reg: State): EtcdError | undefined {
    const sent = now();
    const [reply, err] = lease_grant.grant_with_random_id(reg.cli, reg.ttl, { timeout: call_time(reg) });
    if (reply === undefined) {
        return err;
    }
    reg.lease = reply.body.get("ID") as string;
    keep_until(reg, sent, reply.body.get("TTL"));
    return undefined;
}

function renew(reg: State): EtcdError | undefined {
    const sent = now();
    const [reply, err] = call.unary(reg.cli, rpcs.lease_keep_alive, { ID: reg.lease }, { timeout: call_time(reg) });
    if (reply === undefined) {
        return err;
    }
    const ttl = reply.body.get("TTL");
    if (ttl === undefined) {
        drop_lease(reg); // etcd says it by leaving out the TTL
        return errors.server_error(404, NOT_FOUND, "etcdserver: requested lease not found");
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

/** Another registration has the key: to write it again and again would help nobody. */
function cede_to(reg: State, lease: string): EtcdError {
    reg.is_registered = false;
    reg.owner_lease = lease;
    return errors.local_error("conflict", `the key is taken by another registration, of lease ${lease}`);
}

function judge_put(reg: State, err: EtcdError): EtcdError {
    if (err.code === NOT_FOUND) {
        drop_lease(reg);
    }
    return err;
}

/** The first time: the latest registration has the key, so that a new worker follows an old one without a gap. */
function put(reg: State): EtcdError | undefined {
    const request = { key: reg.key, value: reg.value, lease: reg.lease };
    const [reply, err] = call.unary(reg.cli, rpcs.put, request, { timeout: call_time(reg) });
    if (reply === undefined) {
        return judge_put(reg, err);
    }
    mark_registered(reg);
    return undefined;
}

/** Writes the key anew, unless somebody was faster. */
function put_again(reg: State, mod_revision: string): EtcdError | undefined {
    const key = reg.key;
    const request = {
        compare: [{ key, target: "MOD", result: "EQUAL", mod_revision }],
        success: [{ request_put: { key, value: reg.value, lease: reg.lease } }],
        failure: [{ request_range: { key } }], // etcd 3.7 leaves the lease out where only keys are asked for
    };
    const [reply, err] = call.unary(reg.cli, rpcs.txn, request, { timeout: call_time(reg) });
    if (reply === undefined) {
        return judge_put(reg, err);
    }
    if (reply.body.get("succeeded") !== true) {
        const kv = txn_response.of_txn(reply.body);
        const holder = kv?.lease;
        if (holder === undefined) {
            return errors.local_error("conflict", "the key was changed meanwhile");
        }
        return cede_to(reg, holder);
    }
    mark_registered(reg);
    return undefined;
}

/** Looks whether the key is there and belongs to the lease, and writes it if it is nobody's. */
function check_key(reg: State): EtcdError | undefined {
    const key = reg.key;
    const request = {
        compare: [{ key, target: "LEASE", result: "EQUAL", lease: reg.lease }],
        failure: [{ request_range: { key } }], // etcd 3.7 leaves the lease out where only keys are asked for
    };
    const [reply, err] = call.unary(reg.cli, rpcs.txn, request, { timeout: call_time(reg), semantics: "read" });
    if (reply === undefined) {
        return err;
    }
    if (reply.body.get("succeeded") === true) {
        mark_registered(reg);
        return undefined;
    }
    const kv = txn_response.of_txn(reply.body);
    const holder = kv?.lease;
    // what is held by no lease would stay for ever
    if (holder !== undefined && holder !== reg.previous_lease) {
        return cede_to(reg, holder);
    }
    if (reg.is_registered) {
        ngx.log(ngx.WARN, "registration of ", key, ": the key was deleted or overwritten; writing it again");
    }
    mark_lost(reg);
    if (is_over(reg)) {
        return undefined;
    }
    return put_again(reg, kv?.mod_revision ?? "0");
}

/** Functions, as the steps change what is known of it. */
function has_lease(reg: State): boolean {
    return reg.lease !== undefined;
}

/** Whatever is to be done next. */
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

/** Revokes the lease, which deletes the key if that belongs to it. */
function deregister(this: void, reg: State): void {
    const lease = reg.lease;
    reg.is_closed = true;
    reg.lease = undefined;
    reg.is_registered = false;
    reg.owner_lease = undefined;
    if (lease !== undefined) {
        const timeout = ngx.worker.exiting() ? EXIT_CALL_TIME : call_time(reg);
        const [reply, err] = call.unary(reg.cli, rpcs.lease_revoke, { ID: lease }, { timeout });
        if (reply === undefined && !ngx.worker.exiting()) {
            ngx.log(ngx.WARN, "lease of ", reg.key, " not revoked: ", errors.to_text(err), "; it runs out by itself");
        }
    }
}

export { EXIT_CALL_TIME, step, is_over, deregister, type State };
