import type { ClientState } from "../call/client_state";
import type { Header, Integer } from "../protocol/message";
import * as call from "../call/call";
import * as errors from "../protocol/errors";
import * as lease_grant from "../call/lease_grant";
import * as rpcs from "../protocol/rpc";
import * as method_options from "./method_options";
import * as result from "./result";
import * as warn_once from "../base/warn_once";
import type { ErrorBody, ApiResult } from "./result";

/** Options of the calls about leases. */
interface LeaseOptions {
    /** Deadline of the call in seconds; default the client's. */
    timeout?: number;
}

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

/** Checks the arguments of a call about a lease. Returns an error text, or nil. */
function check_id(command: string, id: Integer | undefined, opts: LeaseOptions | undefined): Problem {
    return id === undefined
        ? `lease ${command} command needs ID argument`
        : method_options.check_timeout_only(command, opts);
}

/**
 * Grants a lease.
 * @param ttl seconds; etcd raises it to its minimum
 * @param id default: chosen at random by the driver, so that a grant without response can be retried
 */
function grant(this: ClientState, ttl: number, id?: Integer, opts?: LeaseOptions): ApiResult<GrantBody> {
    if ((ttl as number | undefined) === undefined) {
        return errors.bad_request("lease grant command needs TTL argument");
    }
    if (typeof ttl !== "number" || math.floor(ttl) !== ttl) {
        return errors.bad_request("ttl must be integer");
    }
    const problem = method_options.check_timeout_only("grant", opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (ttl < 1) {
        warn_once.warn("grant", `ttl ${ttl}: etcd raises it to its minimum`);
    }
    const options = { timeout: opts?.timeout };
    if (id === undefined || tostring(id) === "0") {
        const [reply, err] = lease_grant.grant_with_random_id(this, ttl, options);
        return result.to_result(reply, err);
    }
    const [reply, err] = call.unary(this, rpcs.lease_grant, { TTL: ttl, ID: id }, options);
    return result.to_result(reply, err);
}

/** Revokes a lease; etcd deletes the keys attached to it. */
function revoke(this: ClientState, id: Integer, opts?: LeaseOptions): ApiResult<RevokeBody> {
    const problem = check_id("revoke", id, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const options = { timeout: opts?.timeout };
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_revoke, { ID: id }, options);
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/**
 * Renews a lease once.
 * @returns the response with the new TTL in `res.body.result.TTL`; an error if the lease does not exist
 */
function keepalive(this: ClientState, id: Integer, opts?: LeaseOptions): ApiResult<KeepaliveBody> {
    const problem = check_id("keepalive", id, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [reply, err] = call.unary(this, rpcs.lease_keep_alive, { ID: id }, { timeout: opts?.timeout });
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
function timetolive(this: ClientState, id: Integer, keys?: boolean, opts?: LeaseOptions): ApiResult<TimetoliveBody> {
    const problem = check_id("timetolive", id, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const request = { ID: id, keys: keys === true };
    const options = { timeout: opts?.timeout };
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_time_to_live, request, options);
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/** Returns the IDs of all leases. */
function leases(this: ClientState, opts?: LeaseOptions): ApiResult<LeasesBody> {
    const problem = method_options.check_timeout_only("leases", opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [reply, err, error_reply] = call.unary(this, rpcs.lease_leases, {}, { timeout: opts?.timeout });
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
    type LeaseOptions,
    type LeasesBody,
    type RevokeBody,
    type TimetoliveBody,
};
