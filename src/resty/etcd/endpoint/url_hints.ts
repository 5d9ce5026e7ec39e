import * as urls from "./url";

const concat = table.concat;
const find = string.find as StringFind;

const USER = "a URL has no user and password: use the options user and password";
const LIST = 'several endpoints are an array: http_host = { "http://a:2379", "http://b:2379" }';
const BLANKS = "a URL has no blanks, line breaks or control characters";
const QUERY = "a URL has no query and no fragment";
const TOO_LONG = "a URL has at most 2048 bytes, and its host at most 255";
const SCHEME = "the scheme is missing: write http://<host>:<port> or https://<host>:<port>";
const OTHER_SCHEME = "the scheme must be http or https, or unix:<path>";
const FORM = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets";

/** Adds a hint to a list if a position was found. */
function add_if(hints: string[], at: number | undefined, hint: string): void {
    if (at !== undefined) {
        hints.push(hint);
    }
}

/** Returns what is probably wrong with an endpoint URL that does not parse. */
function of(url: string): string {
    const found: string[] = [];
    add_if(found, find(url, "@", 1, true)[0], USER);
    add_if(found, find(url, ",", 1, true)[0], LIST);
    add_if(found, find(url, "[%s%c]")[0], BLANKS);
    add_if(found, find(url, "[?#]")[0], QUERY);
    if (url.length > urls.MAX_HOST_LENGTH) {
        found.push(TOO_LONG);
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
