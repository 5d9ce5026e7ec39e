import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Message } from "../protocol/message";
import type { Rpc } from "../protocol/rpc";

/** Header fields by name, spelled as they were received. */
type Headers = LuaMap<string, string>;

/** How far an attempt has come. Written by the transport; times are those of `clock.now`. */
interface AttemptProgress {
    /** When connecting began: before that, a call can wait for a login, and for names that the driver resolves. */
    dialed_at?: number;
    /** When the connection was established. nginx resolves a name before that, without a timeout of the call. */
    connected_at?: number;
}

/** What belongs to one request. Times are those of `clock.now`. */
interface RequestContext {
    /** The request can be sent again if a pooled connection turns out to be dead. */
    readonly is_repeatable: boolean;
    readonly token: string | undefined;
    /** `unix:/path` to connect to instead, while a server accepts connections there. */
    readonly unix_proxy: string | undefined;
    readonly started: number;
    /** Nil leaves the time to the socket timeouts of nginx. */
    readonly deadline: number | undefined;
    /** Time by which the connection must be established. */
    readonly connect_deadline: number | undefined;
    /** Time by which the TLS handshake must be finished. */
    readonly handshake_deadline: number | undefined;
    /** Bytes of the longest response, and of the longest message of a stream. */
    readonly max_response_size: number;
    /** Tell the server how much time is left, so that it returns its own error a little earlier. */
    readonly send_timeout_header: boolean;
    /** The server ends the stream when its member has no leader. */
    readonly require_leader: boolean;
    /** Nil unless the caller observes the attempt. */
    readonly progress: AttemptProgress | undefined;
}

/** The reply to an RPC. */
interface Reply {
    /** HTTP status; 200 if the protocol has none. */
    readonly status: number;
    readonly headers: Headers;
    body: Message;
}

/** One attempt at a call. */
interface Attempt extends RequestContext {
    readonly endpoint: Endpoint;
    /** If etcd rejects the token, another attempt with a new token follows. */
    readonly can_survive_rejection: boolean;
    /** Bytes of the response body; written by the transport. */
    received: number;
    /** Why the attempt failed. */
    failure?: Failure;
}

/** What failed. */
type FailureKind =
    /** No connection, or no TLS session. */
    | "connect"
    /** No response within the time given. */
    | "timeout"
    /** The connection broke. */
    | "lost"
    /** The stream ended, or was closed by its user. */
    | "closed"
    /** The response violates the protocol. */
    | "malformed"
    /** The response is complete, but is no message of the RPC. */
    | "undecodable"
    /** The response is longer, or has more values, than the client accepts. */
    | "too_large"
    /** The configuration of the client, such as its certificate: all endpoints would fail alike. */
    | "config"
    /** The URL of the endpoint is invalid. */
    | "url"
    /** The phase of nginx has no sockets. */
    | "phase"
    /** Too many requests wait to be sent, and this one was rejected. */
    | "full";

/** A failure other than an error of the server. */
interface LocalFailure {
    readonly kind: FailureKind;
    /** The cause, without the endpoint. */
    readonly text: string;
    /**
     * False if the server has provably not processed the request: no byte of it was sent, or the server said so (as HTTP/2
     * does with GOAWAY and REFUSED_STREAM). Such a request can always be sent again.
     */
    readonly sent: boolean;
    /** The server closed the connection. */
    readonly is_closed_by_server: boolean;
    /** There is no TLS session, or the server has ended it with an alert. */
    is_tls?: true;
    /** The platform has ignored the option `trusted_ca` of the client. */
    is_ca_ignored?: true;
    /** HTTP status of an undecodable or too long response. */
    http_status?: number;
}

/** An error that the server returned. */
interface StatusFailure {
    readonly kind: "status";
    readonly text: string;
    readonly http_status: number;
    /** gRPC status code; nil if the response contains none. */
    readonly code: number | undefined;
    /** The error response; nil if the error is a message of a stream. */
    readonly reply: Reply | undefined;
}

/** Why an attempt failed, as data. `call/` decides whether it is retried. */
type Failure = LocalFailure | StatusFailure;

/** The messages of a stream, one by one. */
interface Stream {
    /** The endpoint, as configured. */
    readonly endpoint: string;
    /**
     * Returns the next message.
     * @param timeout seconds without a byte after which it returns an error; nil waits without limit
     * @returns the message; or nil and an error, `closed` at a normal end. After the end it returns the same error again
     */
    recv(timeout: number | undefined): Result<Message, EtcdError>;
    /** Returns the next message and keeps it for `recv`. Returns nil after an error, which `recv` returns. */
    peek(timeout: number | undefined): Message | undefined;
    /** Returns a message that has arrived already, or nil. */
    try_recv(): Message | undefined;
    /** Returns the time at which the last byte arrived, by `clock.now`. */
    last_received_at(): number;
    /** Lets `close` end the stream while another light thread waits in `recv`, at the cost of periodic wake-ups. */
    allow_cancel(): void;
    /** Lets `recv` end the stream when the worker is exiting, at the cost of wake-ups every few seconds. */
    end_at_exit(): void;
    /** Ends the stream. */
    close(): void;
}

/** The interface between calls, whose messages are plain tables, and a wire format. */
interface Transport {
    /** Digest of what decides which server is reached, besides its address, and what it answers: TLS and header fields. */
    readonly identity: string;
    /**
     * Encodes a request, once for all attempts.
     * @returns the payload; or nil and what is wrong with the request
     */
    encode(rpc: Rpc, request: Message): Result<string>;
    unary(rpc: Rpc, payload: string, attempt: Attempt): Result<Reply, Failure>;
    open(rpc: Rpc, payload: string, attempt: Attempt): Result<Stream, Failure>;
    /** Frees what the transport holds. */
    close(): void;
}

export type {
    Attempt,
    AttemptProgress,
    Failure,
    FailureKind,
    Headers,
    LocalFailure,
    Reply,
    RequestContext,
    StatusFailure,
    Stream,
    Transport,
};
