const format = string.format;
const find = string.find as StringFind;
const floor = math.floor;
const byte = string.byte;

/** Integers up to this one are exact as Lua numbers. */
const EXACT = 2 ** 53;

/** Returns the decimal text of an int64 that a caller passed as string, number or cdata, or nil for anything else. */
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
    const [from] = find(text, "^-?%d+$");
    return from !== undefined && text.length <= 20 ? text : undefined;
}

/** Reports whether text from the server can be an int64, by its first byte and its length. This runs for every key. */
function is_plausible(text: string): boolean {
    const first = byte(text, 1) as number | undefined;
    return first !== undefined && first <= 57 && (first >= 48 || first === 45) && text.length <= 20;
}

export { is_plausible, to_text };
