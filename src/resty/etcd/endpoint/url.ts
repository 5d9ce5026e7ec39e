const match = string.match;
const find = string.find as StringFind;
const sub = string.sub;
const lower = string.lower;

const DEFAULT_PORT = 2379;

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

/** Returns the path of a URL without trailing slashes, or nil if it contains a query, blanks or control characters. */
function clean_path(path: string): string | undefined {
    const [invalid] = find(path, "[%c%s?#]");
    if (invalid !== undefined) {
        return undefined;
    }
    const [clean] = match(path, "^(.-)/*$");
    return clean;
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
 * `http://unix:/path:/url`. The default port is 2379.
 * @param dns_name name of the server, if the URL contains its address
 * @returns the target, or nil if the URL is invalid
 */
function parse(url: string, dns_name?: string): Target | undefined {
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
    if (host === undefined || tail === undefined) {
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

export { parse, type Target };
