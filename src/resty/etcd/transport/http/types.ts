import type { TlsOptions } from "../tls/types";
import type { Fault } from "../fault";
import type { RequestContext, Headers } from "../transport";
import type { Target } from "../../endpoint/url";

/** Header fields of the option `extra_headers`, in the forms that the two connectors need. */
interface ExtraHeaders {
    readonly fields: Headers;
    /** The fields as text, each line with its line break, without `Host`. */
    readonly block: string;
    /** Replaces the host of the endpoint in `Host`; nil if not given. */
    readonly host: string | undefined;
}

/** The part that all requests of one RPC to one endpoint have in common. */
interface RequestTemplate {
    readonly method: "GET" | "POST";
    readonly target: Target;
    /** Path, with the prefix of the API. */
    readonly path: string;
    readonly extra: ExtraHeaders;
    readonly connection_options: ConnectionOptions;
    /** Options of the connection pool. */
    readonly pool: ngx.socket.ConnectOpts;
    /** Request line and the header fields that are equal in all requests. */
    readonly head: string;
}

interface Response {
    readonly status: number;
    readonly headers: Headers;
    readonly body: string;
    /** The connection; the caller passes it to `release_connection`. */
    readonly sock: ngx.socket.Tcp;
    /** The connection can be reused. */
    readonly keepalive: boolean;
}

/** Options of the connections of a client. Connections with equal options share pools. */
interface ConnectionOptions {
    readonly tls: TlsOptions;
    /** Milliseconds after which an idle connection is closed; 0 keeps none. */
    readonly keepalive_ms: number;
    /** Largest number of idle connections per endpoint and worker. */
    readonly pool_size: number;
}

/** A response body that is read as it arrives. */
interface Body {
    /**
     * Returns the next bytes.
     * @param timeout seconds; nil waits without limit
     * @returns "" at the end of the body; or nil and a fault, `closed` after `close`
     */
    read(timeout: number | undefined): Result<string, Fault>;
    /** Returns bytes that have arrived already, or nil. */
    peek(): string | undefined;
    /** Returns the time at which the last bytes arrived, by `clock.now`. */
    last_received_at(): number;
    /** Lets `close` end a read of another light thread. */
    allow_cancel(): void;
    /** Lets a read return `closed` when the worker is exiting. */
    end_at_exit(): void;
    /** Closes the connection; if another light thread is reading from it, that one closes it. */
    close(): void;
}

interface StreamResponse {
    readonly status: number;
    readonly headers: Headers;
    readonly body: Body;
}

/** A connection, and the value that its connector needs for `send`. */
type Connected = LuaMultiReturn<
    | [sock: ngx.socket.Tcp, fault: undefined, reused: boolean, link: unknown]
    | [sock: undefined, fault: Fault, reused?: undefined, link?: undefined]
>;

/** Connects and sends: the difference between the two HTTP clients. */
interface Connector {
    /**
     * Connects and performs the TLS handshake.
     * @returns the socket, and whether it is from the pool
     */
    readonly connect: (this: void, template: RequestTemplate, context: RequestContext, time: number) => Connected;
    /** Sends a request; returns a fault or nil. */
    readonly send: (
        this: void,
        link: unknown,
        template: RequestTemplate,
        context: RequestContext,
        body: string,
    ) => Fault | undefined;
}

/** Chooses the connector for a request. */
type PickConnector = (this: void, template: RequestTemplate, context: RequestContext) => Connector;

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
