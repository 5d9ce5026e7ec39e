import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Message } from "../protocol/message";
import type { Rpc, Semantics } from "../protocol/rpc";

/** Header fields by name, as they came. */
type Headers = LuaMap<string, string>;

/** What belongs to one request. Times are those of `clock.now`. */
interface RequestContext {
    /** The request can be sent again if a pooled connection turns out to be dead. */
    readonly is_repeatable: boolean;
    readonly token: string | undefined;
    /** `unix:/path` to connect to instead, while something answers there. */
    readonly unix_proxy: string | undefined;
    readonly started: number;
    /** nil leaves the time to nginx's own socket timeouts. */
    readonly deadline: number | undefined;
    /** The connection must stand by then. */
    readonly connect_deadline: number | undefined;
    /** And its TLS session by then. */
    readonly handshake_deadline: number | undefined;
    /** The server is told how much time there is, so that it gives up a little earlier by itself. */
    readonly send_timeout_header: boolean;
    /** The server ends the stream when its member has lost the leader. */
    readonly require_leader: boolean;
}

/** What an RPC was answered with. */
interface Reply {
    /** HTTP status; 200 where the wire has none. */
    readonly status: number;
    readonly headers: Headers;
    body: Message;
}

/** One go at a call. */
interface Attempt extends RequestContext {
    readonly endpoint: Endpoint;
    readonly semantics: Semantics;
    /** If etcd refuses the token, there will be another attempt with a new one. */
    readonly may_relogin: boolean;
    /** Bytes of the answer's body; for the transport to tell. */
    received: number;
}

/** Messages of a stream, one by one. */
interface Stream {
    /** Where it comes from, as configured. */
    readonly endpoint: string;
    /**
     * The next message.
     * @param timeout seconds without a byte after which it gives up; nil waits for ever
     * @returns the message; or nil and an error, `closed` at a normal end. It keeps answering its last error
     */
    recv(timeout: number | undefined): Result<Message, EtcdError>;
    /** The next message, without taking it: `recv` will give it. An error is nil here, and `recv`'s to give. */
    peek(timeout: number | undefined): Message | undefined;
    /** A message that has arrived already, nil if none has. */
    try_recv(): Message | undefined;
    /** When the last byte arrived, by `clock.now`. */
    last_received_at(): number;
    /** Lets `close` end the stream while another light thread waits in `recv`, at the cost of waking up for it. */
    allow_cancel(): void;
    /** Ends the stream. */
    close(): void;
}

/** A way to reach etcd: the seam between calls and wires. */
interface Transport {
    /**
     * Encodes a request, once for all attempts.
     * @returns the payload; or nil and what is wrong with the request
     */
    encode(rpc: Rpc, request: Message): Result<string>;
    /** On an error answer of the server the reply, if there is one, is the third value. */
    unary(
        rpc: Rpc,
        payload: string,
        attempt: Attempt,
    ): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: EtcdError, refusal?: Reply]>;
    open(
        rpc: Rpc,
        payload: string,
        attempt: Attempt,
    ): LuaMultiReturn<[stream: Stream, err?: undefined] | [stream: undefined, err: EtcdError, refusal?: Reply]>;
    /** Frees what the transport holds. */
    close(): void;
}

export type { Attempt, RequestContext, Headers, Reply, Stream, Transport };
