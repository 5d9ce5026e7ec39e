/** Parses the payloads of frames, by type. */
import * as frames from "./frames";
import * as http2_errors from "./http2_error";
import type { ConnectionError } from "./http2_error";
import { ErrorCode } from "./http2_error";
import { Flag, FrameType, Setting } from "./frames";
import type { Failure, FrameParser, OpenBlock } from "./types";

const byte = string.byte;
const concat = table.concat;
const floor = math.floor;
const read_uint32 = frames.read_uint32;
const sub = string.sub;

const MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE;
const MAX_31_BITS = frames.MAX_31_BITS;

/** Bytes of a header block in all its frames. */
const MAX_BLOCK_SIZE = 64 * 1024;

/** CONTINUATION frames of a header block: a limit for those that are empty. */
const MAX_CONTINUATIONS = 16;

/** Parses the payload of a frame, which is `s` from `from` to `last`. Without a table, as this runs for each frame. */
type Parse = (
    this: void,
    parser: FrameParser,
    s: string,
    from: number,
    last: number,
    flags: number,
    stream_id: number,
) => Failure;

function protocol_error(text: string): ConnectionError {
    return http2_errors.new(ErrorCode.PROTOCOL_ERROR, text);
}

function frame_size_error(text: string): ConnectionError {
    return http2_errors.new(ErrorCode.FRAME_SIZE_ERROR, text);
}

const has_flag = (flags: number, flag: number): boolean => floor(flags / flag) % 2 === 1;

/** Returns the positions of a payload without its padding, or nil if the padding is too long. */
function without_padding(
    s: string,
    from: number,
    last: number,
    flags: number,
): LuaMultiReturn<[start: number | undefined, stop: number]> {
    if (!has_flag(flags, Flag.PADDED)) {
        return $multi(from, last);
    }
    if (from > last) {
        return $multi(undefined, 0);
    }
    const stop = last - byte(s, from);
    return $multi(stop >= from ? from + 1 : undefined, stop);
}

function parse_data(
    parser: FrameParser,
    s: string,
    from: number,
    last: number,
    flags: number,
    stream_id: number,
): Failure {
    const [start, stop] = without_padding(s, from, last, flags);
    if (start === undefined) {
        return protocol_error("DATA frame with too much padding");
    }
    const is_end = has_flag(flags, Flag.END_STREAM);
    return parser.handler.on_data(stream_id, s, start, stop, last - from + 1, is_end);
}

/** Adds a piece to the open header block, and passes the block on if it is complete. */
function add_to_block(parser: FrameParser, block: OpenBlock, piece: string, is_complete: boolean): Failure {
    block.parts.push(piece);
    block.size = block.size + piece.length;
    if (block.size > MAX_BLOCK_SIZE || block.parts.length > MAX_CONTINUATIONS + 1) {
        return http2_errors.new(ErrorCode.ENHANCE_YOUR_CALM, "header block too long");
    }
    if (!is_complete) {
        parser.block = block;
        return undefined;
    }
    parser.block = undefined;
    return parser.handler.on_headers(block.stream_id, concat(block.parts), block.is_end);
}

function parse_headers(
    parser: FrameParser,
    s: string,
    from: number,
    last: number,
    flags: number,
    stream_id: number,
): Failure {
    const [start, stop] = without_padding(s, from, last, flags);
    if (start === undefined) {
        return protocol_error("HEADERS frame with too much padding");
    }
    const first = has_flag(flags, Flag.PRIORITY) ? start + 5 : start;
    if (first > stop + 1) {
        return frame_size_error("HEADERS frame without room for its priority");
    }
    const is_end = has_flag(flags, Flag.END_STREAM);
    if (has_flag(flags, Flag.END_HEADERS)) {
        return parser.handler.on_headers(stream_id, sub(s, first, stop), is_end);
    }
    const block = { stream_id: stream_id, is_end, parts: [], size: 0 };
    return add_to_block(parser, block, sub(s, first, stop), false);
}

function parse_continuation(parser: FrameParser, s: string, from: number, last: number, flags: number): Failure {
    const block = parser.block;
    if (block === undefined) {
        return protocol_error("CONTINUATION frame without header block");
    }
    const piece = sub(s, from, last);
    return add_to_block(parser, block, piece, has_flag(flags, Flag.END_HEADERS));
}

function parse_priority(
    parser: FrameParser,
    _s: string,
    from: number,
    last: number,
    _flags: number,
    stream_id: number,
): Failure {
    if (last - from + 1 !== 5) {
        return parser.handler.on_stream_error(stream_id, ErrorCode.FRAME_SIZE_ERROR);
    }
    return undefined;
}

function parse_rst_stream(
    parser: FrameParser,
    s: string,
    from: number,
    last: number,
    _flags: number,
    stream_id: number,
): Failure {
    if (last - from + 1 !== 4) {
        return frame_size_error("RST_STREAM frame of wrong size");
    }
    return parser.handler.on_rst_stream(stream_id, read_uint32(s, from));
}

/** Returns an error for a setting that a server must not send. */
function check_setting(setting: number, value: number): Failure {
    if (setting === Setting.ENABLE_PUSH && value !== 0) {
        return protocol_error("SETTINGS_ENABLE_PUSH from a server");
    }
    if (setting === Setting.INITIAL_WINDOW_SIZE && value > MAX_31_BITS) {
        return http2_errors.new(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE too large");
    }
    const is_frame_size = value >= MAX_FRAME_SIZE && value <= frames.MAX_MAX_FRAME_SIZE;
    if (setting === Setting.MAX_FRAME_SIZE && !is_frame_size) {
        return protocol_error("SETTINGS_MAX_FRAME_SIZE out of range");
    }
    return undefined;
}

function parse_settings(parser: FrameParser, s: string, from: number, last: number, flags: number): Failure {
    const length = last - from + 1;
    const is_ack = has_flag(flags, frames.ACK);
    if (length % 6 !== 0 || (is_ack && length > 0)) {
        return frame_size_error("SETTINGS frame of wrong size");
    }
    if (is_ack) {
        return parser.handler.on_settings_ack();
    }
    const values = new LuaMap<number, number>();
    for (const i of $range(from, last, 6)) {
        const setting = byte(s, i) * 256 + byte(s, i + 1);
        const value = read_uint32(s, i + 2);
        const failure = check_setting(setting, value);
        if (failure !== undefined) {
            return failure;
        }
        values.set(setting, value);
    }
    return parser.handler.on_settings(values);
}

function parse_push_promise(): Failure {
    return protocol_error("PUSH_PROMISE frame although push is disabled");
}

function parse_ping(parser: FrameParser, s: string, from: number, last: number, flags: number): Failure {
    if (last - from + 1 !== 8) {
        return frame_size_error("PING frame of wrong size");
    }
    const payload = sub(s, from, last);
    if (has_flag(flags, frames.ACK)) {
        return parser.handler.on_ping_ack(payload);
    }
    return parser.handler.on_ping(payload);
}

function parse_goaway(parser: FrameParser, s: string, from: number, last: number): Failure {
    if (last - from + 1 < 8) {
        return frame_size_error("GOAWAY frame of wrong size");
    }
    const last_stream_id = read_uint32(s, from) % 2 ** 31;
    const code = read_uint32(s, from + 4);
    return parser.handler.on_goaway(last_stream_id, code, sub(s, from + 8, last));
}

function parse_window_update(
    parser: FrameParser,
    s: string,
    from: number,
    last: number,
    _flags: number,
    stream_id: number,
): Failure {
    if (last - from + 1 !== 4) {
        return frame_size_error("WINDOW_UPDATE frame of wrong size");
    }
    const increment = read_uint32(s, from) % 2 ** 31;
    if (increment > 0) {
        return parser.handler.on_window_update(stream_id, increment);
    }
    if (stream_id === 0) {
        return protocol_error("WINDOW_UPDATE frame without increment");
    }
    return parser.handler.on_stream_error(stream_id, ErrorCode.PROTOCOL_ERROR);
}

const parsers = new LuaMap<number, Parse>();
parsers.set(FrameType.DATA, parse_data);
parsers.set(FrameType.HEADERS, parse_headers);
parsers.set(FrameType.PRIORITY, parse_priority);
parsers.set(FrameType.RST_STREAM, parse_rst_stream);
parsers.set(FrameType.SETTINGS, parse_settings);
parsers.set(FrameType.PUSH_PROMISE, parse_push_promise);
parsers.set(FrameType.PING, parse_ping);
parsers.set(FrameType.GOAWAY, parse_goaway);
parsers.set(FrameType.WINDOW_UPDATE, parse_window_update);
parsers.set(FrameType.CONTINUATION, parse_continuation);

export { frame_size_error, has_flag, parsers, protocol_error };
