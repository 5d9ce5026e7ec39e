import type { Message } from "../../protocol/message";
import type { MessageType } from "../../protocol/schema";

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

export type { Codec, CodecOf, Decode, Encode };
