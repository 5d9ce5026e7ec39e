const concat = table.concat;
const find = string.find as StringFind;

/** What is wrong with a URL that does not parse: a Lua pattern, and what to write instead. */
const PROBLEMS: readonly (readonly [pattern: string, hint: string])[] = [
    ["@", "a URL has no user and password: use the options user and password"],
    [",", 'several endpoints are an array: http_host = { "http://a:2379", "http://b:2379" }'],
    ["[%s%c]", "a URL has no blanks, line breaks or control characters"],
    ["[?#]", "a URL has no query and no fragment"],
];

const SCHEME = "the scheme is missing: write http://<host>:<port> or https://<host>:<port>";
const OTHER_SCHEME = "the scheme must be http or https, or unix:<path>";
const FORM = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets";

/** Returns what is probably wrong with an endpoint URL that does not parse. */
function of(url: string): string {
    const found: string[] = [];
    for (const [pattern, hint] of PROBLEMS) {
        const [from] = find(url, pattern);
        if (from !== undefined) {
            found.push(hint);
        }
    }
    const [scheme] = find(url, "^%s*%a[%w+.-]*://");
    const [known] = find(url, "^%s*[hH][tT][tT][pP][sS]?://");
    if (scheme === undefined) {
        found.push(SCHEME);
    } else if (known === undefined) {
        found.push(OTHER_SCHEME);
    }
    return found.length > 0 ? concat(found, "; ") : FORM;
}

export { of };
