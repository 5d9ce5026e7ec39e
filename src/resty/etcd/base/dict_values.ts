import * as decimal from "./decimal";

const find = string.find as StringFind;

/*
 * Reads of shared dicts. Other programs write to the same dict, by mistake or on purpose: a value can be of any type and
 * content. What is not as it must be counts as absent, so that its owner writes it again.
 */

/** What reads need of a dict. */
type DictReader = Pick<ngx.SharedDict, "get">;
type DictCounters = Pick<ngx.SharedDict, "incr">;

const MAX_INTEGER = decimal.MAX;

/** Reports whether a dict has a key, whatever its value. */
function has(dict: DictReader, key: string): boolean {
    const [value] = dict.get(key);
    return value !== undefined;
}

/** Returns a number that is not negative and below 2^53; nil if there is none. */
function get_number(dict: DictReader, key: string): number | undefined {
    const [value] = dict.get(key);
    return typeof value === "number" && value >= 0 && value <= MAX_INTEGER ? value : undefined;
}

/** Returns an integer that is not negative; nil if there is none. */
function get_integer(dict: DictReader, key: string): number | undefined {
    const value = get_number(dict, key);
    return value !== undefined && value % 1 === 0 ? value : undefined;
}

/**
 * Returns a time that is not later than now by more than `ahead` seconds; nil if there is none. A time that cannot be is
 * that of another program, and would last for ever.
 * @param time now, by the same clock
 */
function get_time(dict: DictReader, key: string, time: number, ahead: number): number | undefined {
    const value = get_number(dict, key);
    return value !== undefined && value <= time + ahead ? value : undefined;
}

/** Returns a text of at most `max_length` bytes; nil if there is none. */
function get_text(dict: DictReader, key: string, max_length: number): string | undefined {
    const [value] = dict.get(key);
    return typeof value === "string" && value.length <= max_length ? value : undefined;
}

/** Returns a text of at most `max_length` printable characters of ASCII, without line ends; nil if there is none. */
function get_line(dict: DictReader, key: string, max_length: number): string | undefined {
    const value = get_text(dict, key, max_length);
    if (value === undefined) {
        return undefined;
    }
    const [unprintable] = find(value, "[^ -~]");
    return unprintable === undefined ? value : undefined;
}

/** Adds to an integer. Returns the sum; nil if there is no integer. */
function increment(dict: DictCounters, key: string, count: number): number | undefined {
    const [value] = dict.incr(key, count);
    return value !== undefined && value >= 0 && value <= MAX_INTEGER && value % 1 === 0 ? value : undefined;
}

export { get_integer, get_line, get_number, get_text, get_time, has, increment, type DictReader };
