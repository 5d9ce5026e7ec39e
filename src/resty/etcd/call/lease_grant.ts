import type { Message } from "../protocol/message";
import type { Outcome } from "./call";
import * as call from "./call";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import * as unique_id from "../base/unique_id";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Rpc } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

function exists_already(err: EtcdError): boolean {
    return err.message === "etcdserver: lease already exists";
}

/** The lease was made by an earlier try whose answer was lost: this is what that would have said. */
function found(core: Core, rpc: Rpc, id: string, timeout: number, not_after: number | undefined): Outcome<Reply> {
    const [reply, err] = call.unary_within(core, rpcs.lease_time_to_live, { ID: id }, timeout, not_after);
    if (reply === undefined) {
        return $multi(undefined, errors.with_outcome(err, rpc.write === true));
    }
    const body: Message = new LuaMap();
    body.set("header", reply.body.get("header"));
    body.set("ID", id);
    body.set("TTL", reply.body.get("grantedTTL"));
    reply.body = body;
    return $multi(reply);
}

/**
 * Makes a lease whose ID is chosen here, at random, so that it may be asked for again: there will be one of it.
 * @param rpc what it counts as
 * @param ttl seconds
 * @param not_after when the call that it is for must end; nil for one of its own
 */
function grant_chosen(
    core: Core,
    rpc: Rpc,
    ttl: number,
    timeout: number | undefined,
    not_after?: number,
): Outcome<Reply> {
    const id = unique_id.id();
    const request = { TTL: ttl, ID: id };
    const time = timeout ?? core.timeout;
    let ends_by = not_after;
    if (ends_by === undefined && time > 0) {
        ends_by = clock.now() + time; // for both calls that it may take
    }
    const [reply, err, refusal] = call.unary_until(core, rpc, request, time, ends_by);
    if (reply !== undefined) {
        return $multi(reply);
    }
    if (exists_already(err)) {
        return found(core, rpc, id, time, ends_by);
    }
    return $multi(undefined, err, refusal);
}

export { grant_chosen };
