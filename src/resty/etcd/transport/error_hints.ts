const find = string.find as StringFind;
const sub = string.sub;

/** Hint of several texts. */
const UNKNOWN_CA =
    "nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate (or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs";
const RESPONSE_TOO_LARGE = "the option max_response_size is the limit: raise it, or read less, with limit or readdir";
const DATES = "check the dates of the server's certificate and of its CA, and the clock of this machine";

const NO_GRPC =
    'a TLS port, or no gRPC: the transport "grpc" needs an etcd without TLS; use "cosocket" or "resty_http" for the others';

/** Hints for error texts that do not name their cause: a plain part of the text, and the hint. */
const HINTS: [part: string, hint: string][] = [
    [
        "404 page not found",
        "nothing serves etcd's JSON gateway here: --enable-grpc-gateway=false, another port, or a wrong api_prefix",
    ],
    [
        "CommonName of client",
        "with auth on, etcd's gateway takes no client certificate that has a CommonName: use one without, and user and password",
    ],
    [
        "the Host header was unrecognized",
        "etcd's --host-whitelist lacks the host of this endpoint: add it there, or use https",
    ],
    [
        "certificate host mismatch",
        "the certificate is not for this name; nginx checks host names only, so for an IP address set opts.sni to a name in the certificate",
    ],
    [
        "certificate verification failed",
        "nginx did not say why: the certificate is not for this name (see opts.sni), out of date, or of a CA that lua_ssl_trusted_certificate lacks",
    ],
    [
        "handshake failed",
        "not a TLS port, no TLS version in common (see lua_ssl_protocols), or the server wants a client certificate it trusts; nginx logs more (SSL_do_handshake)",
    ],
    [
        "the server answers in HTTP/1",
        'nothing serves gRPC on this port: use another port of etcd, or the transports "cosocket" or "resty_http"',
    ],
    ["no HTTP/2: ", NO_GRPC],
    ["closed before HTTP/2 SETTINGS", NO_GRPC],
    ["from something that is not etcd: Location: https://", "a redirect is not followed: use https in http_host"],
    [
        "from something that is not etcd: Location: ",
        "a redirect is not followed: set http_host and api_prefix to what it leads to",
    ],
    [
        "HTTP 401 from something that is not etcd",
        "a proxy in between requires other credentials: see opts.extra_headers",
    ],
    ["HTTP 403 from something that is not etcd", "a proxy in between does not allow the request: etcd has not seen it"],
    ["HTTP 408 from something that is not etcd", "a proxy in between has not received the request in time"],
    [
        "HTTP 413 from something that is not etcd",
        "a proxy in between limits the size of requests, as client_max_body_size does in nginx; etcd's own limit is 1.5 MB",
    ],
    [
        "HTTP 429 from something that is not etcd",
        "a proxy in between limits the rate of requests: etcd has not seen it",
    ],
    [
        "malformed reply: response header without",
        "another server or a proxy responds here: check http_host and api_prefix",
    ],
    ["from something that is not etcd", "another server or a proxy responds here: check http_host and api_prefix"],
    ["response longer than", RESPONSE_TOO_LARGE],
    ["response with too many values", RESPONSE_TOO_LARGE],
    ["Client sent an HTTP request to an HTTPS server", "the port serves TLS: use https in http_host"],
    ["certificate has expired", DATES],
    ["certificate is not yet valid", DATES],
    ["unable to get local issuer certificate", UNKNOWN_CA],
    ["unable to get issuer certificate", UNKNOWN_CA],
    ["unable to verify the first certificate", UNKNOWN_CA],
    ["self-signed certificate", UNKNOWN_CA],
    ["self signed certificate", UNKNOWN_CA],
    ["no resolver defined", "nginx resolves host names only with a resolver directive; /etc/hosts is not read"],
    ["could not be resolved", "nginx asks the DNS server of its resolver directive; /etc/hosts is not read"],
    ["not in this phase", "this phase has no sockets: call from rewrite, access, content or a timer"],
    // nginx has opened no socket and set no errno: the text is that of the connect before
    ["operation now in progress", "nginx has no free connection: raise worker_connections"],
    ["authentication is not enabled", "user and password are set, but etcd's auth is off"],
    ["user name is empty", "etcd's auth is on: the client needs user and password"],
];

/** The connection was closed without a response. */
const NO_ANSWER = "if the server never responds: the port serves only TLS or only gRPC (--listen-client-http-urls)";
const NO_ANSWER_IN_TLS =
    "if the server never responds: the port serves only gRPC (--listen-client-http-urls), or the server does not trust the client's certificate";
/** With TLS 1.3, servers check the client certificate after the handshake. nginx reports their alert only as "error". */
const ALERT = "the server ended the TLS session: check the client certificate, and SSL_read in the log of nginx";

/** The CA of the option was not used. */
const IGNORED_CA =
    "opts.trusted_ca is ignored: it needs sockets with settrustedstore, and lua-resty-openssl; put the CA into the file of lua_ssl_trusted_certificate";

/** A watch was sent, and nothing came back. */
const SILENT_WATCH = "a proxy in between can hold back the response: in nginx, set proxy_buffering off";

/**
 * Returns the likely cause of an error, or nil.
 * @param text the error text; that of a connection error begins with the endpoint
 * @param silent the server closed the connection without a response
 */
function hint_for(text: string, silent: boolean): string | undefined {
    for (const pair of HINTS) {
        const [from] = find(text, pair[0], 1, true);
        if (from !== undefined) {
            return pair[1];
        }
    }
    const is_secure = sub(text, 1, 8) === "https://";
    if (is_secure && sub(text, -7) === ": error") {
        return ALERT;
    }
    if (!silent) {
        return undefined;
    }
    return is_secure ? NO_ANSWER_IN_TLS : NO_ANSWER;
}

/** Returns the hint of a failed verification if the option `trusted_ca` was ignored; other hints stay as they are. */
function with_ignored_ca(hint: string | undefined, text: string): string | undefined {
    const [unspecified] = find(text, "certificate verification failed", 1, true);
    return hint === UNKNOWN_CA || unspecified !== undefined ? IGNORED_CA : hint;
}

export { hint_for, SILENT_WATCH, with_ignored_ca };
