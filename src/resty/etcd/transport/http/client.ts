import type { Fault } from "../fault";
import * as faults from "../fault";
import type { LocalFailure, RequestContext } from "../transport";
import * as body_stream from "./body_stream";
import * as clock from "../../base/clock";
import * as phase from "../../base/phase";
import * as cosocket from "./cosocket";
import type { Connected, Connector, StreamResponse, Response, RequestTemplate } from "./types";
import * as failures from "../failure";
import * as http1 from "./http1";
import type { Head } from "./response_head";
import type { SocketReader } from "./socket_reader";
import * as socket_reader from "./socket_reader";

const now = clock.now;

/** Dead pooled connections that are closed, at most, before a new one is reported as impossible. */
const MAX_DISCARDS = 256;

/** The head of a response; or nil, a fault, whether a part of the request was possibly sent, and whether the connection was dead. */
type Sent = LuaMultiReturn<
    | [head: Head, source: SocketReader]
    | [head: undefined, source: undefined, fault: Fault, sent: boolean, stale: boolean]
>;

/** Returns a new connection, not one from the pool. */
function connect_fresh(connector: Connector, template: RequestTemplate, context: RequestContext): Connected {
    for (const _ of $range(1, MAX_DISCARDS)) {
        const [sock, err, reused, link] = connector.connect(template, context, now());
        if (sock === undefined) {
            return $multi(undefined, err);
        }
        if (!reused) {
            return $multi(sock, undefined, false, link);
        }
        sock.close();
    }
    return $multi(undefined, faults.make_fault("socket", "no fresh connection"));
}

/** Sends a request and reads the head of the response. `stale`: the server had closed the pooled connection before. */
function send_on(
    sock: ngx.socket.Tcp,
    reused: boolean,
    link: unknown,
    connector: Connector,
    template: RequestTemplate,
    context: RequestContext,
    body: string,
): Sent {
    // after a TLS handshake, the socket has the timeouts of the handshake
    const is_set = reused && template.target.scheme === "http";
    const source = socket_reader.new(sock, context.deadline, is_set ? context.started : 0);
    const late = socket_reader.refresh_timeout(source);
    if (late !== undefined) {
        sock.close();
        return $multi(undefined, undefined, late, false, false);
    }
    const send_err = connector.send(link, template, context, body);
    if (send_err !== undefined) {
        sock.close();
        return $multi(undefined, undefined, send_err, true, reused && faults.is_connection_closed(send_err));
    }
    const [head, head_err] = http1.read_head(source);
    if (head === undefined) {
        sock.close();
        const stale = reused && source.received === 0 && faults.is_connection_closed(head_err);
        return $multi(undefined, undefined, head_err, true, stale);
    }
    return $multi(head, source);
}

/** Sends a request. If the pooled connection was dead and the request is repeatable, sends it again on a new connection. */
function send_request(connector: Connector, template: RequestTemplate, context: RequestContext, body: string): Sent {
    if (context.progress !== undefined) {
        context.progress.dialed_at = now();
    }
    const [sock, connect_err, reused, link] = connector.connect(template, context, context.started);
    if (sock === undefined) {
        return $multi(undefined, undefined, connect_err, false, false);
    }
    const [head, source, err, sent, stale] = send_on(sock, reused, link, connector, template, context, body);
    if (head !== undefined) {
        return $multi(head, source);
    }
    if (!stale || !context.is_repeatable) {
        return $multi(undefined, undefined, err, sent, stale);
    }
    const [fresh, fresh_err, , fresh_link] = connect_fresh(connector, template, context);
    if (fresh === undefined) {
        return $multi(undefined, undefined, fresh_err, true, false);
    }
    const [fresh_head, fresh_source, second_err] = send_on(
        fresh,
        false,
        fresh_link,
        connector,
        template,
        context,
        body,
    );
    if (fresh_head !== undefined) {
        return $multi(fresh_head, fresh_source);
    }
    return $multi(undefined, undefined, second_err, true, false); // the first request was possibly sent
}

/**
 * Makes a request and reads the complete response. The caller releases the connection with `release_connection`.
 * @returns the response; or nil and a failure
 */
function request(
    connector: Connector,
    template: RequestTemplate,
    context: RequestContext,
    body: string,
): Result<Response, LocalFailure> {
    const [head, source, err, sent] = send_request(connector, template, context, body);
    if (head === undefined) {
        return $multi(undefined, faults.to_failure(err, sent));
    }
    const [text, body_err] = http1.read_body(source, head, context.max_response_size);
    if (text === undefined) {
        source.sock.close();
        const failure = faults.to_failure(body_err, true);
        if (body_err.kind === "too_large") {
            failure.http_status = head.status;
        }
        return $multi(undefined, failure);
    }
    // bytes after the response would be taken for the next one: the connection is not reused
    const is_drained = template.target.scheme !== "https" || !socket_reader.can_have_hidden_bytes(source);
    const keepalive = head.keepalive && socket_reader.available(source) === 0 && is_drained;
    return $multi({ status: head.status, headers: http1.own_headers(head), body: text, sock: source.sock, keepalive });
}

/**
 * Returns the connection of a response to its pool, or closes it.
 * @param is_sound the response was decoded: after a truncated one, its rest can still arrive
 */
function release_connection(template: RequestTemplate, response: Response, is_sound: boolean): void {
    cosocket.release(template.connection_options, response.sock, is_sound && response.keepalive);
}

/**
 * Makes a request whose response is read as it arrives.
 * @returns the response; or nil and a failure
 */
function open(
    connector: Connector,
    template: RequestTemplate,
    context: RequestContext,
    body: string,
): Result<StreamResponse, LocalFailure> {
    if (phase.is_starting()) {
        return $multi(undefined, failures.local_failure("phase", "not in this phase: streams", false));
    }
    const [head, source, err, sent] = send_request(connector, template, context, body);
    if (head === undefined) {
        return $multi(undefined, faults.to_failure(err, sent));
    }
    if (source.sock.receiveany === undefined) {
        source.sock.close();
        return $multi(undefined, failures.local_failure("lost", "blocking socket replacements have no streams", true));
    }
    const headers = http1.own_headers(head);
    return $multi({ status: head.status, headers, body: body_stream.new(source, head) });
}

export { request, open, release_connection };
