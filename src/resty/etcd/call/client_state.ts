import type { Auth } from "./token";
import type { Ring } from "../endpoint/balancer";
import type { Endpoint } from "../endpoint/endpoint";
import type { Markers } from "./idempotency";
import type { Meter } from "../metrics/call_metrics";
import type { Names } from "../endpoint/dns_endpoints";
import type { Order } from "./monotonic";
import type { Transport } from "../transport/transport";
import type { Hub } from "../watch/shared_watch";

/** When a client reads the list of members anew. */
interface SyncPlan {
    /** Seconds. */
    readonly interval: number;
    next: number;
    readonly start: (this: void, core: Core) => void;
}

/** What the call path needs of a client. Users may write to the fields of the first group. */
interface Core extends Ring {
    /** Seconds for a call, 0 for nginx's own socket timeouts. */
    timeout: number;
    /** `unix:/path` that stands in for the endpoints while it answers. */
    unix_socket_proxy?: string;

    readonly transport: Transport;
    /** Nil without user and password. */
    readonly auth: Auth | undefined;
    /** `/v3`, for endpoints that etcd tells of. */
    readonly api_prefix: string;
    /** The endpoints that the client was made with. */
    readonly configured: Endpoint[];
    /** More than one endpoint. */
    is_cluster: boolean;
    /** Nil unless the endpoints follow the list of members. */
    readonly sync_plan: SyncPlan | undefined;
    /** Nil unless names are resolved by the driver. */
    readonly names: Names | undefined;
    /** Nil unless replies must not go back in time. */
    readonly order: Order | undefined;
    readonly markers: Markers;
    /** Nil unless calls are counted or told of. */
    readonly meter: Meter | undefined;
    /** The user's own header fields as JSON, for the log; nil if there are none. */
    readonly extra_json: string | undefined;
    /** The streams of its watchers and mirrors. */
    hubs?: Hub[];
}

export type { Core, SyncPlan };
