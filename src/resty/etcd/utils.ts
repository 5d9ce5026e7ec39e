import * as keys from "./protocol/keys";

const gmatch = string.gmatch;
const find = string.find as StringFind;
const concat = table.concat;

/** Reports whether a value is nil, the empty string, or white space only. */
function is_empty_str(s?: string): boolean {
    if (s === undefined) {
        return true;
    }
    const [from] = find(s, "^%s*$");
    return from !== undefined;
}

/**
 * Joins path parts with `/`. Skips nil and empty parts, and resolves `.` and `..`, but not above the root. The result
 * starts with one `/`.
 */
function normalize(...parts: (string | undefined)[]): string {
    const names: string[] = [];
    // select instead of ipairs, which stops at a nil between two parts
    for (const i of $range(1, select("#", ...parts))) {
        const [part] = select(i, ...parts);
        for (const [name] of gmatch(part ?? "", "[^/]+")) {
            if (name === "..") {
                names.pop();
            } else if (name !== undefined && name !== ".") {
                names.push(name);
            }
        }
    }
    return "/" + concat(names, "/");
}

/** Returns `prefix` followed by `key`; neither is normalized. */
const get_real_key = keys.with_prefix;

export { get_real_key, is_empty_str, normalize };
