import * as schema from "./schema";
import type { MessageType } from "./schema";

/**
 * What sending a request twice means. A `read` changes nothing. A `write` is sent again only if the first request was
 * provably not applied. An `idempotent` write can be sent again, because etcd applies it once; but after an error the
 * caller cannot tell whether it was applied.
 */
type Semantics = "read" | "write" | "idempotent";

/** Description of an RPC, for the call path and all transports. */
interface Rpc {
    /** Full gRPC method name. */
    readonly method: string;
    /** Path below the gateway's API prefix. */
    readonly path: string;
    readonly request: MessageType;
    readonly reply: MessageType;
    /** Applies to calls that do not say otherwise. */
    readonly semantics: Semantics;
    /** The response is a stream of messages; the gateway sends each as one line `{"result":…}`. */
    readonly stream?: boolean;
    /** A plain GET request outside the API prefix, without token: no RPC. */
    readonly page?: boolean;
    /** The request is sent without token. */
    readonly anonymous?: boolean;
    /** The response contains a secret and must not be quoted in errors. */
    readonly secret?: boolean;
    /** etcd states its revision in the header of each reply: a reply without it is not etcd's. */
    readonly has_revision?: boolean;
}

const range: Rpc = {
    method: "/etcdserverpb.KV/Range",
    path: "/kv/range",
    request: schema.range_request,
    reply: schema.range_response,
    semantics: "read",
    has_revision: true,
};
const put: Rpc = {
    method: "/etcdserverpb.KV/Put",
    path: "/kv/put",
    request: schema.put_request,
    reply: schema.put_response,
    semantics: "write",
    has_revision: true,
};
const delete_range: Rpc = {
    method: "/etcdserverpb.KV/DeleteRange",
    path: "/kv/deleterange",
    request: schema.delete_range_request,
    reply: schema.delete_range_response,
    semantics: "write",
    has_revision: true,
};
const txn: Rpc = {
    method: "/etcdserverpb.KV/Txn",
    path: "/kv/txn",
    request: schema.txn_request,
    reply: schema.txn_response,
    semantics: "write",
    has_revision: true,
};
const watch: Rpc = {
    method: "/etcdserverpb.Watch/Watch",
    path: "/watch",
    request: schema.watch_request,
    reply: schema.watch_response,
    semantics: "read",
    stream: true,
};
const lease_grant: Rpc = {
    method: "/etcdserverpb.Lease/LeaseGrant",
    path: "/lease/grant",
    request: schema.lease_grant_request,
    reply: schema.lease_grant_response,
    semantics: "write",
    has_revision: true,
};
const lease_revoke: Rpc = {
    method: "/etcdserverpb.Lease/LeaseRevoke",
    path: "/lease/revoke",
    request: schema.lease_revoke_request,
    reply: schema.lease_revoke_response,
    semantics: "write",
    has_revision: true,
};
// A read: renewing a lease twice has the effect of renewing it once.
const lease_keep_alive: Rpc = {
    method: "/etcdserverpb.Lease/LeaseKeepAlive",
    path: "/lease/keepalive",
    request: schema.lease_keep_alive_request,
    reply: schema.lease_keep_alive_response,
    semantics: "read",
    stream: true,
    has_revision: true,
};
const lease_time_to_live: Rpc = {
    method: "/etcdserverpb.Lease/LeaseTimeToLive",
    path: "/lease/timetolive",
    request: schema.lease_time_to_live_request,
    reply: schema.lease_time_to_live_response,
    semantics: "read",
    has_revision: true,
};
const lease_leases: Rpc = {
    method: "/etcdserverpb.Lease/LeaseLeases",
    path: "/lease/leases",
    request: schema.lease_leases_request,
    reply: schema.lease_leases_response,
    semantics: "read",
    has_revision: true,
};
const authenticate: Rpc = {
    method: "/etcdserverpb.Auth/Authenticate",
    path: "/auth/authenticate",
    request: schema.authenticate_request,
    reply: schema.authenticate_response,
    semantics: "read",
    anonymous: true,
    secret: true,
};
const member_list: Rpc = {
    method: "/etcdserverpb.Cluster/MemberList",
    path: "/cluster/member/list",
    request: schema.member_list_request,
    reply: schema.member_list_response,
    semantics: "read",
};
const status: Rpc = {
    method: "/etcdserverpb.Maintenance/Status",
    path: "/maintenance/status",
    request: schema.status_request,
    reply: schema.status_response,
    semantics: "read",
    anonymous: true,
};
const version: Rpc = {
    method: "/etcdserverpb.Maintenance/Status",
    path: "/version",
    request: schema.lease_leases_request,
    reply: schema.version_response,
    semantics: "read",
    page: true,
    anonymous: true,
};

/** Cache of `name_of`, by method. */
const names = new LuaMap<string, string>();

/** Returns the last part of the method name, as it appears in metrics. */
function name_of(rpc: Rpc): string {
    if (rpc.page === true) {
        return "Version";
    }
    let name = names.get(rpc.method);
    if (name === undefined) {
        [name] = string.match(rpc.method, "^/[^/]*/([^/]+)$");
        name ??= rpc.method;
        names.set(rpc.method, name);
    }
    return name;
}

/** Reports whether a request can be sent again although the first one was possibly applied. */
function is_repeatable(semantics: Semantics): boolean {
    return semantics !== "write";
}

export {
    authenticate,
    delete_range,
    is_repeatable,
    lease_grant,
    lease_keep_alive,
    lease_leases,
    lease_revoke,
    lease_time_to_live,
    member_list,
    name_of,
    put,
    range,
    status,
    txn,
    version,
    watch,
    type Rpc,
    type Semantics,
};
