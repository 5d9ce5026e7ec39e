import * as decimal from "../base/decimal";

const format = string.format;
const match = string.match;
const floor = math.floor;
const byte = string.byte;

const EXACT = decimal.MAX;

/** Digits of the least and of the greatest int64, both with 19 digits. */
const MIN_DIGITS = "9223372036854775808";
const MAX_DIGITS = "9223372036854775807";
/** Digits of the greatest uint64. */
const MAX_UNSIGNED_DIGITS = "18446744073709551615";
/** Length up to which digits are in the range of both types. */
const SHORT = 18;

/** Bytes of digits. */
const ZERO = 48;
const ONE = 49;
const NINE = 57;

/** Reports whether a number is at most a limit; both are digits without leading zeros. */
function is_within(digits: string, limit: string): boolean {
    return digits.length < limit.length || (digits.length === limit.length && digits <= limit);
}

/** Reports whether a text of at most 20 characters consists of the digits of an int64, after an optional minus sign. */
function is_int64(text: string): boolean {
    const [sign, all_digits] = match(text, "^(%-?)(%d+)$");
    if (all_digits === undefined) {
        return false;
    }
    const [digits = "0"] = match(all_digits, "^0*([1-9].*)$");
    return is_within(digits, sign === "-" ? MIN_DIGITS : MAX_DIGITS);
}

/**
 * Returns the decimal text of an int64 that a caller passed as string, number or cdata. Returns nil for anything else, for
 * numbers that could have been rounded, and for integers out of the range of int64.
 */
function to_text(value: unknown): string | undefined {
    if (typeof value === "number") {
        return floor(value) === value && value >= -EXACT && value <= EXACT ? format("%d", value) : undefined;
    }
    let text: string;
    if (typeof value === "string") {
        text = value;
    } else if ((type(value) as string) === "cdata") {
        // 5LL or 5ULL
        [text] = string.gsub(tostring(value), "U?LL$", "");
    } else {
        return undefined;
    }
    return text.length <= 20 && is_int64(text) ? text : undefined;
}

/**
 * Reports whether a text is a positive integer of at most `SHORT` digits without leading zeros. This runs for every key:
 * LuaJIT compiles the loop, but no function with a pattern.
 */
function is_short(text: string): boolean {
    const first = byte(text, 1) as number | undefined;
    if (first === undefined || first < ONE || first > NINE || text.length > SHORT) {
        return false;
    }
    for (const i of $range(2, text.length)) {
        const digit = byte(text, i);
        if (digit < ZERO || digit > NINE) {
            return false;
        }
    }
    return true;
}

/** As `read`, for text that is not short. */
function read_long(text: string, is_signed: boolean): string | undefined {
    if (text.length > MAX_UNSIGNED_DIGITS.length) {
        return undefined;
    }
    const [sign, digits] = match(text, "^(%-?)([1-9]%d*)$");
    if (digits === undefined) {
        return text === "0" ? text : undefined;
    }
    if (!is_signed) {
        return sign === "" && is_within(digits, MAX_UNSIGNED_DIGITS) ? text : undefined;
    }
    return is_within(digits, sign === "-" ? MIN_DIGITS : MAX_DIGITS) ? text : undefined;
}

/**
 * Returns the decimal text of an integer that a server sent. Text must be in its shortest form, as etcd writes it, and in the
 * range of the type. Servers that imitate etcd send numbers, too: those must be exact.
 * @param is_signed int64, not uint64
 * @returns nil for anything else
 */
function read(value: unknown, is_signed: boolean): string | undefined {
    if (typeof value === "string") {
        return is_short(value) ? value : read_long(value, is_signed);
    }
    const text = typeof value === "number" ? to_text(value) : undefined;
    return text !== undefined ? read_long(text, is_signed) : undefined;
}

/**
 * Returns a revision, a count or a TTL of a server as a number.
 * @param text as the codecs return it: the text of an integer; nil if it is zero
 * @returns nil if it is negative or not exact as a number: etcd sends no such one
 */
function to_number(text: unknown): number | undefined {
    const value = tonumber(text);
    return value !== undefined && floor(value) === value && value >= 0 && value <= EXACT ? value : undefined;
}

export { read, to_number, to_text };
