import type { RequestContext } from "../transport";
import * as body_stream from "./body_stream";
import * as clock from "../../base/clock";
import * as cosocket from "./cosocket";
import type { Connected, Connector, StreamResponse, Response, RequestTemplate } from "./types";
import type { Head } from "./http1";
import * as http1 from "./http1";
import type { SocketReader } from "./socket_reader";
import * as socket_reader from "./socket_reader";

const now = clock.now;

/** How many dead pooled connections are thrown away in the search for a fresh one. */
const MAX_DISCARDS = 256;

/** The answer has begun; or not, and then `sent` tells whether some of the request may have left. */
type Asked = LuaMultiReturn<
    | [head: Head, source: SocketReader]
    | [head: undefined, source: undefined, err: string, sent: boolean, stale: boolean]
>;

/** Connects past the pool. */
function connect_fresh(connector: Connector, route: RequestTemplate, delivery: RequestContext): Connected {
    for (const _ of $range(1, MAX_DISCARDS)) {
        const [sock, err, reused, link] = connector.connect(route, delivery, now());
        if (sock === undefined) {
            return $multi(undefined, err);
        }
        if (!reused) {
            return $multi(sock, undefined, false, link);
        }
        sock.close();
    }
    return $multi(undefined, "no fresh connection");
}

/** Sends on a connection and reads the head of the answer. `stale`: the connection was dead from the start. */
function ask_on(
    sock: ngx.socket.Tcp,
    reused: boolean,
    link: unknown,
    connector: Connector,
    route: RequestTemplate,
    delivery: RequestContext,
    body: string,
): Asked {
    // where a TLS session may have been made the timeouts are those of connecting
    const is_set = reused && route.target.scheme === "http";
    const source = socket_reader.new(sock, delivery.deadline, is_set ? delivery.started : 0);
    const late = socket_reader.refresh_timeout(source);
    if (late !== undefined) {
        sock.close();
        return $multi(undefined, undefined, late, false, false);
    }
    const send_err = connector.send(link, route, delivery, body);
    if (send_err !== undefined) {
        sock.close();
        return $multi(undefined, undefined, send_err, true, reused && cosocket.is_connection_closed(send_err));
    }
    const [head, head_err] = http1.read_head(source);
    if (head === undefined) {
        sock.close();
        const stale = reused && !source.touched && cosocket.is_connection_closed(head_err);
        return $multi(undefined, undefined, head_err, true, stale);
    }
    return $multi(head, source);
}

/** Asks, with a second go on a fresh connection where the pooled one was dead and that is safe. */
function ask(connector: Connector, route: RequestTemplate, delivery: RequestContext, body: string): Asked {
    const [sock, connect_err, reused, link] = connector.connect(route, delivery, delivery.started);
    if (sock === undefined) {
        return $multi(undefined, undefined, connect_err, false, false);
    }
    const [head, source, err, sent, stale] = ask_on(sock, reused, link, connector, route, delivery, body);
    if (head !== undefined) {
        return $multi(head, source);
    }
    if (!stale || !delivery.is_repeatable) {
        return $multi(undefined, undefined, err, sent, stale);
    }
    const [fresh, fresh_err, , fresh_link] = connect_fresh(connector, route, delivery);
    if (fresh === undefined) {
        return $multi(undefined, undefined, fresh_err, true, false);
    }
    const [second, its_source, second_err] = ask_on(fresh, false, fresh_link, connector, route, delivery, body);
    if (second !== undefined) {
        return $multi(second, its_source);
    }
    return $multi(undefined, undefined, second_err, true, false); // the first one was sent, whatever became of this
}

/**
 * A request and its whole answer. Its connection waits for `settle`.
 * @returns the answer; or nil, an error text, and whether some of the request may have left
 */
function request(
    connector: Connector,
    route: RequestTemplate,
    delivery: RequestContext,
    body: string,
): LuaMultiReturn<[reply: Response, err?: undefined] | [reply: undefined, err: string, sent: boolean]> {
    const [head, source, err, sent] = ask(connector, route, delivery, body);
    if (head === undefined) {
        return $multi(undefined, err, sent);
    }
    const [text, body_err] = http1.read_body(source, head);
    if (text === undefined) {
        source.sock.close();
        return $multi(undefined, body_err, true);
    }
    // bytes beyond the answer belong to nothing: such a connection is not trusted again
    const keepalive = head.keepalive && socket_reader.available(source) === 0;
    return $multi({ status: head.status, headers: http1.own_headers(head), body: text, sock: source.sock, keepalive });
}

/**
 * Gives the connection of an answer back.
 * @param is_sound the answer made sense: the rest of one that was cut short may still be on its way
 */
function release_connection(route: RequestTemplate, reply: Response, is_sound: boolean): void {
    cosocket.release(route.connection_options, reply.sock, is_sound && reply.keepalive);
}

/**
 * A request whose answer is read as it comes.
 * @returns the begun answer; or nil, an error text, and whether some of the request may have left
 */
function open(
    connector: Connector,
    route: RequestTemplate,
    delivery: RequestContext,
    body: string,
): LuaMultiReturn<[opening: StreamResponse, err?: undefined] | [opening: undefined, err: string, sent: boolean]> {
    const phase = ngx.get_phase();
    if (phase === "init" || phase === "init_worker") {
        return $multi(undefined, `${cosocket.NOT_IN_THIS_PHASE}: streams`, false);
    }
    const [head, source, err, sent] = ask(connector, route, delivery, body);
    if (head === undefined) {
        return $multi(undefined, err, sent);
    }
    if (source.sock.receiveany === undefined) {
        source.sock.close();
        return $multi(undefined, "a stand-in for cosockets has no streams", true);
    }
    const headers = http1.own_headers(head);
    return $multi({ status: head.status, headers, body: body_stream.new(source, head) });
}

export { request, open, release_connection };
