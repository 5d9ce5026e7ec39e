const find = string.find as StringFind;
const sub = string.sub;

/** What several texts mean. */
const UNKNOWN_CA =
    "nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate (or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs";
const DATES = "look at the dates of the server's certificate and of its CA, and at the clock of this machine";

/** What an error text may mean where it does not say so itself: a plain part of the text, and the hint. */
const HINTS: [part: string, hint: string][] = [
    [
        "404 page not found",
        "etcd's JSON gateway is not there: --enable-grpc-gateway=false, another port, or a wrong api_prefix",
    ],
    [
        "CommonName of client",
        "with auth on, etcd's gateway takes no client certificate that has a CommonName: use one without, and user and password",
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
    ["authentication is not enabled", "user and password are set, but etcd's auth is off"],
    ["user name is empty", "etcd's auth is on: the client needs user and password"],
];

/** The connection was closed without an answer. */
const NO_ANSWER = "if it never answers: the port may speak TLS only, or gRPC only (--listen-client-http-urls)";
const NO_ANSWER_IN_TLS =
    "if it never answers: the port may speak gRPC only (--listen-client-http-urls), or the server does not trust the client's certificate";
/** From TLS 1.3 on servers check the client's certificate after the handshake; nginx has no words for their alert. */
const ALERT =
    "the server ended the TLS session: it may want a client certificate that it trusts; see SSL_read in the log";

/**
 * What may be behind an error.
 * @param text the error's own text; of trouble on the way it begins with the endpoint
 * @param silent the server closed the connection without an answer
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

export { hint_for };
