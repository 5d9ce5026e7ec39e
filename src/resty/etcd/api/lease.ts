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
    /** Remaining time in seconds; "-1" if the lease does not exist. */
    TTL: string;
    grantedTTL?: string;
    keys?: string[];
}

interface LeasesBody extends ErrorBody {
    header: Header;
    leases?: { ID: string }[];
}

function needs_id<Body>(command: string): ApiResult<Body> {
    return errors.bad_request(`lease ${command} command needs ID argument`);
}

/**
 * Grants a lease.
 * @param ttl seconds; etcd raises it to its minimum
 * @param id default: chosen at random by the driver, so that a grant without response can be retried
 */
function grant(this: ClientState, ttl: number, id?: Integer): ApiResult<GrantBody> {
    if ((ttl as number | undefined) === undefined) {
        return errors.bad_request("lease grant command needs TTL argument");
    }
    if (typeof ttl !== "number" || math.floor(ttl) !== ttl) {
        return errors.bad_request("ttl must be integer");
    }
    if (id === undefined || tostring(id) === "0") {
        const [reply, err] = lease_grant.grant_with_random_id(this, ttl);
        return result.to_result(reply, err);
    }
    const [reply, err] = call.unary(this, rpcs.lease_grant, { TTL: ttl, ID: id });
    return result.to_result(reply, err);
}

/** Revokes a lease; etcd deletes the keys attached to it. */
function revoke(this: ClientState, id: Integer): ApiResult<RevokeBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("revoke");
    }
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_revoke, { ID: id });
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/**
 * Renews a lease once.
 * @returns the response with the new TTL in `res.body.result.TTL`; an error if the lease does not exist
 */
function keepalive(this: ClientState, id: Integer): ApiResult<KeepaliveBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("keepalive");
    }
    const [reply, err] = call.unary(this, rpcs.lease_keep_alive, { ID: id });
    if (reply === undefined) {
        return errors.to_result(err);
    }
    if (reply.body.get("TTL") === undefined) {
        // for a lease that does not exist, etcd responds with 200 and without TTL
        return errors.to_result(
            errors.server_error(404, errors.Code.NOT_FOUND, "etcdserver: requested lease not found"),
        );
    }
    const body = { result: reply.body };
    return $multi({ status: reply.status, headers: reply.headers, body: body as unknown as KeepaliveBody });
}

/**
 * Returns the remaining time of a lease.
 * @param keys also return the keys attached to the lease
 */
function timetolive(this: ClientState, id: Integer, keys?: boolean): ApiResult<TimetoliveBody> {
    if ((id as Integer | undefined) === undefined) {
        return needs_id("timetolive");
    }
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_time_to_live, { ID: id, keys: keys === true });
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/** Returns the IDs of all leases. */
function leases(this: ClientState): ApiResult<LeasesBody> {
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_leases, {});
    return result.to_result_or_error_reply(reply, err, error_reply);
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
