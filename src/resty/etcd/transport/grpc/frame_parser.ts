/**
 * Parses the frames that a server sends, from chunks of any sizes. A rule of RFC 9113 that is broken is an error of the
 * connection, with the code that the standard gives; what depends on the state of streams is the handler's business.
 */
import * as frame_payloads from "./frame_payload";
import * as frames from "./frames";
import { FrameType } from "./frames";
import type { Failure, FrameHandler, FrameParser } from "./types";

const byte = string.byte;
const concat = table.concat;
const format = string.format;
const frame_size_error = frame_payloads.frame_size_error;
const has_flag = frame_payloads.has_flag;
const parsers = frame_payloads.parsers;
const protocol_error = frame_payloads.protocol_error;
const read_uint32 = frames.read_uint32;
const sub = string.sub;

const HEADER_LENGTH = frames.HEADER_LENGTH;
const MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE;

/** First byte of an alert of TLS, which is shorter than a frame. No frame that large is valid. */
const TLS_ALERT = 21;

function create(handler: FrameHandler): FrameParser {
    return {
        handler,
        parts: [],
        buffered: 0,
        needed: HEADER_LENGTH,
        has_settings: false,
        block: undefined,
        failure: undefined,
    };
}

/** Reports whether frames of a type belong to the connection (true), to a stream (false), or to either (nil). */
const of_connection = new LuaMap<number, boolean>();
of_connection.set(FrameType.SETTINGS, true);
of_connection.set(FrameType.PING, true);
of_connection.set(FrameType.GOAWAY, true);
for (const frame_type of [
    FrameType.DATA,
    FrameType.HEADERS,
    FrameType.PRIORITY,
    FrameType.RST_STREAM,
    FrameType.PUSH_PROMISE,
    FrameType.CONTINUATION,
]) {
    of_connection.set(frame_type, false);
}

/** Returns an error if the frame cannot occur here. */
function check_header(parser: FrameParser, frame_type: number, stream_id: number, flags: number): Failure {
    if (!parser.has_settings) {
        if (frame_type !== FrameType.SETTINGS || has_flag(flags, frames.ACK)) {
            return protocol_error("first frame is not SETTINGS");
        }
        parser.has_settings = true;
    }
    const block = parser.block;
    if (block !== undefined && (frame_type !== FrameType.CONTINUATION || stream_id !== block.stream_id)) {
        return protocol_error("frame within a header block");
    }
    const belongs = of_connection.get(frame_type);
    if (belongs !== undefined && belongs !== (stream_id === 0)) {
        return protocol_error(format("frame of type %d on stream %d", frame_type, stream_id));
    }
    // servers open streams, which have even IDs, only by PUSH_PROMISE
    if (stream_id % 2 === 0 && stream_id > 0 && parsers.has(frame_type)) {
        return protocol_error("frame on a stream of the server");
    }
    return undefined;
}

/**
 * Parses the frame at a position.
 * @returns the position after it, nil if it is incomplete or an error was found
 */
function parse_frame(parser: FrameParser, s: string, at: number): number | undefined {
    const available = s.length - at + 1;
    if (!parser.has_settings && available > 0 && byte(s, at) === TLS_ALERT) {
        parser.failure = protocol_error("the server answers in TLS");
        return undefined;
    }
    if (available < HEADER_LENGTH) {
        parser.needed = HEADER_LENGTH;
        return undefined;
    }
    const length = byte(s, at) * 65536 + byte(s, at + 1) * 256 + byte(s, at + 2);
    if (length > MAX_FRAME_SIZE) {
        const is_http1 = !parser.has_settings && sub(s, at, at + 4) === "HTTP/";
        parser.failure = is_http1
            ? protocol_error("the server answers in HTTP/1")
            : frame_size_error("frame larger than the limit");
        return undefined;
    }
    if (available < HEADER_LENGTH + length) {
        parser.needed = HEADER_LENGTH + length;
        return undefined;
    }
    const frame_type = byte(s, at + 3);
    const flags = byte(s, at + 4);
    const stream_id = read_uint32(s, at + 5) % 2 ** 31;
    const from = at + HEADER_LENGTH;
    const last = from + length - 1;
    let failure = check_header(parser, frame_type, stream_id, flags);
    if (failure === undefined) {
        const parse = parsers.get(frame_type);
        if (parse !== undefined) {
            failure = parse(parser, s, from, last, flags, stream_id);
        }
    }
    parser.failure = failure;
    return failure === undefined ? last + 1 : undefined;
}

/** Keeps the bytes of an incomplete frame. Returns the error that ended the parsing. */
function keep_rest(parser: FrameParser, rest: string): Failure {
    if (rest !== "" || parser.buffered > 0) {
        parser.parts = [rest];
    }
    parser.buffered = rest.length;
    return parser.failure;
}

/**
 * Parses the frames that are complete with the next bytes, and keeps the rest.
 * @returns an error of the connection, also at each later call
 */
function feed(parser: FrameParser, chunk: string): Failure {
    if (parser.failure !== undefined) {
        return parser.failure;
    }
    let s = chunk;
    if (parser.buffered > 0) {
        parser.parts.push(chunk);
        parser.buffered = parser.buffered + chunk.length;
        if (parser.buffered < parser.needed) {
            return undefined;
        }
        s = concat(parser.parts);
    }
    let at = 1;
    while (true) {
        const next_at = parse_frame(parser, s, at);
        if (next_at === undefined) {
            break;
        }
        at = next_at;
    }
    return keep_rest(parser, sub(s, at));
}

export { create as new, feed };
