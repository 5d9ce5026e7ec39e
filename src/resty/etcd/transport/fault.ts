import type { LocalFailure } from "./transport";
import * as failures from "./failure";

const find = string.find as StringFind;

/** What failed in one step of an exchange. */
type FaultKind =
    | "timeout"
    /** The connection was closed. */
    | "closed"
    /** The server aborted the connection. */
    | "reset"
    /** The TLS handshake failed, or the server ended the TLS session with an alert. */
    | "tls"
    /** Any other error of the socket, DNS errors included. */
    | "socket"
    /** The response violates HTTP. */
    | "malformed"
    /** The response is longer than the client accepts. */
    | "too_large"
    /** A file or an option of the client cannot be used. */
    | "config"
    /** The phase of nginx has no sockets. */
    | "phase";

/** The failure of one step: connecting, the TLS handshake, sending, or reading. */
interface Fault {
    readonly kind: FaultKind;
    readonly text: string;
    /** The platform has ignored the option `trusted_ca` of the client. */
    is_ca_ignored?: true;
}

function make_fault(kind: FaultKind, text: string): Fault {
    return { kind, text };
}

const TIMEOUT = make_fault("timeout", "timeout");

/** Returns the fault of a response that is longer than a number of bytes. */
function too_large(max_size: number): Fault {
    return make_fault("too_large", `response longer than ${max_size} bytes`);
}

/** Parts of texts that nginx and OpenSSL use for TLS errors only. */
const TLS_PARTS = ["certificate", "handshake failed", "ssl", "SSL"];

/** Reports whether a text is of a TLS error. After an alert of the server it is just "error". */
function is_tls_text(text: string): boolean {
    const [numbered] = find(text, "^%d+: ");
    if (numbered !== undefined || text === "error") {
        return true;
    }
    for (const part of TLS_PARTS) {
        const [from] = find(text, part, 1, true);
        if (from !== undefined) {
            return true;
        }
    }
    return false;
}

/** Returns the fault for an error text of a socket, because nginx and OpenSSL report errors as text only. */
function of_socket(text: string): Fault {
    if (text === "timeout") {
        return TIMEOUT;
    }
    if (text === "closed") {
        return make_fault("closed", text);
    }
    const [reset] = find(text, "reset by peer", 1, true);
    if (reset !== undefined || text === "broken pipe") {
        return make_fault("reset", text);
    }
    return make_fault(is_tls_text(text) ? "tls" : "socket", text);
}

/** Returns the fault for an error text of a socket that rejects an option, unless its connection has broken. */
function of_rejected_option(name: string, text: string): Fault {
    const fault = of_socket(text);
    return fault.kind === "socket" || fault.kind === "tls" ? make_fault("config", `${name}: ${text}`) : fault;
}

/** Reports whether the server ended the connection, as it does with a pooled one that was idle for too long. */
function is_connection_closed(fault: Fault): boolean {
    return fault.kind === "closed" || fault.kind === "reset";
}

/**
 * Returns the failure of the exchange.
 * @param sent a part of the request was possibly sent
 */
function to_failure(fault: Fault, sent: boolean): LocalFailure {
    const kind = fault.kind;
    if (kind === "tls") {
        const failure = failures.local_failure(sent ? "lost" : "connect", fault.text, sent);
        failure.is_tls = true;
        if (fault.is_ca_ignored === true) {
            failure.is_ca_ignored = true;
        }
        return failure;
    }
    if (kind === "closed" || kind === "reset" || kind === "socket") {
        return failures.local_failure(sent ? "lost" : "connect", fault.text, sent, kind !== "socket");
    }
    return failures.local_failure(kind, fault.text, sent);
}

export { is_connection_closed, make_fault, of_rejected_option, of_socket, TIMEOUT, to_failure, too_large, type Fault };
