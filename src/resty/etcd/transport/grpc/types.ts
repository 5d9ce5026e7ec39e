import type { Semaphore } from "ngx.semaphore";
import type { TimerLoop } from "../../base/timer_loop";
import type { Message } from "../../protocol/message";
import type { MessageType } from "../../protocol/schema";
import type { Fault } from "../fault";
import type { Headers } from "../transport";
import type { Decoder } from "./hpack";
import type { ConnectionError } from "./http2_error";

/**
 * Decodes the message at `from` to `stop` of a string.
 * @param depth number of messages around this one
 * @param into message that the fields are merged into
 * @returns the message; or nil and the name of the malformed field, if it is known
 */
type Decode = (
    this: void,
    s: string,
    from: number,
    stop: number,
    depth: number,
    into?: Message,
) => LuaMultiReturn<[message: Message | undefined, bad?: string | undefined]>;

/**
 * Appends the pieces of an encoded message to an array.
 * @param out pieces, of which `n` are in use
 * @param depth number of messages around this one
 * @returns the number of pieces in use, and the bytes that were appended; or nil and what is wrong with the message
 */
type Encode = (
    this: void,
    fields: unknown,
    out: string[],
    n: number,
    depth: number,
) => LuaMultiReturn<[n: number, size: number] | [n: undefined, problem: string]>;

/** The functions of a message type. They are compiled at their first call. */
interface Codec {
    readonly message: MessageType;
    decode: Decode;
    encode: Encode;
}

/** Returns the codec of a message type. */
type CodecOf = (this: void, message: MessageType) => Codec;

/** An error of the connection; nil if there is none. */
type Failure = ConnectionError | undefined;

/** Receives what the parser finds. A handler that returns an error ends the parsing. */
interface FrameHandler {
    /**
     * Receives the payload of a DATA frame, which is `s` from `from` to `last`.
     * @param flow_size bytes that count for flow control, padding included
     */
    on_data(stream_id: number, s: string, from: number, last: number, flow_size: number, is_end: boolean): Failure;
    /** Receives a complete header block. */
    on_headers(stream_id: number, block: string, is_end: boolean): Failure;
    on_rst_stream(stream_id: number, code: number): Failure;
    /** Receives settings whose values are valid. */
    on_settings(values: LuaMap<number, number>): Failure;
    on_settings_ack(): Failure;
    on_ping(payload: string): Failure;
    on_ping_ack(payload: string): Failure;
    on_goaway(last_stream_id: number, code: number, text: string): Failure;
    /** @param stream_id 0 for the connection */
    on_window_update(stream_id: number, increment: number): Failure;
    /** Receives an error that concerns one stream. */
    on_stream_error(stream_id: number, code: number): Failure;
}

/** A header block whose end has not arrived. */
interface OpenBlock {
    readonly stream_id: number;
    readonly is_end: boolean;
    readonly parts: string[];
    size: number;
}

interface FrameParser {
    readonly handler: FrameHandler;
    /** Bytes of an incomplete frame. */
    parts: string[];
    buffered: number;
    /** Buffered bytes at which parsing can continue. */
    needed: number;
    has_settings: boolean;
    block: OpenBlock | undefined;
    failure: Failure;
}

/** How a stream ended. */
interface StreamEnd {
    /** The server ended it, reset it, or broke a rule; the driver canceled it; or the connection ended before. */
    readonly kind: "complete" | "reset" | "malformed" | "canceled" | "lost";
    /** Error code of HTTP/2; 0 if there is none. */
    readonly code: number;
    /** The server has provably not processed the request: sending it again is safe, even for a write. */
    readonly is_unprocessed: boolean;
}

/** The owner of a stream. Its methods must not yield. */
interface StreamListener {
    /** Receives the response's headers, or its trailers. */
    on_headers(headers: Headers, is_trailers: boolean): void;
    /**
     * Receives data, which are `s` from `from` to `last`. They count against the stream's window until `session.consume`.
     * @returns what is wrong with them: the stream is then reset
     */
    on_data(s: string, from: number, last: number): Problem;
    /** Receives the end. No other method is called after it. */
    on_close(end: StreamEnd): void;
    /**
     * Reports whether the user of the stream no longer exists, or must not have it any more. Called regularly.
     * @param time now
     * @param is_exiting the worker is exiting
     * @param is_moving the connection has to end soon, and another one replaces it
     */
    is_obsolete(time: number, is_exiting: boolean, is_moving: boolean): boolean;
}

/** A request and its response on a connection. */
interface Stream {
    readonly listener: StreamListener;
    block: string;
    /** 0 until the request's headers are in the output. */
    id: number;
    is_closed: boolean;
    has_headers: boolean;
    /** Body that is not in the output yet, from `pending_at`. */
    pending: string;
    pending_at: number;
    /** No body follows the pending one. */
    is_ending: boolean;
    /** END_STREAM is in the output. */
    has_ended: boolean;
    is_queued: boolean;
    /** Bytes that the server accepts; negative after a setting has reduced the window. */
    send_window: number;
    /** Bytes that the server can still send, and those consumed but not granted again. */
    receive_window: number;
    consumed: number;
}

/** First in, first out. */
interface Queue<T> {
    readonly items: LuaMap<number, T>;
    first: number;
    last: number;
}

/** A connection without its socket. */
interface Session extends FrameHandler {
    parser: FrameParser;
    readonly decoder: Decoder;
    /** Streams whose headers are in the output, by ID. */
    readonly streams: LuaMap<number, Stream>;
    active: number;
    next_id: number;
    /** Frames that the next output starts with. */
    out: string[];
    out_size: number;
    /** Streams that wait for the server's limit of concurrent streams. */
    readonly waiting: Queue<Stream>;
    /** Streams in `waiting` that are not closed. */
    waiting_count: number;
    /** Streams with a body: those whose body fits into a frame, and the others. */
    readonly small: Queue<Stream>;
    readonly large: Queue<Stream>;
    /** Frames of small bodies since the last one of a large body. */
    small_in_a_row: number;
    /** Bytes of blocks and bodies that are not in the output. */
    queued_bytes: number;
    /** The server's settings have arrived. */
    is_ready: boolean;
    /** The connection accepts no further streams. */
    is_draining: boolean;
    goaway_code: number | undefined;
    max_streams: number;
    initial_send_window: number;
    send_window: number;
    receive_window: number;
    /** PINGs of the driver without an answer. */
    pings: number;
}

/** A server. What is known of it outlasts its connections. */
interface Peer {
    /** Address and port, or the path of a unix socket. */
    readonly name: string;
    readonly host: string;
    readonly port: number | undefined;
    /** The connection of the next calls; nil if they have to dial. */
    connection: Connection | undefined;
    /** Connections in a row that have ended before the server's SETTINGS. */
    failures: number;
    /** No connection before that time. */
    next_dial_at: number;
    /** Why the last of these connections has ended. */
    last_fault: Fault | undefined;
    /** Seconds without a byte after which a connection with streams sends PING. */
    ping_interval: number;
}

/** A connection: its session, its socket and the light threads that serve them. */
interface Connection {
    readonly peer: Peer;
    readonly session: Session;
    /** Nil until it is created, at the end of the construction. */
    loop: TimerLoop;
    /** Wakes the owner. */
    readonly owner: Semaphore;
    /** Wakes the light thread that sends. */
    readonly writer: Semaphore;
    /** The writer has been woken, and has not looked for output since. */
    is_writer_awake: boolean;
    sock: ngx.socket.Tcp | undefined;
    /** Why it ends; nil while it lasts. */
    fault: Fault | undefined;
    /** Its owner has begun to serve it. */
    has_run: boolean;
    /** Streams were open at the last check. */
    is_busy: boolean;
    busy_since: number;
    /** When streams were last open, and the next stream ID of that time. */
    idle_since: number;
    last_id: number;
    dialed_at: number;
    /** When the last byte arrived, and when the last PING was sent. */
    received_at: number;
    pinged_at: number;
    /** The interval of PINGs has been doubled because of this connection. */
    has_heeded: boolean;
}

/** A request, and the light thread that waits for its response. */
interface Exchange {
    connection: Connection;
    stream: Stream;
    /** Wakes the light thread. */
    readonly signal: Semaphore;
    is_waiting: boolean;
}

export type {
    Codec,
    CodecOf,
    Connection,
    Decode,
    Encode,
    Exchange,
    Failure,
    FrameHandler,
    FrameParser,
    OpenBlock,
    Peer,
    Queue,
    Session,
    Stream,
    StreamEnd,
    StreamListener,
};
