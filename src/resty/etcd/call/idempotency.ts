import type { Message } from "../protocol/message";
import type { CallOptions, Outcome } from "./call";
import * as call from "./call";
import * as clock from "../base/clock";
import * as cluster from "./cluster";
import type { Core, IdempotencyMarkers } from "./client_state";
import * as single_flight from "../base/single_flight";
import * as unique_id from "../base/unique_id";
import * as lease_grant from "./lease_grant";
import * as errors from "../protocol/errors";
import * as int64 from "../protocol/int64";
import * as rpcs from "../protocol/rpc";
import * as txn_response from "../protocol/txn_response";
import type { Reply } from "../transport/transport";

const now = clock.now;
const min = math.min;

/** TTL in seconds of a lease for markers. A call must end before its marker expires. */
const LEASE_TTL = 600;
/** Seconds in which new markers are attached to a lease: the rest of its TTL is for the calls that began last. */
const LEASE_USE = 300;
/** Seconds after which a call that grants a lease counts as lost, because its light thread can be killed. */
const GRANT_TIMEOUT = 2;

function create(prefix: string): IdempotencyMarkers {
    return {
        prefix,
        worker: undefined,
        pid: 0,
        count: 0,
        lease: undefined,
        fresh_until: 0,
        grants: single_flight.new(),
    };
}

/** Returns a key that no other client can guess: one with the permission to write markers could forge a success with it. */
function next_key(markers: IdempotencyMarkers): string {
    const pid = ngx.worker.pid();
    if (markers.worker === undefined || markers.pid !== pid) {
        markers.worker = unique_id.id();
        markers.pid = pid;
        markers.lease = undefined; // it belongs to the process before the fork
    }
    markers.count = markers.count + 1;
    return `${markers.prefix}${markers.worker}/${markers.count}.${unique_id.id()}`;
}

/** Waits for the lease that another call is being granted, for half of the time at most: that call can be lost. */
function wait(markers: IdempotencyMarkers, deadline: number): void {
    const latest = (now() + deadline) / 2;
    let grant = single_flight.running(markers.grants);
    while (grant !== undefined) {
        const [outcome] = single_flight.wait_for(grant, latest);
        if (outcome === "timeout" || outcome === "cannot_wait") {
            return;
        }
        grant = single_flight.running(markers.grants); // a call that woke earlier can have started the next one
    }
}

/** Returns the lease for the next marker. It is granted first if there is none, or if the lease is too old. */
function marker_lease(core: Core, timeout: number, deadline: number): Outcome<string> {
    const markers = core.markers;
    wait(markers, deadline);
    if (markers.lease !== undefined && now() < markers.fresh_until) {
        return $multi(markers.lease);
    }
    const started = now();
    const grant = single_flight.start(markers.grants, GRANT_TIMEOUT);
    // semantics of a read: if the grant fails, the write itself was provably not sent, and a lost lease expires unused
    const options: CallOptions = { timeout, deadline, semantics: "read", prefer: core.cluster.member };
    const [reply, err, error_reply] = lease_grant.grant_with_random_id(core, LEASE_TTL, options);
    if (reply === undefined || !cluster.accepts_reply(core, reply, options)) {
        single_flight.finish(markers.grants, grant, true);
        return $multi(undefined, reply === undefined ? err : cluster.error_of(core, reply, options), error_reply);
    }
    const id = reply.body.get("ID") as string;
    markers.lease = id;
    markers.fresh_until = started + LEASE_USE;
    single_flight.finish(markers.grants, grant, true);
    return $multi(id);
}

/** Reports whether the lease exists. */
function is_alive(core: Core, lease: string, timeout: number, deadline: number): boolean {
    const options: CallOptions = { timeout, deadline, quiet: true };
    const [reply] = cluster.read(core, rpcs.lease_time_to_live, { ID: lease }, options);
    return reply !== undefined && (int64.to_number(reply.body.get("TTL")) ?? 0) > 0;
}

/** Stops attaching markers to a lease that does not exist, unless a concurrent call has replaced it already. */
function forget_lease(markers: IdempotencyMarkers, lease: string): void {
    if (markers.lease === lease) {
        markers.lease = undefined;
    }
}

function put_of(key: string, value: string, lease: string): object {
    return { request_put: { key, value, lease } };
}

/** Returns the operations of a branch, followed by the marker. */
function with_marker(ops: object[] | undefined, marker: object): object[] {
    const all: object[] = [];
    for (const op of ops ?? []) {
        all.push(op);
    }
    all.push(marker);
    return all;
}

/** Returns a transaction that runs another one unless its marker exists, which proves that the other one was applied. */
function wrap_txn(txn: Message, key: string, lease: string): object {
    const inner = {
        compare: (txn.get("compare") as object[] | undefined) ?? [],
        success: with_marker(txn.get("success") as object[] | undefined, put_of(key, "1", lease)),
        failure: with_marker(txn.get("failure") as object[] | undefined, put_of(key, "0", lease)),
    };
    return {
        compare: [{ key, target: "CREATE", result: "EQUAL", create_revision: 0 }],
        success: [{ request_txn: inner }],
        failure: [{ request_range: { key } }],
    };
}

/**
 * Returns the reply of the inner transaction. If an earlier attempt applied it, the marker tells only its branch and revision.
 * @param key of the marker
 * @returns nil and an error text if the reply contains neither
 */
function unwrap(body: Message, key: string): Result<Message> {
    const result: Message = new LuaMap();
    const header = body.get("header") as Message;
    result.set("header", header);
    if (body.get("succeeded") === true) {
        const first = (body.get("responses") as Message[] | undefined)?.[0];
        const inner = first?.get("response_txn") as Message | undefined;
        if (inner === undefined) {
            return $multi(undefined, "malformed reply: transaction without the transaction in it");
        }
        const responses = (inner.get("responses") as object[] | undefined) ?? [];
        responses.pop(); // that of the marker
        result.set("succeeded", inner.get("succeeded"));
        if (responses.length > 0) {
            result.set("responses", responses);
        }
        return $multi(result);
    }
    const [marker, problem] = txn_response.read_of(body, key);
    if (marker === undefined) {
        return $multi(undefined, problem ?? "malformed reply: transaction without its marker");
    }
    result.set("replayed", true);
    if (marker.value === "1") {
        result.set("succeeded", true);
    }
    header.set("revision", marker.mod_revision);
    return $multi(result);
}

/**
 * Runs a transaction that is sent again if its outcome is unknown.
 * @param txn its message
 * @returns the reply; if an earlier attempt was applied, `replayed` is true in it and `responses` is absent
 */
function run(core: Core, txn: Message, timeout: number): Outcome<Reply> {
    // before the lease of the marker is granted
    const [payload, problem] = core.transport.encode(rpcs.txn, txn);
    if (payload === undefined) {
        return $multi(undefined, errors.local_error("bad_request", problem));
    }
    // the marker must outlive the call
    const deadline = now() + (timeout > 0 ? min(timeout, LEASE_USE) : LEASE_USE);
    const key = next_key(core.markers);
    let has_new_lease = false;
    let prefer: string | undefined;
    while (true) {
        const [lease, lease_err, lease_error_reply] = marker_lease(core, timeout, deadline);
        if (lease === undefined) {
            return $multi(undefined, lease_err, lease_error_reply);
        }
        const request = wrap_txn(txn, key, lease);
        const options: CallOptions = { timeout, deadline, semantics: "idempotent", prefer };
        const [reply, err, error_reply] = call.unary(core, rpcs.txn, request, options);
        if (reply !== undefined) {
            const [inner, inner_problem] = unwrap(reply.body, key);
            if (inner === undefined) {
                const inner_err = errors.local_error("bad_reply", inner_problem, options.answered_by);
                return $multi(undefined, errors.with_outcome(inner_err, true));
            }
            reply.body = inner;
            return $multi(reply);
        }
        if (err.code !== errors.Code.NOT_FOUND || err.maybe_applied) {
            return $multi(undefined, err, error_reply);
        }
        const is_at_stray = prefer === undefined && cluster.is_stray(core, options.answered_by);
        if (is_at_stray) {
            prefer = core.cluster.member; // the lease of the marker is of the cluster that is followed
            continue;
        }
        if (has_new_lease) {
            return $multi(undefined, err, error_reply);
        }
        // nothing was applied: either the lease of the marker does not exist, or a lease in the transaction itself
        if (core.markers.lease === lease && is_alive(core, lease, timeout, deadline)) {
            return $multi(undefined, err, error_reply);
        }
        forget_lease(core.markers, lease);
        has_new_lease = true;
    }
}

export { create as new, run };
