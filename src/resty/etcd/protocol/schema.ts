/**
 * Schema of etcd's messages, shared by all codecs. Field names and numbers are those of etcd's rpc.proto. In Lua tables,
 * bytes are raw, int64 fields are decimal strings, and enum values are names; zero, false and empty values are absent.
 */

type Scalar = "bytes" | "string" | "int64" | "uint64" | "bool";

/** Numbers of enum values by name. */
type Enum = Readonly<Record<string, number>>;

interface FieldType {
    /** Field number on the protobuf wire. */
    readonly number: number;
    readonly scalar?: Scalar;
    readonly values?: Enum;
    readonly message?: MessageType;
    readonly repeated?: boolean;
}

/** Fields by name. */
type MessageType = LuaMap<string, FieldType>;

const of = (number: number, scalar: Scalar): FieldType => ({ number, scalar });
const one_of = (number: number, values: Enum): FieldType => ({ number, values });
const sub = (number: number, inner: MessageType): FieldType => ({ number, message: inner });
const list = (number: number, inner: MessageType): FieldType => ({ number, message: inner, repeated: true });

function message(fields: Record<string, FieldType>): MessageType {
    return fields as unknown as MessageType;
}

const SORT_ORDER: Enum = { NONE: 0, ASCEND: 1, DESCEND: 2 };
const SORT_TARGET: Enum = { KEY: 0, VERSION: 1, CREATE: 2, MOD: 3, VALUE: 4 };
const COMPARE_RESULT: Enum = { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 };
const compare_target: Enum = { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 };
const EVENT_TYPE: Enum = { PUT: 0, DELETE: 1 };
const WATCH_FILTER: Enum = { NOPUT: 0, NODELETE: 1 };

const header = message({
    cluster_id: of(1, "uint64"),
    member_id: of(2, "uint64"),
    revision: of(3, "int64"),
    raft_term: of(4, "uint64"),
});
const key_value = message({
    key: of(1, "bytes"),
    create_revision: of(2, "int64"),
    mod_revision: of(3, "int64"),
    version: of(4, "int64"),
    value: of(5, "bytes"),
    lease: of(6, "int64"),
});
const event = message({ type: one_of(1, EVENT_TYPE), kv: sub(2, key_value), prev_kv: sub(3, key_value) });

const range_request = message({
    key: of(1, "bytes"),
    range_end: of(2, "bytes"),
    limit: of(3, "int64"),
    revision: of(4, "int64"),
    sort_order: one_of(5, SORT_ORDER),
    sort_target: one_of(6, SORT_TARGET),
    serializable: of(7, "bool"),
    keys_only: of(8, "bool"),
    count_only: of(9, "bool"),
    min_mod_revision: of(10, "int64"),
    max_mod_revision: of(11, "int64"),
    min_create_revision: of(12, "int64"),
    max_create_revision: of(13, "int64"),
});
const range_response = message({
    header: sub(1, header),
    kvs: list(2, key_value),
    more: of(3, "bool"),
    count: of(4, "int64"),
});
const put_request = message({
    key: of(1, "bytes"),
    value: of(2, "bytes"),
    lease: of(3, "int64"),
    prev_kv: of(4, "bool"),
    ignore_value: of(5, "bool"),
    ignore_lease: of(6, "bool"),
});
const put_response = message({ header: sub(1, header), prev_kv: sub(2, key_value) });
const delete_range_request = message({
    key: of(1, "bytes"),
    range_end: of(2, "bytes"),
    prev_kv: of(3, "bool"),
});
const delete_range_response = message({
    header: sub(1, header),
    deleted: of(2, "int64"),
    prev_kvs: list(3, key_value),
});

const compare = message({
    result: one_of(1, COMPARE_RESULT),
    target: one_of(2, compare_target),
    key: of(3, "bytes"),
    version: of(4, "int64"),
    create_revision: of(5, "int64"),
    mod_revision: of(6, "int64"),
    value: of(7, "bytes"),
    lease: of(8, "int64"),
    range_end: of(64, "bytes"),
});
const request_op = message({
    request_range: sub(1, range_request),
    request_put: sub(2, put_request),
    request_delete_range: sub(3, delete_range_request),
});
const txn_request = message({
    compare: list(1, compare),
    success: list(2, request_op),
    failure: list(3, request_op),
});
request_op.set("request_txn", sub(4, txn_request));

const response_op = message({
    response_range: sub(1, range_response),
    response_put: sub(2, put_response),
    response_delete_range: sub(3, delete_range_response),
});
const txn_response = message({
    header: sub(1, header),
    succeeded: of(2, "bool"),
    responses: list(3, response_op),
});
response_op.set("response_txn", sub(4, txn_response));

const watch_request = message({
    create_request: sub(
        1,
        message({
            key: of(1, "bytes"),
            range_end: of(2, "bytes"),
            start_revision: of(3, "int64"),
            progress_notify: of(4, "bool"),
            filters: { number: 5, values: WATCH_FILTER, repeated: true },
            prev_kv: of(6, "bool"),
            watch_id: of(7, "int64"),
            fragment: of(8, "bool"),
        }),
    ),
    cancel_request: sub(2, message({ watch_id: of(1, "int64") })),
    progress_request: sub(3, message({})),
});
const watch_response = message({
    header: sub(1, header),
    watch_id: of(2, "int64"),
    created: of(3, "bool"),
    canceled: of(4, "bool"),
    compact_revision: of(5, "int64"),
    cancel_reason: of(6, "string"),
    fragment: of(7, "bool"),
    events: list(11, event),
});

const lease_grant_request = message({ TTL: of(1, "int64"), ID: of(2, "int64") });
const lease_grant_response = message({
    header: sub(1, header),
    ID: of(2, "int64"),
    TTL: of(3, "int64"),
    error: of(4, "string"),
});
const lease_revoke_request = message({ ID: of(1, "int64") });
const lease_revoke_response = message({ header: sub(1, header) });
const lease_keep_alive_request = message({ ID: of(1, "int64") });
const lease_keep_alive_response = message({ header: sub(1, header), ID: of(2, "int64"), TTL: of(3, "int64") });
const lease_time_to_live_request = message({ ID: of(1, "int64"), keys: of(2, "bool") });
const lease_time_to_live_response = message({
    header: sub(1, header),
    ID: of(2, "int64"),
    TTL: of(3, "int64"),
    grantedTTL: of(4, "int64"),
    keys: { number: 5, scalar: "bytes", repeated: true },
});
const lease_leases_request = message({});
const lease_leases_response = message({
    header: sub(1, header),
    leases: list(2, message({ ID: of(1, "int64") })),
});

const member = message({
    ID: of(1, "uint64"),
    name: of(2, "string"),
    peerURLs: { number: 3, scalar: "string", repeated: true },
    clientURLs: { number: 4, scalar: "string", repeated: true },
    isLearner: of(5, "bool"),
});
const member_list_request = message({ linearizable: of(1, "bool") });
const member_list_response = message({ header: sub(1, header), members: list(2, member) });

const authenticate_request = message({ name: of(1, "string"), password: of(2, "string") });
const authenticate_response = message({ header: sub(1, header), token: of(2, "string") });

const status_request = message({});
/** The part that the driver reads. */
const status_response = message({ header: sub(1, header) });

/** Body of the `/version` endpoint, which is plain JSON and no RPC, but is decoded like a message. */
const version_response = message({
    etcdserver: of(1, "string"),
    etcdcluster: of(2, "string"),
    storage: of(3, "string"),
});

export {
    authenticate_request,
    authenticate_response,
    compare_target,
    delete_range_request,
    delete_range_response,
    lease_grant_request,
    lease_grant_response,
    lease_keep_alive_request,
    lease_keep_alive_response,
    lease_leases_request,
    lease_leases_response,
    lease_revoke_request,
    lease_revoke_response,
    lease_time_to_live_request,
    lease_time_to_live_response,
    member_list_request,
    member_list_response,
    put_request,
    put_response,
    range_request,
    range_response,
    status_request,
    status_response,
    txn_request,
    txn_response,
    version_response,
    watch_request,
    watch_response,
    type Enum,
    type FieldType,
    type MessageType,
    type Scalar,
};
