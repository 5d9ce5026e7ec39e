import type { Message } from "../../protocol/message";
import type { MessageType } from "../../protocol/schema";
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
     */
    on_data(s: string, from: number, last: number): void;
    /** Receives the end. No other method is called after it. */
    on_close(end: StreamEnd): void;
}

/** A request and its response on a connection. */
interface Stream {
    readonly listener: StreamListener;
    readonly block: string;
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

export type {
    Codec,
    CodecOf,
    Decode,
    Encode,
    Failure,
    FrameHandler,
    FrameParser,
    OpenBlock,
    Queue,
    Session,
    Stream,
    StreamEnd,
    StreamListener,
};
