import type { Target } from "./target";
import type { Tls } from "./tls";

/** Header fields by name, as they came. */
type Headers = LuaMap<string, string>;

/** A client's own header fields, in the shapes that the two HTTP clients want. */
interface Extra {
    readonly fields: Headers;
    /** The same as text, each line with its line end, without `Host`. */
    readonly block: string;
    /** Takes the place of the endpoint's own. */
    readonly host: string | undefined;
}

interface Request {
    readonly method: "GET" | "POST";
    readonly target: Target;
    /** `unix:/path` to connect to instead, while something answers there. */
    readonly via: string | undefined;
    /** Path with everything in front of it. */
    readonly path: string;
    readonly extra: Extra;
    readonly token: string | undefined;
    readonly body: string | undefined;
    /** The request may be sent again if a pooled connection turns out to be dead. */
    readonly repeatable: boolean;
}

interface Reply {
    readonly status: number;
    readonly headers: Headers;
    readonly body: string;
}

/** The connections of one client: what decides which of them may be shared. */
interface Peer {
    readonly tls: Tls;
    /** How long an idle connection is kept, in milliseconds; 0 keeps none. */
    readonly keepalive_ms: number;
    /** Idle connections per endpoint and worker. */
    readonly pool_size: number;
}

/** Times are those of `clock.now`; nil leaves it to nginx's own socket timeouts. */
interface Budget {
    readonly deadline: number | undefined;
    /** The connection must stand by then. */
    readonly connect_by: number | undefined;
}

/** Bytes of a streamed body. */
interface Body {
    /**
     * The next bytes.
     * @param timeout seconds; nil waits for ever
     * @returns "" at the end of the body; or nil and `timeout`, `closed` or another socket error
     */
    read(timeout: number | undefined): Result<string>;
    /** What has arrived already; nil if nothing has. */
    peek(): string | undefined;
    /** Frees the connection; if another light thread reads from it now, that one will. */
    close(): void;
}

interface Opening {
    readonly status: number;
    readonly headers: Headers;
    readonly body: Body;
}

/**
 * An HTTP client. Beside the result and the error text it tells whether some of the request
 * may have left.
 */
interface HttpClient {
    readonly exchange: (
        this: void,
        peer: Peer,
        request: Request,
        budget: Budget,
    ) => LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: string, sent: boolean]>;
    readonly open: (
        this: void,
        peer: Peer,
        request: Request,
        budget: Budget,
    ) => LuaMultiReturn<[opening: Opening, err?: undefined] | [opening: undefined, err: string, sent: boolean]>;
}

export type { Body, Budget, Extra, Headers, HttpClient, Opening, Peer, Reply, Request };
