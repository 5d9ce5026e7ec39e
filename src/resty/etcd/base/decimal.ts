/**
 * The greatest integer that is exact as a Lua number. 2^53 is also what 2^53 + 1 is rounded to: a loop that counts up to it
 * never ends.
 */
const MAX = 2 ** 53 - 1;
/** Digits of `MAX`. */
const MAX_DIGITS = 16;

/**
 * Returns the number of a text of decimal digits that was stored outside of this process. Returns nil for any other text,
 * and if the number is not exact.
 */
function parse(text: string | undefined): number | undefined {
    if (text === undefined || text.length > MAX_DIGITS) {
        return undefined;
    }
    const [digits] = string.match(text, "^%d+$");
    const value = digits !== undefined ? tonumber(digits, 10)! : math.huge;
    return value <= MAX ? value : undefined;
}

export { MAX, parse };
