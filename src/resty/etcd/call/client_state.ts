import type { Semaphore } from "ngx.semaphore";
import type { Dict } from "../base/memory_dict";
import type { EtcdError } from "../protocol/errors";
import type { Serializer } from "../serializers/serializer";
import type { Endpoint } from "../endpoint/endpoint";
import type { Meter } from "../metrics/call_metrics";
import type { EndpointSet } from "../endpoint/dns_endpoints";
import type { RevisionFloor } from "./monotonic";
import type { Transport } from "../transport/transport";

/** Asks etcd for a token. */
type Login = (
    this: void,
    core: Core,
    auth: TokenCache,
    timeout: number,
    deadline: number | undefined,
) => Result<string, EtcdError>;

interface AuthOptions {
    /** Where authentication is switched off, calls are made without token. */
    readonly is_optional: boolean;
    /** Where workers share their tokens. */
    readonly dict: Dict | undefined;
    /** The key there. */
    readonly dict_key: string;
}

/** A client's user and the token it holds. */
interface TokenCache extends AuthOptions {
    readonly user: string;
    readonly password: string;
    readonly login: Login;
    token: string | undefined;
    /** It was another worker's login that gave the token. */
    is_shared: boolean;
    /** Until then, members that are slow may not have heard of the token. */
    new_until: number;
    /** The login under way. */
    pending_login: PendingLogin | undefined;
}

/** One login, and all who wait for it in the order in which they came. */
interface PendingLogin {
    readonly waiters: Semaphore[];
    token: string | undefined;
    err: EtcdError | undefined;
    /** If it has not ended by then, nobody works on it: its timer was dropped, or its thread was killed. */
    ends_by: number;
}

/**
 * A write that may be sent twice and is applied once carries a marker: a key of its own, written in the same
 * transaction, which only runs if the marker is not there. Markers go away with the lease they hang on.
 */
interface IdempotencyMarkers {
    readonly prefix: string;
    /** The worker's own part of the keys. */
    worker: string | undefined;
    pid: number;
    count: number;
    lease: string | undefined;
    /** Until when new markers are hung on it. */
    fresh_until: number;
    /** A call makes a new one, and until then the others wait for it; 0 if none does. */
    granted_by: number;
    waiting: Semaphore | undefined;
}

/** When a client reads the list of members anew. */
interface SyncPlan {
    /** Seconds. */
    readonly interval: number;
    next: number;
    readonly start: (this: void, core: Core) => void;
}

/** What the call path needs of a client. Users may write to the fields of the first group. */
interface Core extends EndpointSet {
    /** Seconds for a call, 0 for nginx's own socket timeouts. */
    timeout: number;
    /** `unix:/path` that stands in for the endpoints while it answers. */
    unix_socket_proxy?: string;

    readonly transport: Transport;
    /** Nil without user and password. */
    readonly auth: TokenCache | undefined;
    /** The endpoints that the client was made with. */
    readonly configured: Endpoint[];
    /** Nil unless the endpoints follow the list of members. */
    readonly sync_plan: SyncPlan | undefined;
    /** Nil unless replies must not go back in time. */
    readonly revision_floor: RevisionFloor | undefined;
    readonly markers: IdempotencyMarkers;
    /** Nil unless calls are counted or told of. */
    readonly meter: Meter | undefined;
    /** The user's own header fields as JSON, for the log; nil if there are none. */
    readonly extra_json: string | undefined;
    /** The streams of its watchers and mirrors: `watch/` alone knows their type. */
    shared_watches?: object[];
}

/** A client as its own methods see it. */
interface ClientState extends Core {
    /** Put in front of every key. */
    key_prefix: string;
    /** False until native gRPC is built. */
    use_grpc: boolean;
    readonly serializer: Serializer;
}

export type { TokenCache, AuthOptions, Core, PendingLogin, Login, IdempotencyMarkers, ClientState, SyncPlan };
