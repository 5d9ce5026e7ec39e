const byte = string.byte;
const find = string.find as StringFind;
const sub = string.sub;

/** Bytes after which a part ends with the next item. */
const PART = 2 * 1024;
/** Bytes of an item, or of a whole text, that are decoded in one call: cjson takes up to 6 ms for them. */
const LONG = 64 * 1024;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** Returns the number of backslashes before a position, at most `LONG`. */
function backslashes_before(text: string, at: number): number {
    let count = 0;
    while (count < LONG && byte(text, at - 1 - count) === BACKSLASH) {
        count = count + 1;
    }
    return count;
}

/**
 * Finds the end of a string, up to a limit, so that the search does not occupy the worker.
 * @param at where the search begins: after the quote that begins the string
 * @param limit where the search stops
 * @returns position of the closing quote; or nil, and where to continue the search, nil if no quote ends the string
 */
function string_end(
    text: string,
    at: number,
    limit: number,
): LuaMultiReturn<[stop: number | undefined, next?: number | undefined]> {
    let from = at;
    while (from <= limit) {
        const [stop] = find(text, '"', from, true);
        if (stop === undefined) {
            return $multi(undefined);
        }
        const backslashes = backslashes_before(text, stop);
        if (backslashes === LONG) {
            return $multi(undefined);
        }
        if (backslashes % 2 === 0) {
            return $multi(stop);
        }
        from = stop + 1;
    }
    return $multi(undefined, from);
}

/** Returns the position of the first character that is no white space, at most `LONG` characters on. */
function skip_space(text: string, at: number): number {
    const limit = at + LONG;
    let next = at;
    while (next < limit) {
        const c = byte(text, next);
        if (c !== 32 && c !== 10 && c !== 13 && c !== 9) {
            return next;
        }
        next = next + 1;
    }
    return next;
}

/**
 * Finds the end of the items of an array or object that form the next part. The brackets in them are balanced, but can be of
 * different kinds: the decoder finds that.
 * @param at begin of the first item
 * @returns position of the comma or the closing bracket after the items, nil if the first item is long or incomplete; and
 *   the number of values in them, approximately
 */
function part_end(text: string, at: number): LuaMultiReturn<[stop: number | undefined, count: number]> {
    const limit = at + LONG;
    const enough = at + PART;
    let next = at;
    let depth = 0;
    let count = 1;
    let last_comma: number | undefined;
    while (next <= limit) {
        const c = byte(text, next) as number | undefined;
        if (c === QUOTE) {
            const [stop] = string_end(text, next + 1, limit);
            if (stop === undefined) {
                break;
            }
            next = stop;
        } else if (c === COMMA) {
            count = count + 1;
            if (depth === 0) {
                if (next >= enough) {
                    return $multi(next, count);
                }
                last_comma = next;
            }
        } else if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
            count = count + 1;
            depth = depth + 1;
        } else if (c === CLOSE_OBJECT || c === CLOSE_ARRAY) {
            if (depth === 0) {
                return $multi(next, count);
            }
            depth = depth - 1;
        } else if (c === undefined) {
            break;
        }
        next = next + 1;
    }
    return $multi(last_comma, count);
}

/** Returns the text between two positions, without both. */
function between(text: string, before: number, after: number): string {
    return sub(text, before + 1, after - 1);
}

export {
    CLOSE_ARRAY,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    LONG,
    OPEN_ARRAY,
    OPEN_OBJECT,
    QUOTE,
    between,
    part_end,
    skip_space,
    string_end,
};
