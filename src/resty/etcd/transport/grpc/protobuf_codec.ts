/**
 * Encodes and decodes messages in protobuf's binary format. A message is a table as `protocol/schema` describes it. The
 * functions of a message type are compiled at its first use.
 */
import * as gc_barrier from "../../base/gc_barrier";
import * as time_slice from "../../base/time_slice";
import * as protobuf_decoder from "./protobuf_decoder";
import * as protobuf_encoder from "./protobuf_encoder";
import * as varint from "./varint";
import type { Message } from "../../protocol/message";
import type { FieldType, MessageType } from "../../protocol/schema";
import type { Codec } from "./types";

const byte = string.byte;
const concat = table.concat;
const sub = string.sub;

/** Bytes that are decoded in one call, which takes less than a millisecond. */
const LONG = 64 * 1024;

/** Bytes of a list's items between two tests whether a time slice is used up. */
const PART = 8 * 1024;

/** Pieces that are kept for the next message. The array of a longer message is garbage. */
const MAX_PIECES = 256;

/** The pieces of the message that is being encoded. Encoding never yields, so one array serves all calls. */
let pieces: string[] = [];

const codecs = new LuaMap<MessageType, Codec>();

/** Returns the codec of a message type, which compiles each function at its first call. */
function codec_of(message: MessageType): Codec {
    let codec = codecs.get(message);
    if (codec === undefined) {
        const created: Codec = {
            message,
            decode: (s, from, stop, depth, into) => {
                created.decode = protobuf_decoder.make(message, codec_of);
                return created.decode(s, from, stop, depth, into);
            },
            encode: (fields, out, n, depth) => {
                created.encode = protobuf_encoder.make(message, codec_of);
                return created.encode(fields, out, n, depth);
            },
        };
        codecs.set(message, created);
        codec = created;
    }
    return codec;
}

/**
 * Encodes a message.
 * @param fields the message; a field of a wrong type is an error
 */
function encode(message: MessageType, fields: Message): Result<string> {
    const out = pieces;
    const [n, size_or_problem] = codec_of(message).encode(fields, out, 0, 0);
    if (n === undefined) {
        pieces = [];
        return $multi(undefined, size_or_problem);
    }
    const bytes = concat(out, "", 1, n);
    if (n > MAX_PIECES) {
        pieces = [];
    } else {
        for (const i of $range(1, n)) {
            out[i - 1] = "";
        }
    }
    return $multi(bytes);
}

/** Returns the repeated field whose items can be many, if the message type has one. */
function list_of(message: MessageType): LuaMultiReturn<[name: string, type: FieldType] | [name: undefined]> {
    for (const [name, field] of message) {
        if (field.repeated === true && field.values === undefined) {
            return $multi(name, field);
        }
    }
    return $multi(undefined);
}

/**
 * Decodes a long message: the items of its list one by one, with pauses, and then the other fields together.
 * @param tag tag of the list
 * @returns the message, and the name of a malformed field
 */
function decode_in_parts(
    codec: Codec,
    s: string,
    name: string,
    item: Codec | undefined,
    tag: number,
): LuaMultiReturn<[message: Message | undefined, bad?: string | undefined]> {
    const slice = time_slice.start();
    const stop = s.length;
    const items: unknown[] = [];
    const others: string[] = [];
    let n = 0;
    let at = 1;
    let next_test = PART;
    while (at <= stop) {
        const from = at;
        if (byte(s, at) === tag) {
            const [size, first] = varint.read_number(s, at + 1);
            at = first + size;
            if (at > stop + 1) {
                return $multi(undefined, name);
            }
            let value: unknown;
            if (item !== undefined) {
                const [message, bad] = item.decode(s, first, at - 1, 1);
                if (message === undefined) {
                    return $multi(undefined, bad ?? name);
                }
                value = message;
            } else {
                value = sub(s, first, at - 1);
            }
            items[n] = gc_barrier.mark_now(value);
            n = n + 1;
        } else {
            at = varint.skip_field(s, at);
            if (at > stop + 1) {
                return $multi(undefined);
            }
            others.push(sub(s, from, at - 1));
        }
        if (at > next_test) {
            next_test = at + PART;
            time_slice.yield_if_due(slice);
        }
    }
    const rest = concat(others);
    const [message, bad] = codec.decode(rest, 1, rest.length, 0);
    if (message !== undefined && n > 0) {
        message.set(name, items);
    }
    return $multi(message, bad);
}

/** Decodes a message, which is `s` from `from` to `last`, in one call. The result is as that of `decode`. */
function decode_at(
    message: MessageType,
    s: string,
    from: number,
    last: number,
): LuaMultiReturn<[message: Message | undefined, bad?: string | undefined]> {
    const [decoded, bad] = codec_of(message).decode(s, from, last, 0);
    return $multi(decoded, decoded === undefined ? (bad ?? "body") : undefined);
}

/**
 * Decodes a message. A long one is decoded in parts, so that it does not occupy the worker; in phases that cannot yield,
 * without a pause.
 * @returns the message; or nil and the name of the malformed field
 */
function decode(
    message: MessageType,
    s: string,
): LuaMultiReturn<[message: Message | undefined, bad?: string | undefined]> {
    if (s.length > LONG) {
        const [name, field] = list_of(message);
        if (name !== undefined) {
            const item = field.message !== undefined ? codec_of(field.message) : undefined;
            const [decoded, bad] = decode_in_parts(codec_of(message), s, name, item, field.number * 8 + 2);
            return $multi(decoded, decoded === undefined ? (bad ?? "body") : undefined);
        }
    }
    return decode_at(message, s, 1, s.length);
}

export { LONG, decode, decode_at, encode };
