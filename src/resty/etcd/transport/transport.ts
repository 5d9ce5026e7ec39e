import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Message } from "../protocol/message";
import type { Rpc, Semantics } from "../protocol/rpc";

/** Header fields by name, spelled as they were received. */
type Headers = LuaMap<string, string>;

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
    /** Tell the server how much time is left, so that it returns its own error a little earlier. */
    readonly send_timeout_header: boolean;
    /** The server ends the stream when its member has no leader. */
    readonly require_leader: boolean;
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
    readonly semantics: Semantics;
    /** If etcd rejects the token, another attempt with a new token follows. */
    readonly may_relogin: boolean;
    /** Bytes of the response body; written by the transport. */
    received: number;
}

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
    /** Ends the stream. */
    close(): void;
}

/** A way to reach etcd: messages as plain tables above, a wire format below. */
interface Transport {
    /**
     * Encodes a request, once for all attempts.
     * @returns the payload; or nil and what is wrong with the request
     */
    encode(rpc: Rpc, request: Message): Result<string>;
    /** If the server returned an error response, that is the third value. */
    unary(
        rpc: Rpc,
        payload: string,
        attempt: Attempt,
    ): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: EtcdError, error_reply?: Reply]>;
    open(
        rpc: Rpc,
        payload: string,
        attempt: Attempt,
    ): LuaMultiReturn<[stream: Stream, err?: undefined] | [stream: undefined, err: EtcdError, error_reply?: Reply]>;
    /** Frees what the transport holds. */
    close(): void;
}

export type { Attempt, RequestContext, Headers, Reply, Stream, Transport };
