const byte = string.byte as (
    this: void,
    text: string,
    from: number,
    to?: number,
) => LuaMultiReturn<[a?: number, b?: number, c?: number, d?: number]>;
const char = string.char;
const find = string.find as StringFind;
const floor = math.floor;

/** Pattern of a byte of a character that is not ASCII. */
const NOT_ASCII = "[^%z\x01-\x7f]";

/** Reports whether a byte continues a character. */
function is_continuation(value: number | undefined): boolean {
    return value !== undefined && value >= 0x80 && value <= 0xbf;
}

/**
 * Returns the length of a character of several bytes; 0 if it is not valid: overlong, a surrogate, beyond U+10FFFF, or
 * incomplete.
 * @param a its first byte; b, c and d are those that follow
 */
function length_of(a: number, b: number | undefined, c: number | undefined, d: number | undefined): number {
    if (a < 0xc2 || a > 0xf4 || b === undefined || !is_continuation(b)) {
        return 0;
    }
    if (a < 0xe0) {
        return 2;
    }
    if (!is_continuation(c)) {
        return 0;
    }
    if (a < 0xf0) {
        const is_overlong = a === 0xe0 && b < 0xa0;
        const is_surrogate = a === 0xed && b > 0x9f;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    const is_overlong = a === 0xf0 && b < 0x90;
    const is_too_large = a === 0xf4 && b > 0x8f;
    return is_overlong || is_too_large || !is_continuation(d) ? 0 : 4;
}

/** Returns the position of the first byte that is not part of valid UTF-8, or nil. */
function find_invalid(text: string): number | undefined {
    let [at] = find(text, NOT_ASCII);
    while (at !== undefined) {
        const [a, b, c, d] = byte(text, at, at + 3);
        const length = length_of(a!, b, c, d);
        if (length === 0) {
            return at;
        }
        at = at + length;
        const [next] = byte(text, at);
        if (next === undefined || next < 0x80) {
            [at] = find(text, NOT_ASCII, at);
        }
    }
    return undefined;
}

/** Returns the byte that continues a character: its six bits that begin at `unit`. */
function continuation(code: number, unit: number): number {
    return 0x80 + (floor(code / unit) % 64);
}

/** Returns the UTF-8 of a code point up to U+10FFFF. */
function encode(code: number): string {
    if (code < 0x80) {
        return char(code);
    }
    if (code < 0x800) {
        return char(0xc0 + floor(code / 64), continuation(code, 1));
    }
    if (code < 0x10000) {
        return char(0xe0 + floor(code / 4096), continuation(code, 64), continuation(code, 1));
    }
    return char(0xf0 + floor(code / 262144), continuation(code, 4096), continuation(code, 64), continuation(code, 1));
}

export { encode, find_invalid, length_of };
