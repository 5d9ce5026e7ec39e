/**
 * Varints of protobuf, and int64 as decimal text. Numbers below 2^53 are plain Lua numbers; larger ones are computed in
 * two parts, because a cdata integer would be garbage. `high` has the upper 48 bits, `low` the lower 16.
 *
 * Readers never fail: they return a position behind the end if the input ends too early, and `NOWHERE` if the varint is
 * malformed. A decoder therefore checks only that it arrives exactly at the end of its message.
 */
import * as bit from "bit";
import * as int64 from "../../protocol/int64";

const band = bit.band;
const bor = bit.bor;
const lshift = bit.lshift;
const byte = string.byte;
const char = string.char;
const floor = math.floor;
const format = string.format;
const max = math.max;
const sub = string.sub;

/** A position that no input has. */
const NOWHERE = math.huge;

/** Bytes of the longest varint. */
const MAX_LENGTH = 10;

/** Characters of the longest text of an int64, its sign included, and of a uint64. */
const MAX_DIGITS = 20;

/** The character `-`. */
const MINUS = 45;

/** Values below this one have at most 15 digits and are exact as Lua numbers. */
const EXACT = 1e15;

/**
 * Texts of integers above 2^49 that are kept. The IDs of cluster, member and lease in each response are such integers,
 * and converting one costs 20 times as much as finding its text here.
 */
const MAX_TEXTS = 1024;

const TWO_TO_48 = 2 ** 48;

interface Texts {
    by_bytes: LuaMap<string, string>;
    count: number;
}

/** The same bytes have different texts as int64 and as uint64. */
const signed_texts: Texts = { by_bytes: new LuaMap(), count: 0 };
const unsigned_texts: Texts = { by_bytes: new LuaMap(), count: 0 };

/** The varints of 0 to 127. */
const SHORT = new LuaMap<number, string>();
for (const i of $range(0, 127)) {
    SHORT.set(i, char(i));
}

/**
 * Reads a varint as a number, which is exact below 2^53.
 * @returns the number, and the position after it
 */
function read_number(s: string, from: number): LuaMultiReturn<[value: number, next: number]> {
    // a byte behind the end counts as 0: the position is then wrong, which the caller notices
    const a = (byte(s, from) as number | undefined) ?? 0;
    if (a < 128) {
        return $multi(a, from + 1);
    }
    const b = (byte(s, from + 1) as number | undefined) ?? 0;
    if (b < 128) {
        return $multi(bor(band(a, 127), lshift(b, 7)), from + 2);
    }
    const c = (byte(s, from + 2) as number | undefined) ?? 0;
    if (c < 128) {
        return $multi(bor(band(a, 127), lshift(band(b, 127), 7), lshift(c, 14)), from + 3);
    }
    const d = (byte(s, from + 3) as number | undefined) ?? 0;
    const low = bor(band(a, 127), lshift(band(b, 127), 7), lshift(band(c, 127), 14), lshift(band(d, 127), 21));
    if (d < 128) {
        return $multi(low, from + 4);
    }
    let value: number = low;
    let scale = 2 ** 28;
    for (const i of $range(from + 4, from + MAX_LENGTH - 1)) {
        const e = (byte(s, i) as number | undefined) ?? 0;
        if (e < 128) {
            const overflows = i === from + MAX_LENGTH - 1 && e > 1;
            return $multi(value + e * scale, overflows ? NOWHERE : i + 1);
        }
        value = value + (e - 128) * scale;
        scale = scale * 128;
    }
    return $multi(0, NOWHERE);
}

/** Returns the decimal text of a 64-bit integer. */
function to_decimal(high: number, low: number): string {
    // long division by 10^10, with each step exact as a Lua number
    const quotient = floor(high / 1e10);
    const rest = (high - quotient * 1e10) * 65536 + low;
    const carry = floor(rest / 1e10);
    const upper = quotient * 65536 + carry;
    const lower = rest - carry * 1e10;
    return upper > 0 ? format("%d%010d", upper, lower) : format("%d", lower);
}

/** Returns -x in two's complement. */
function negate(high: number, low: number): LuaMultiReturn<[high: number, low: number]> {
    if (low === 0) {
        return $multi(high === 0 ? 0 : TWO_TO_48 - high, 0);
    }
    return $multi(TWO_TO_48 - 1 - high, 65536 - low);
}

/** Returns the decimal text of a varint of 8 to 10 bytes. */
function long_text(bytes: string, signed: boolean): string {
    let low = 0;
    let scale = 1;
    for (const i of $range(1, 4)) {
        low = low + band(byte(bytes, i), 127) * scale;
        scale = scale * 128;
    }
    let upper = 0;
    scale = 1;
    for (const i of $range(5, bytes.length)) {
        upper = upper + band(byte(bytes, i), 127) * scale;
        scale = scale * 128;
    }
    // bits 16 to 27 are in `low`, the others in `upper`
    const high = upper * 4096 + floor(low / 65536);
    low = low % 65536;
    if (signed && high >= TWO_TO_48 / 2) {
        const [positive_high, positive_low] = negate(high, low);
        return `-${to_decimal(positive_high, positive_low)}`;
    }
    return to_decimal(high, low);
}

/** Returns the text of a varint of 8 to 10 bytes, from the kept texts if possible. */
function kept_text(texts: Texts, bytes: string, signed: boolean): string {
    let text = texts.by_bytes.get(bytes);
    if (text === undefined) {
        text = long_text(bytes, signed);
        if (texts.count >= MAX_TEXTS) {
            texts.by_bytes = new LuaMap();
            texts.count = 0;
        }
        texts.by_bytes.set(bytes, text);
        texts.count = texts.count + 1;
    }
    return text;
}

/** Reads a varint that has more than four bytes, or is zero. */
function read_long_text(
    s: string,
    from: number,
    signed: boolean,
): LuaMultiReturn<[text: string | undefined, next: number]> {
    const [value, next_at] = read_number(s, from);
    if (value === 0 || next_at === NOWHERE) {
        return $multi(undefined, next_at);
    }
    if (next_at - from <= 7) {
        return $multi(format("%d", value), next_at);
    }
    const texts = signed ? signed_texts : unsigned_texts;
    return $multi(kept_text(texts, sub(s, from, next_at - 1), signed), next_at);
}

/**
 * Reads an int64 as decimal text.
 * @returns the text, nil if it is zero; and the position after it
 */
function read_int64(s: string, from: number): LuaMultiReturn<[text: string | undefined, next: number]> {
    const [value, next_at] = read_number(s, from);
    if (next_at - from <= 4 && value !== 0) {
        return $multi(tostring(value), next_at);
    }
    return read_long_text(s, from, true);
}

/** Reads a uint64 as decimal text, as `read_int64` does. */
function read_uint64(s: string, from: number): LuaMultiReturn<[text: string | undefined, next: number]> {
    const [value, next_at] = read_number(s, from);
    if (next_at - from <= 4 && value !== 0) {
        return $multi(tostring(value), next_at);
    }
    return read_long_text(s, from, false);
}

/** Reads a bool: true, or nil for false. */
function read_bool(s: string, from: number): LuaMultiReturn<[value: true | undefined, next: number]> {
    const [value, next_at] = read_number(s, from);
    if (value !== 0) {
        return $multi(true, next_at);
    }
    return $multi(undefined, next_at);
}

/** Returns the varint of an integer from 0 to 2^53. */
function encode_number(n: number): string {
    if (n < 128) {
        return SHORT.get(n)!;
    }
    if (n < 16384) {
        return char(128 + (n % 128), floor(n / 128));
    }
    if (n < 2097152) {
        return char(128 + (n % 128), 128 + (floor(n / 128) % 128), floor(n / 16384));
    }
    if (n < 268435456) {
        return char(128 + (n % 128), 128 + (floor(n / 128) % 128), 128 + (floor(n / 16384) % 128), floor(n / 2097152));
    }
    return (
        char(
            128 + (n % 128),
            128 + (floor(n / 128) % 128),
            128 + (floor(n / 16384) % 128),
            128 + (floor(n / 2097152) % 128),
        ) + encode_number(floor(n / 268435456))
    );
}

/** Returns the varint of a 64-bit integer, empty for zero. */
function encode_parts(high: number, low: number): string {
    if (high < 2 ** 32) {
        const value = high * 65536 + low;
        return value > 0 ? encode_number(value) : "";
    }
    const n = (high % 4096) * 65536 + low; // 28 bits are four bytes
    return (
        char(128 + (n % 128), 128 + (floor(n / 128) % 128), 128 + (floor(n / 16384) % 128), 128 + floor(n / 2097152)) +
        encode_number(floor(high / 4096))
    );
}

/** Returns the value of at most 15 decimal digits, or nil for other characters. LuaJIT does not compile patterns. */
function parse_digits(text: string, from: number, stop: number): number | undefined {
    let value = 0;
    for (const i of $range(from, stop)) {
        const digit = byte(text, i) - 48;
        if (digit < 0 || digit > 9) {
            return undefined;
        }
        value = value * 10 + digit;
    }
    return value;
}

/** Returns the varint of the decimal text of an integer, empty for zero; nil for any other text. */
function encode_text(text: string, signed: boolean): string | undefined {
    const length = text.length;
    const is_negative = byte(text, 1) === MINUS;
    const first = is_negative ? 2 : 1;
    if (length < first || length > MAX_DIGITS) {
        return undefined;
    }
    const split = max(length - 10, first - 1);
    const upper = parse_digits(text, first, split);
    const lower = parse_digits(text, split + 1, length);
    if (upper === undefined || lower === undefined) {
        return undefined;
    }
    // upper * 10^10 + lower in binary, with each step exact as a Lua number
    const rest = (upper % 65536) * 1e10 + lower;
    const high = floor(upper / 65536) * 1e10 + floor(rest / 65536);
    const low = rest % 65536;
    const limit = signed ? TWO_TO_48 / 2 : TWO_TO_48;
    if (!is_negative) {
        return high < limit ? encode_parts(high, low) : undefined;
    }
    if (high + low === 0) {
        return "";
    }
    if (!signed || high > limit || (high === limit && low > 0)) {
        return undefined;
    }
    const [negative_high, negative_low] = negate(high, low);
    return encode_parts(negative_high, negative_low);
}

/**
 * Returns the varint of an integer that is given as number, decimal text or cdata.
 * @returns the varint, empty for zero; nil if the value is no integer, or out of range
 */
function encode_integer(value: unknown, signed: boolean): string | undefined {
    if (typeof value === "number" && value > 0 && value < EXACT && value % 1 === 0) {
        return encode_number(value);
    }
    const text = typeof value === "string" ? value : int64.to_text(value);
    return text !== undefined ? encode_text(text, signed) : undefined;
}

/**
 * Returns the position after a field that the schema does not contain, whose tag is at `from`.
 * @returns `NOWHERE` for a malformed tag and for groups, which etcd does not use
 */
function skip_field(s: string, from: number): number {
    const [tag, at] = read_number(s, from);
    // a tag in more bytes than needed would hide a field that the schema contains
    if (at === NOWHERE || tag < 8 || tag >= 2 ** 32 || encode_number(tag).length !== at - from) {
        return NOWHERE;
    }
    const wire_type = tag % 8;
    if (wire_type === 0) {
        const [, next_at] = read_number(s, at);
        return next_at;
    }
    if (wire_type === 1) {
        return at + 8;
    }
    if (wire_type === 2) {
        const [length, next_at] = read_number(s, at);
        return next_at + length;
    }
    return wire_type === 5 ? at + 4 : NOWHERE;
}

export { SHORT, encode_integer, encode_number, read_bool, read_int64, read_number, read_uint64, skip_field };
