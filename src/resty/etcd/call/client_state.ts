import type { Dict } from "../base/memory_dict";
import type { TimerLoop } from "../base/timer_loop";
import type { TokenBucket } from "../base/token_bucket";
import type { SingleFlight } from "../base/single_flight";
import type { EtcdError } from "../protocol/errors";
import type { Serializer } from "../serializers/serializer";
import type { Choice } from "../endpoint/balancer";
import type { Meter } from "../metrics/call_metrics";
import type { EndpointSet } from "../endpoint/dns_endpoints";
import type { RevisionFloor } from "./monotonic";
import type { Transport } from "../transport/transport";

/** Requests a token from etcd, in two parts. */
interface Login {
    /**
     * Logs the line of the login and chooses its first endpoint, without waiting.
     * @returns the choice; nil if the second part has to make it
     */
    readonly begin: (this: void, core: Core, timeout: number) => Choice | undefined;
    /** Sends the request. Does not wait if no endpoint was available. */
    readonly finish: (
        this: void,
        core: Core,
        auth: TokenCache,
        timeout: number,
        deadline: number | undefined,
        first: Choice | undefined,
    ) => Result<string, EtcdError>;
}

/** User, password and current token of a client. */
interface TokenCache {
    readonly user: string;
    readonly password: string;
    readonly login: Login;
    /** If etcd has authentication disabled, calls are made without a token instead of failing. */
    readonly is_optional: boolean;
    /** Shared dict through which workers share their tokens; nil for none. */
    dict: Dict | undefined;
    /** Key of the token in the shared dict. */
    dict_key: string;
    token: string | undefined;
    /** The token is from the shared dict, not from a login of this worker. */
    is_shared: boolean;
    /** Time until which slow members can reject the token as unknown. */
    new_until: number;
    /** A login counts as lost if its timer was dropped, or if its light thread was killed. */
    readonly logins: SingleFlight<LoginResult>;
}

/** What calls receive that wait for a login: either a token or an error. */
interface LoginResult {
    readonly token: string | undefined;
    readonly err: EtcdError | undefined;
}

/**
 * Markers of idempotent writes. Each write puts a marker, a unique key, in the same transaction, which runs only if the
 * marker does not exist. Thus a write that is sent twice is applied once. Markers are attached to a lease and expire with it.
 */
interface IdempotencyMarkers {
    readonly prefix: string;
    /** The part of the keys that is unique to the worker; nil before the first write. */
    worker: string | undefined;
    pid: number;
    count: number;
    lease: string | undefined;
    /** Time until which new markers are attached to the lease. */
    fresh_until: number;
    /** Leases that calls are being granted. The result is the field `lease`. */
    readonly grants: SingleFlight<true>;
}

/** The cluster that a client follows: its watches, mirrors and registrations accept replies of no other. Written by cluster.ts. */
interface FollowedCluster {
    /** Nil before the first reply that counts. */
    readonly id: string | undefined;
    /** The endpoint that was last seen to be of it. */
    readonly member: string | undefined;
    /** When endpoints were first asked and none of them was of it; nil after one is. */
    readonly missing_since: number | undefined;
    /** Earliest time to ask all endpoints again. */
    readonly next_poll_at: number;
    readonly polls: SingleFlight<true>;
    /** Earliest times of the next log line, by its subject. */
    readonly next_log_at: LuaMap<string, number>;
}

/** When a client reads the list of members again. */
interface SyncPlan {
    /** Seconds. */
    readonly interval: number;
    next: number;
    /** Reads it once, in a timer. */
    readonly start: (this: void, core: Core) => void;
    /** Reads it at each interval while the client has streams. */
    readonly start_loop: (this: void, core: Core) => void;
    loop: TimerLoop | undefined;
    /** Readers of watches that have not ended. Weak: a reader that is garbage does not count. */
    readonly readers: LuaMap<object, true>;
}

/** A list of endpoints that has failed, and how long it is not used again. */
interface FailedMembers {
    /** Sorted. */
    readonly hosts: string;
    readonly until: number;
}

/** The part of a client that the call path needs. Programs write to the fields of the first group. */
interface Core extends EndpointSet {
    /** Seconds for a call, 0 for nginx's own socket timeouts. */
    timeout: number;
    /** `unix:/path` to connect to instead of the endpoints, while a server accepts connections there. */
    unix_socket_proxy?: string;

    readonly transport: Transport;
    /** Bytes of the longest response. */
    readonly max_response_size: number;
    /** Nil without user and password. */
    readonly auth: TokenCache | undefined;
    /** Nil unless the endpoints follow the list of members. */
    readonly sync_plan: SyncPlan | undefined;
    /** Nil unless the client was created with `monotonic`. */
    readonly revision_floor: RevisionFloor | undefined;
    readonly cluster: FollowedCluster;
    readonly markers: IdempotencyMarkers;
    /** Nil without `metrics` and `on_call`. */
    readonly meter: Meter | undefined;
    /** `extra_headers` as JSON, for the log; nil if there are none. */
    readonly extra_json: Printable | undefined;
    /** The last list of members of which no endpoint has responded. */
    failed_members?: FailedMembers;
    /** The addresses of members that are not used, as they were last logged. */
    left_out_members?: string;
    /** The shared watches of the client; only `watch/` knows their type. */
    shared_watches?: object[];
    /** Limits how often the watches of the client open streams that fail. Written by watch/reopen_limit.ts. */
    reopen_limit?: TokenBucket;
}

/** A client as its methods see it. */
interface ClientState extends Core {
    /** Prepended to every key. */
    key_prefix: string;
    /** The transport is native gRPC. */
    use_grpc: boolean;
    readonly serializer: Serializer;
}

export type { ClientState, Core, FollowedCluster, IdempotencyMarkers, Login, LoginResult, SyncPlan, TokenCache };
