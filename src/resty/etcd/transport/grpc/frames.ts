/** Frames of HTTP/2 (RFC 9113): types, flags, settings, and the bytes of those that a client sends. */

const byte = string.byte;
const char = string.char;
const concat = table.concat;
const floor = math.floor;
const min = math.min;
const sub = string.sub;

const enum FrameType {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PUSH_PROMISE = 5,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
}

const enum Flag {
    END_STREAM = 1,
    END_HEADERS = 4,
    PADDED = 8,
    PRIORITY = 32,
}

/** Flag of SETTINGS and PING; for other frames, this bit is `Flag.END_STREAM`. */
const ACK = 1;

const enum Setting {
    HEADER_TABLE_SIZE = 1,
    ENABLE_PUSH = 2,
    MAX_CONCURRENT_STREAMS = 3,
    INITIAL_WINDOW_SIZE = 4,
    MAX_FRAME_SIZE = 5,
    MAX_HEADER_LIST_SIZE = 6,
}

/** Starts a connection, before the client's SETTINGS. */
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Bytes before each frame's payload. */
const HEADER_LENGTH = 9;

/** Largest payload in bytes that each peer must accept. The driver never raises it, so it bounds what is buffered. */
const MIN_MAX_FRAME_SIZE = 16384;

/** Largest payload in bytes that a peer can allow. */
const MAX_MAX_FRAME_SIZE = 16777215;

/** Bytes that both sides can send before the first WINDOW_UPDATE, unless a setting says otherwise. */
const DEFAULT_WINDOW = 65535;

/** Largest flow control window, increment and stream ID. */
const MAX_31_BITS = 2 ** 31 - 1;

/** Returns the four bytes of an integer. */
function encode_uint32(n: number): string {
    return char(floor(n / 16777216) % 256, floor(n / 65536) % 256, floor(n / 256) % 256, n % 256);
}

/** Reads an integer of four bytes. */
function read_uint32(s: string, at: number): number {
    return byte(s, at) * 16777216 + byte(s, at + 1) * 65536 + byte(s, at + 2) * 256 + byte(s, at + 3);
}

/** Returns the header of a frame. */
function encode_header(length: number, frame_type: FrameType, flags: number, stream_id: number): string {
    return char(
        floor(length / 65536),
        floor(length / 256) % 256,
        length % 256,
        frame_type,
        flags,
        floor(stream_id / 16777216),
        floor(stream_id / 65536) % 256,
        floor(stream_id / 256) % 256,
        stream_id % 256,
    );
}

/** @param values pairs of a setting and its value */
function settings(values: readonly (readonly [Setting, number])[]): string {
    const parts: string[] = [];
    for (const [setting, value] of values) {
        parts.push(char(0, setting) + encode_uint32(value));
    }
    return encode_header(parts.length * 6, FrameType.SETTINGS, 0, 0) + concat(parts);
}

const SETTINGS_ACK = encode_header(0, FrameType.SETTINGS, ACK, 0);

/**
 * Returns the frames of a header block: HEADERS, and CONTINUATION for a block that is longer than a frame. Nothing else
 * can be sent in between.
 */
function headers(stream_id: number, block: string, is_end_of_stream: boolean): string {
    const length = block.length;
    const end_stream = is_end_of_stream ? Flag.END_STREAM : 0;
    if (length <= MIN_MAX_FRAME_SIZE) {
        return encode_header(length, FrameType.HEADERS, Flag.END_HEADERS + end_stream, stream_id) + block;
    }
    const parts: string[] = [];
    let at = 0;
    while (at < length) {
        const size = min(length - at, MIN_MAX_FRAME_SIZE);
        const flags = (at === 0 ? end_stream : 0) + (at + size === length ? Flag.END_HEADERS : 0);
        const frame_type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
        parts.push(encode_header(size, frame_type, flags, stream_id) + sub(block, at + 1, at + size));
        at = at + size;
    }
    return concat(parts);
}

/** @param bytes at most as many as the frame size and the windows of the peer allow */
function data(stream_id: number, bytes: string, is_end_of_stream: boolean): string {
    return encode_header(bytes.length, FrameType.DATA, is_end_of_stream ? Flag.END_STREAM : 0, stream_id) + bytes;
}

function rst_stream(stream_id: number, code: number): string {
    return encode_header(4, FrameType.RST_STREAM, 0, stream_id) + encode_uint32(code);
}

/** @param payload 8 bytes */
function ping(payload: string, is_ack: boolean): string {
    return encode_header(8, FrameType.PING, is_ack ? ACK : 0, 0) + payload;
}

function goaway(last_stream_id: number, code: number, text: string): string {
    const payload = encode_uint32(last_stream_id) + encode_uint32(code) + text;
    return encode_header(payload.length, FrameType.GOAWAY, 0, 0) + payload;
}

/** @param stream_id 0 for the connection */
function window_update(stream_id: number, increment: number): string {
    return encode_header(4, FrameType.WINDOW_UPDATE, 0, stream_id) + encode_uint32(increment);
}

export {
    ACK,
    DEFAULT_WINDOW,
    Flag,
    FrameType,
    HEADER_LENGTH,
    MAX_31_BITS,
    MAX_MAX_FRAME_SIZE,
    MIN_MAX_FRAME_SIZE,
    PREFACE,
    SETTINGS_ACK,
    Setting,
    data,
    goaway,
    headers,
    ping,
    read_uint32,
    rst_stream,
    settings,
    window_update,
};
