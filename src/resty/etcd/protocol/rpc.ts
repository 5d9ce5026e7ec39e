import * as schema from "./schema";
import type { MessageType } from "./schema";

/** One RPC of etcd: all that the call path and the transports know of it. */
interface Rpc {
    /** Full gRPC method name. */
    readonly method: string;
    /** Path below the gateway's API prefix. */
    readonly path: string;
    readonly request: MessageType;
    readonly reply: MessageType;
    /** Changes something in etcd: never sent twice unless the first was provably not applied. */
    readonly write?: boolean;
    /** A write that may be sent twice all the same: it is applied once. */
    readonly idempotent?: boolean;
    /** A stream of replies; on the gateway each of them comes as one line `{"result":…}`. */
    readonly stream?: boolean;
    /** A plain GET page beside the gateway, without token. */
    readonly page?: boolean;
    /** Sent without token. */
    readonly anonymous?: boolean;
    /** Its answer holds a secret and is never quoted. */
    readonly secret?: boolean;
}

const range: Rpc = {
    method: "/etcdserverpb.KV/Range",
    path: "/kv/range",
    request: schema.range_request,
    reply: schema.range_response,
};
const put: Rpc = {
    method: "/etcdserverpb.KV/Put",
    path: "/kv/put",
    request: schema.put_request,
    reply: schema.put_response,
    write: true,
};
const delete_range: Rpc = {
    method: "/etcdserverpb.KV/DeleteRange",
    path: "/kv/deleterange",
    request: schema.delete_range_request,
    reply: schema.delete_range_response,
    write: true,
};
const txn: Rpc = {
    method: "/etcdserverpb.KV/Txn",
    path: "/kv/txn",
    request: schema.txn_request,
    reply: schema.txn_response,
    write: true,
};
/** A transaction that runs only if it has not been run before. */
const txn_idempotent: Rpc = {
    method: "/etcdserverpb.KV/Txn",
    path: "/kv/txn",
    request: schema.txn_request,
    reply: schema.txn_response,
    write: true,
    idempotent: true,
};
/** A transaction that only reads. */
const txn_read: Rpc = {
    method: "/etcdserverpb.KV/Txn",
    path: "/kv/txn",
    request: schema.txn_request,
    reply: schema.txn_response,
};
const watch: Rpc = {
    method: "/etcdserverpb.Watch/Watch",
    path: "/watch",
    request: schema.watch_request,
    reply: schema.watch_response,
    stream: true,
};
const lease_grant: Rpc = {
    method: "/etcdserverpb.Lease/LeaseGrant",
    path: "/lease/grant",
    request: schema.lease_grant_request,
    reply: schema.lease_grant_response,
    write: true,
};
/** With an ID of the client's choice. */
const lease_grant_with_id: Rpc = {
    method: "/etcdserverpb.Lease/LeaseGrant",
    path: "/lease/grant",
    request: schema.lease_grant_request,
    reply: schema.lease_grant_response,
    write: true,
    idempotent: true,
};
/** With such an ID, where nothing is lost if the answer is: it counts as a read. */
const lease_grant_disposable: Rpc = {
    method: "/etcdserverpb.Lease/LeaseGrant",
    path: "/lease/grant",
    request: schema.lease_grant_request,
    reply: schema.lease_grant_response,
};
const lease_revoke: Rpc = {
    method: "/etcdserverpb.Lease/LeaseRevoke",
    path: "/lease/revoke",
    request: schema.lease_revoke_request,
    reply: schema.lease_revoke_response,
    write: true,
};
// Renewing a lease twice is renewing it once, so this one counts as a read.
const lease_keep_alive: Rpc = {
    method: "/etcdserverpb.Lease/LeaseKeepAlive",
    path: "/lease/keepalive",
    request: schema.lease_keep_alive_request,
    reply: schema.lease_keep_alive_response,
    stream: true,
};
const lease_time_to_live: Rpc = {
    method: "/etcdserverpb.Lease/LeaseTimeToLive",
    path: "/lease/timetolive",
    request: schema.lease_time_to_live_request,
    reply: schema.lease_time_to_live_response,
};
const lease_leases: Rpc = {
    method: "/etcdserverpb.Lease/LeaseLeases",
    path: "/lease/leases",
    request: schema.lease_leases_request,
    reply: schema.lease_leases_response,
};
const authenticate: Rpc = {
    method: "/etcdserverpb.Auth/Authenticate",
    path: "/auth/authenticate",
    request: schema.authenticate_request,
    reply: schema.authenticate_response,
    anonymous: true,
    secret: true,
};
const member_list: Rpc = {
    method: "/etcdserverpb.Cluster/MemberList",
    path: "/cluster/member/list",
    request: schema.member_list_request,
    reply: schema.member_list_response,
};
const version: Rpc = {
    method: "/etcdserverpb.Maintenance/Status",
    path: "/version",
    request: schema.lease_leases_request,
    reply: schema.version_response,
    page: true,
    anonymous: true,
};

/** Names of methods, as they are counted. */
const names = new LuaMap<string, string>();

/** The last part of its method. */
function name_of(rpc: Rpc): string {
    if (rpc.page === true) {
        return "Version";
    }
    let name = names.get(rpc.method);
    if (name === undefined) {
        [name] = string.match(rpc.method, "[^/]+$");
        name ??= rpc.method;
        names.set(rpc.method, name);
    }
    return name;
}

/** It may be sent again whatever has become of the first time. */
function is_repeatable(rpc: Rpc): boolean {
    return rpc.write !== true || rpc.idempotent === true;
}

export {
    authenticate,
    delete_range,
    is_repeatable,
    lease_grant,
    lease_grant_with_id,
    lease_grant_disposable,
    lease_keep_alive,
    lease_leases,
    lease_revoke,
    lease_time_to_live,
    member_list,
    name_of,
    put,
    range,
    txn,
    txn_idempotent,
    txn_read,
    version,
    watch,
    type Rpc,
};
