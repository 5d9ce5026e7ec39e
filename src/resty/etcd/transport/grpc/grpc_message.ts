/** Messages of gRPC in the data of a stream: each follows a prefix of five bytes, and ends wherever a frame ends. */
import * as frames from "./frames";

const byte = string.byte;
const char = string.char;
const concat = table.concat;
const floor = math.floor;
const read_uint32 = frames.read_uint32;
const sub = string.sub;

/** Bytes before each message: a flag, and the length of the message. */
const PREFIX_LENGTH = 5;

/** Largest message in bytes that is accepted, as on the gateway. The prefix can promise 4 GiB. */
const MAX_SIZE = 512 * 1024 * 1024;

/** Receives messages. */
interface MessageSink {
    /**
     * Receives a message, which is `s` from `from` to `last`. Must not yield.
     * @returns what is wrong with it
     */
    on_message(s: string, from: number, last: number): Problem;
}

/** The messages of one stream. */
interface MessageReader {
    readonly sink: MessageSink;
    /** Bytes of an incomplete message, with its prefix. */
    parts: string[] | undefined;
    buffered: number;
    /** Buffered bytes at which reading can continue. */
    needed: number;
}

function create(sink: MessageSink): MessageReader {
    return { sink, parts: undefined, buffered: 0, needed: PREFIX_LENGTH };
}

/** Makes a reader ready for another stream. */
function reset(reader: MessageReader): void {
    reader.parts = undefined;
    reader.buffered = 0;
    reader.needed = PREFIX_LENGTH;
}

/** Returns a message with its prefix. */
function encode(message: string): string {
    const size = message.length;
    const prefix = char(0, floor(size / 16777216), floor(size / 65536) % 256, floor(size / 256) % 256, size % 256);
    return prefix + message;
}

/** Reads the messages that are complete, and keeps the rest. */
function read(reader: MessageReader, s: string, from: number, last: number): Problem {
    let at = from;
    let needed = PREFIX_LENGTH;
    while (last - at + 1 >= PREFIX_LENGTH) {
        if (byte(s, at) !== 0) {
            return "malformed reply: compressed message, although no compression was accepted";
        }
        const size = read_uint32(s, at + 1);
        if (size > MAX_SIZE) {
            return `malformed reply: message of ${size} bytes, more than ${MAX_SIZE}`;
        }
        const stop = at + PREFIX_LENGTH + size - 1;
        if (stop > last) {
            needed = PREFIX_LENGTH + size;
            break;
        }
        const problem = reader.sink.on_message(s, at + PREFIX_LENGTH, stop);
        if (problem !== undefined) {
            return problem;
        }
        at = stop + 1;
    }
    reader.needed = needed;
    if (at <= last) {
        reader.parts = [sub(s, at, last)];
        reader.buffered = last - at + 1;
    }
    return undefined;
}

/**
 * Takes data, which are `s` from `from` to `last`, and passes the messages that are complete to the sink.
 * @returns what is wrong with the data; the reader must not be used again then
 */
function feed(reader: MessageReader, s: string, from: number, last: number): Problem {
    const parts = reader.parts;
    if (parts === undefined) {
        return read(reader, s, from, last);
    }
    parts.push(sub(s, from, last));
    reader.buffered = reader.buffered + last - from + 1;
    if (reader.buffered < reader.needed) {
        return undefined;
    }
    const joined = concat(parts);
    reader.parts = undefined;
    reader.buffered = 0;
    return read(reader, joined, 1, joined.length);
}

/** Reports whether data have arrived that are no complete message. */
function is_incomplete(reader: MessageReader): boolean {
    return reader.buffered > 0;
}

export { create as new, encode, feed, is_incomplete, reset, type MessageReader, type MessageSink };
