import type { Auth } from "./auth";
import type { Ring } from "./balancer";
import type { Transport } from "./transport";

/** What the call path needs of a client. Users may write to the fields of the first group. */
interface Core extends Ring {
    /** Seconds for a call, 0 for nginx's own socket timeouts. */
    timeout: number;
    /** `unix:/path` that stands in for the endpoints while it answers. */
    unix_socket_proxy?: string;

    readonly transport: Transport;
    /** Nil without user and password. */
    readonly auth: Auth | undefined;
    /** The user's own header fields as JSON, for the log; nil if there are none. */
    readonly extra_json: string | undefined;
}

export type { Core };
