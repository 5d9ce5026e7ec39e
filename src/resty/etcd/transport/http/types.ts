import type { TlsOptions } from "../tls/types";
import type { RequestContext, Headers } from "../transport";
import type { Target } from "../../endpoint/url";

/** A client's own header fields, in the shapes that the two HTTP clients want. */
interface ExtraHeaders {
    readonly fields: Headers;
    /** The same as text, each line with its line end, without `Host`. */
    readonly block: string;
    /** Takes the place of the endpoint's own. */
    readonly host: string | undefined;
}

/** What stays the same in all requests of one RPC to one endpoint. */
interface RequestTemplate {
    readonly method: "GET" | "POST";
    readonly target: Target;
    /** Path with everything in front of it. */
    readonly path: string;
    readonly extra: ExtraHeaders;
    readonly connection_options: ConnectionOptions;
    /** The pool of its connections. */
    readonly pool: ngx.socket.ConnectOpts;
    /** Request line and header fields, as far as they are the same in all requests. */
    readonly head: string;
}

interface Response {
    readonly status: number;
    readonly headers: Headers;
    readonly body: string;
    /** The connection that it came on; to be given back with `settle`. */
    readonly sock: ngx.socket.Tcp;
    /** Another request may go out on it. */
    readonly keepalive: boolean;
}

/** The connections of one client: what decides which of them may be shared. */
interface ConnectionOptions {
    readonly tls: TlsOptions;
    /** How long an idle connection is kept, in milliseconds; 0 keeps none. */
    readonly keepalive_ms: number;
    /** Idle connections per endpoint and worker. */
    readonly pool_size: number;
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
    /** When the last bytes arrived, by `clock.now`. */
    last_received_at(): number;
    /** Lets `close` end a read of another light thread. */
    allow_cancel(): void;
    /** Frees the connection; if another light thread reads from it now, that one will. */
    close(): void;
}

interface StreamResponse {
    readonly status: number;
    readonly headers: Headers;
    readonly body: Body;
}

/** A connection, and what its connector wants back to send on it. */
type Connected = LuaMultiReturn<
    | [sock: ngx.socket.Tcp, err: undefined, reused: boolean, link: unknown]
    | [sock: undefined, err: string, reused?: undefined, link?: undefined]
>;

/** A way to connect and to send: all that the HTTP clients differ in. */
interface Connector {
    /**
     * Connects and makes the TLS session.
     * @returns the socket, and whether it comes from the pool
     */
    readonly connect: (this: void, route: RequestTemplate, delivery: RequestContext, time: number) => Connected;
    /** Sends a request; returns an error text or nil. */
    readonly send: (
        this: void,
        link: unknown,
        route: RequestTemplate,
        delivery: RequestContext,
        body: string,
    ) => string | undefined;
}

/** Says which connector serves a request. */
type PickConnector = (this: void, route: RequestTemplate, delivery: RequestContext) => Connector;

export type {
    Body,
    Connected,
    Connector,
    ExtraHeaders,
    StreamResponse,
    ConnectionOptions,
    PickConnector,
    Response,
    RequestTemplate,
};
