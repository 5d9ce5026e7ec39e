import * as printable from "../base/printable";

const find = string.find as StringFind;
const gsub = string.gsub;
const match = string.match;

const MASK = "***";

/** Returns a URL of a list without its user info. Everything up to the last `@` is masked: a password can contain any byte. */
function mask_one(url: string): string {
    const [scheme, rest] = match(url, "^(%s*%a[%w+.-]*://)(.*)$");
    const [host] = match(rest ?? url, "^.*(@.*)$");
    return host !== undefined ? `${scheme ?? ""}${MASK}${host}` : url;
}

/**
 * Returns a URL for error texts and log lines: user and password, if there are any, are masked. A text that is no string is
 * returned as text.
 */
function mask(url: unknown): Printable {
    const text = tostring(url);
    const [at] = find(text, "@", 1, true);
    if (at === undefined) {
        return printable.of(text);
    }
    // a list separated by commas is a frequent mistake: each of its URLs can have user info
    const [lines] = gsub(text, ",(%s*%a[%w+.-]*://)", "\0%1");
    const [masked] = gsub(lines, "[^%z]+", mask_one);
    const [joined] = gsub(masked, "%z", ",");
    return printable.of(joined);
}

export { mask };
