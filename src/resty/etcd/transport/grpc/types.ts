import type { Message } from "../../protocol/message";
import type { MessageType } from "../../protocol/schema";
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

export type { Codec, CodecOf, Decode, Encode, Failure, FrameHandler, FrameParser, OpenBlock };
