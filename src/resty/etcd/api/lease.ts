import type { ClientState } from "../call/client_state";
import type { Header, Integer } from "../protocol/message";
import * as call from "../call/call";
import * as errors from "../protocol/errors";
import * as lease_grant from "../call/lease_grant";
import * as rpcs from "../protocol/rpc";
import * as result from "./result";
import type { ErrorBody, ApiResult } from "./result";

interface GrantBody {
    header: Header;
    ID: string;
    TTL: string;
}

interface RevokeBody extends ErrorBody {
    header: Header;
}

interface KeepaliveBody {
    result: { header: Header; ID: string; TTL: string };
}

interface TimetoliveBody extends ErrorBody {
    header: Header;
    ID: string;
    /** Seconds left; "-1" if there is no such lease. */
    TTL: string;
    grantedTTL?: string;
    keys?: string[];
}

interface LeasesBody extends ErrorBody {
    header: Header;
    leases?: { ID: string }[];
}

function needs_id<Body>(command: string): ApiResult<Body> {
    return result.argument_error(`lease ${command} command needs ID argument`);
}

/**
 * Makes a lease.
 * @param ttl seconds; etcd raises it to its minimum
 * @param id chosen at random if nil, so that the lease may be asked for again where an answer was lost
 */
function grant(this: ClientState, ttl: number, id?: Integer): ApiResult<GrantBody> {
    if ((ttl as number | undefined) === undefined) {
        return result.argument_error("lease grant command needs TTL argument");
    }
    if (typeof ttl !== "number" || math.floor(ttl) !== ttl) {
        return result.argument_error("ttl must be integer");
    }
    if (id === undefined || tostring(id) === "0") {
        const [reply, err] = lease_grant.grant_with_random_id(this, ttl);
        return result.to_result(reply, err);
    }
    const [reply, err] = call.unary(this, rpcs.lease_grant, { TTL: ttl, ID: id });
    return result.to_result(reply, err);
}

/** Ends a lease; the keys attached to it are deleted. */
function revoke(this: ClientState, id: Integer): ApiResult<RevokeBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("revoke");
    }
    const [reply, err, refusal] = call.unary(this, rpcs.lease_revoke, { ID: id });
    return result.to_result_or_refusal(reply, err, refusal);
}

/**
 * Renews a lease once.
 * @returns `res.body.result.TTL` is what it is renewed to; a lease that is gone is an error
 */
function keepalive(this: ClientState, id: Integer): ApiResult<KeepaliveBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("keepalive");
    }
    const [reply, err] = call.unary(this, rpcs.lease_keep_alive, { ID: id });
    if (reply === undefined) {
        return result.failed(err);
    }
    if (reply.body.get("TTL") === undefined) {
        // etcd says it by leaving out the TTL
        return result.failed(errors.server_error(404, 5, "etcdserver: requested lease not found"));
    }
    const body = { result: reply.body };
    return $multi({ status: reply.status, headers: reply.headers, body: body as unknown as KeepaliveBody });
}

/**
 * Tells how long a lease still lives.
 * @param keys also tell the keys attached to it
 */
function timetolive(this: ClientState, id: Integer, keys?: boolean): ApiResult<TimetoliveBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("timetolive");
    }
    const [reply, err, refusal] = call.unary(this, rpcs.lease_time_to_live, { ID: id, keys: keys === true });
    return result.to_result_or_refusal(reply, err, refusal);
}

/** Lists all leases. */
function leases(this: ClientState): ApiResult<LeasesBody> {
    const [reply, err, refusal] = call.unary(this, rpcs.lease_leases, {});
    return result.to_result_or_refusal(reply, err, refusal);
}

export {
    grant,
    keepalive,
    leases,
    revoke,
    timetolive,
    type GrantBody,
    type KeepaliveBody,
    type LeasesBody,
    type RevokeBody,
    type TimetoliveBody,
};
