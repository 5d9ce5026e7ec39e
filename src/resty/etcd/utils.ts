import * as keys from "./protocol/keys";

const gmatch = string.gmatch;
const find = string.find as StringFind;
const concat = table.concat;

/** True for nil, the empty string and a string of nothing but white space. */
function is_empty_str(s?: string): boolean {
    if (s === undefined) {
        return true;
    }
    const [from] = find(s, "^%s*$");
    return from !== undefined;
}

/**
 * Joins path parts with `/`. Nil and empty parts are skipped, `.` and `..` are resolved, never above the
 * root; the result starts with one `/`.
 */
function normalize(...parts: (string | undefined)[]): string {
    const names: string[] = [];
    // by number: a nil between two parts must not end the loop
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

/** `key` behind `prefix`; both are taken as they are. */
const get_real_key = keys.with_prefix;

export { get_real_key, is_empty_str, normalize };
