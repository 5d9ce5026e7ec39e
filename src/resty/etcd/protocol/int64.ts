const format = string.format;
const match = string.match;
const floor = math.floor;
const byte = string.byte;

/** The greatest integer that is exact as a Lua number: 2^53 is also what 2^53 + 1 is rounded to. */
const EXACT = 2 ** 53 - 1;

/** Digits of the least and of the greatest int64, both with 19 digits. */
const MIN_DIGITS = "9223372036854775808";
const MAX_DIGITS = "9223372036854775807";

/** Reports whether a text of at most 20 characters consists of the digits of an int64, after an optional minus sign. */
function is_int64(text: string): boolean {
    const [sign, digits] = match(text, "^(%-?)0*(%d+)$");
    if (digits === undefined) {
        return false;
    }
    const limit = sign === "-" ? MIN_DIGITS : MAX_DIGITS;
    return digits.length < limit.length || (digits.length === limit.length && digits <= limit);
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

/** Reports whether text from the server can be an int64, by its first byte and its length. This runs for every key. */
function is_plausible(text: string): boolean {
    const first = byte(text, 1) as number | undefined;
    return first !== undefined && first <= 57 && (first >= 48 || first === 45) && text.length <= 20;
}

export { is_plausible, to_text };
