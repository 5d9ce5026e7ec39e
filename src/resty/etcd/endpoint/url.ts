const match = string.match;
const find = string.find as StringFind;
const sub = string.sub;
const lower = string.lower;

const byte = string.byte as (this: void, text: string, at: number) => number | undefined;

const DEFAULT_PORT = 2379;
const SLASH = 47;

/** Maximum bytes of a URL. Member lists contain URLs that a server chooses. */
const MAX_LENGTH = 2048;
/** Maximum bytes of a host name, as in DNS. */
const MAX_HOST_LENGTH = 255;

/** A parsed endpoint URL. */
interface Target {
    readonly scheme: "http" | "https";
    /** Host name, address or `[v6]`; `unix:/path` for a unix socket. */
    readonly host: string;
    /** Nil for a unix socket. */
    readonly port?: number;
    /** The `Host` header. */
    readonly authority: string;
    /** Name that the TLS certificate must be valid for, unless the option `tls_server_name` overrides it. */
    readonly server_name: string;
    /** Path prefix without trailing slash, "" for none. */
    readonly path: string;
}

function port_of(text: string | undefined): number | undefined {
    if (text === undefined) {
        return DEFAULT_PORT;
    }
    const port = tonumber(text);
    return port !== undefined && port >= 1 && port <= 65535 ? port : undefined;
}

/** Returns a URL or path without trailing slashes. */
function without_trailing_slashes(text: string): string {
    let last = text.length;
    while (byte(text, last) === SLASH) {
        last = last - 1;
    }
    return sub(text, 1, last);
}

/** Returns the path of a URL without trailing slashes, or nil if it contains a query, blanks or control characters. */
function clean_path(path: string): string | undefined {
    const [invalid] = find(path, "[%c%s?#]");
    if (invalid !== undefined) {
        return undefined;
    }
    return without_trailing_slashes(path);
}

/** Parses `/path/to/socket`, or `/path/to/socket:/url/path` as in nginx's `proxy_pass`. */
function parse_unix(scheme: "http" | "https", rest: string): Target | undefined {
    const [socket, url] = match(rest, "^(/[^:%c]+):?(.*)$");
    if (socket === undefined || url === undefined) {
        return undefined;
    }
    const path = clean_path(url);
    if (path === undefined || (path !== "" && sub(path, 1, 1) !== "/")) {
        return undefined;
    }
    return { scheme, host: `unix:${socket}`, authority: "localhost", server_name: "localhost", path };
}

/**
 * Parses an endpoint URL: `http://host`, `https://host:port/path`, `http://[v6]:port`, `unix:/path`,
 * `http://unix:/path:/url`. The default port is 2379. A URL of more than 2048 bytes and a host of more than 255 are invalid.
 * @param dns_name name of the server, if the URL contains its address
 * @returns the target, or nil if the URL is invalid
 */
function parse(url: string, dns_name?: string): Target | undefined {
    if (url.length > MAX_LENGTH) {
        return undefined;
    }
    const [bare] = match(url, "^unix:(.+)$");
    if (bare !== undefined) {
        return parse_unix("http", bare);
    }
    const [scheme_text, rest] = match(url, "^(%a+)://(.+)$");
    const scheme = lower(scheme_text ?? "");
    if (rest === undefined || (scheme !== "http" && scheme !== "https")) {
        return undefined;
    }
    const [socket] = match(rest, "^unix:(.+)$");
    if (socket !== undefined) {
        return parse_unix(scheme, socket);
    }
    let [host, tail] = match(rest, "^(%[[%x:.]+%])(.*)$");
    if (host === undefined) {
        [host, tail] = match(rest, "^([%w%-_.]+)(.*)$");
    }
    if (host === undefined || tail === undefined || host.length > MAX_HOST_LENGTH) {
        return undefined;
    }
    const [digits, after] = match(tail, "^:(%d+)(.*)$");
    const port = port_of(digits);
    const path = clean_path(after ?? tail);
    if (port === undefined || path === undefined || (path !== "" && sub(path, 1, 1) !== "/")) {
        return undefined;
    }
    const [v6] = match(host, "^%[(.*)%]$");
    return { scheme, host, port, authority: `${dns_name ?? host}:${port}`, server_name: dns_name ?? v6 ?? host, path };
}

export { MAX_HOST_LENGTH, parse, without_trailing_slashes, type Target };
