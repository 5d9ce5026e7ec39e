const find = string.find as StringFind;

/** What an error text may mean where it does not say so itself: a plain part of the text, and the hint. */
const HINTS: [part: string, hint: string][] = [
    [
        "404 page not found",
        "etcd's JSON gateway is not there: --enable-grpc-gateway=false, another port, or a wrong api_prefix",
    ],
    ["CommonName of client", "with auth on, etcd's gateway takes no client certificate that has a CommonName"],
    [
        "certificate host mismatch",
        "the certificate is not for this name; nginx checks host names only, so for an IP address set opts.sni to a name in the certificate",
    ],
    [
        "certificate verification failed",
        "nginx did not say why: the certificate is not for this name (see opts.sni), or of a CA that lua_ssl_trusted_certificate lacks",
    ],
    ["handshake failed", "not a TLS port, or the server wants a client certificate it trusts"],
    ["unable to get local issuer certificate", "set lua_ssl_trusted_certificate to the CA of etcd's certificate"],
    ["self-signed certificate", "set lua_ssl_trusted_certificate to the CA of etcd's certificate"],
    ["self signed certificate", "set lua_ssl_trusted_certificate to the CA of etcd's certificate"],
    ["no resolver defined", "nginx resolves host names only with a resolver directive; /etc/hosts is not read"],
    ["API disabled in the context of", "this phase has no sockets: call from rewrite, access, content or a timer"],
    ["no request found", "this phase has no sockets: call from rewrite, access, content or a timer"],
    ["authentication is not enabled", "user and password are set, but etcd's auth is off"],
];

/** The connection was closed without an answer. */
const NO_ANSWER = "if it never answers: the port may speak TLS only, or gRPC only (--listen-client-http-urls)";

/**
 * What may be behind an error.
 * @param text the error's own text
 * @param silent the server closed the connection without an answer
 */
function hint_for(text: string, silent: boolean): string | undefined {
    for (const pair of HINTS) {
        const [from] = find(text, pair[0], 1, true);
        if (from !== undefined) {
            return pair[1];
        }
    }
    return silent ? NO_ANSWER : undefined;
}

export { hint_for };
