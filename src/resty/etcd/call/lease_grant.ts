import type { Message } from "../protocol/message";
import type { CallOptions, Outcome } from "./call";
import * as call from "./call";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import * as unique_id from "../base/unique_id";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as int64 from "../protocol/int64";
import type { Semantics } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

/** The longest TTL of a lease, in seconds: etcd rejects a longer one. */
const LONGEST_TTL = 9000000000;

/** Returns the TTL of a lease in seconds, from a reply of etcd; nil if etcd grants no such lease. */
function ttl_of(body: Message): number | undefined {
    const ttl = int64.to_number(body.get("TTL"));
    return ttl !== undefined && ttl >= 1 && ttl <= LONGEST_TTL ? ttl : undefined;
}

/** Returns the error of a reply with a TTL that etcd does not grant: renewals would follow immediately, or never. */
function invalid_ttl(body: Message, endpoint?: string): EtcdError {
    return errors.local_error("bad_reply", `malformed reply: TTL ${tostring(body.get("TTL"))} of a lease`, endpoint);
}

function exists_already(err: EtcdError): boolean {
    return err.message === "etcdserver: lease already exists";
}

/** Returns the reply of a grant, or an error if it has no lease or no TTL: whatever keeps the lease needs both. */
function checked(reply: Reply, semantics: Semantics, endpoint: string | undefined): Outcome<Reply> {
    const body = reply.body;
    if (body.get("ID") !== undefined && ttl_of(body) !== undefined) {
        return $multi(reply);
    }
    const is_absent = body.get("ID") === undefined || body.get("TTL") === undefined;
    const err = is_absent
        ? errors.local_error("bad_reply", "malformed reply: lease without ID or TTL", endpoint)
        : invalid_ttl(body, endpoint);
    return $multi(undefined, errors.with_outcome(err, semantics !== "read"));
}

/** Builds the reply of a grant whose own reply was lost, from what etcd says of the lease. */
function reply_of_existing(
    core: Core,
    id: string,
    semantics: Semantics,
    timeout: number,
    deadline: number | undefined,
): Outcome<Reply> {
    const options: CallOptions = { timeout, deadline, quiet: true };
    const [reply, err] = call.unary(core, rpcs.lease_time_to_live, { ID: id }, options);
    if (reply === undefined) {
        return $multi(undefined, errors.with_outcome(err, semantics !== "read"));
    }
    const body: Message = new LuaMap();
    body.set("header", reply.body.get("header"));
    body.set("ID", id);
    body.set("TTL", reply.body.get("grantedTTL"));
    reply.body = body;
    return checked(reply, semantics, options.answered_by);
}

/**
 * Grants a lease with a random ID that is chosen here, so that the request can be sent again: there will be one lease.
 * @param ttl seconds
 * @param options `semantics` is "idempotent" if nil; `answered_by` is the endpoint that granted it
 */
function grant_with_random_id(core: Core, ttl: number, options?: CallOptions): Outcome<Reply> {
    const id = unique_id.id();
    const timeout = options?.timeout ?? core.timeout;
    const semantics = options?.semantics ?? "idempotent";
    let deadline = options?.deadline;
    if (deadline === undefined && timeout > 0) {
        deadline = clock.now() + timeout; // shared by both RPCs
    }
    const request = { TTL: ttl, ID: id };
    const grant: CallOptions = { timeout, deadline, semantics, prefer: options?.prefer };
    const [reply, err, error_reply] = call.unary(core, rpcs.lease_grant, request, grant);
    if (options !== undefined) {
        options.answered_by = grant.answered_by;
    }
    if (reply !== undefined) {
        return checked(reply, semantics, grant.answered_by);
    }
    if (exists_already(err)) {
        return reply_of_existing(core, id, semantics, timeout, deadline);
    }
    return $multi(undefined, err, error_reply);
}

export { LONGEST_TTL, grant_with_random_id, invalid_ttl, ttl_of };
