import * as body_stream from "./body_stream";
import * as connection from "./connection";
import type { Delivery, HttpClient, Opening, Reply, Route } from "./http";
import * as http1 from "./http1";
import type { Head } from "./http1";
import * as source_reader from "./source";
import type { Source } from "./source";

/** The answer has begun; or not, and then `sent` tells whether some of the request may have left. */
type Asked = LuaMultiReturn<
    [head: Head, source: Source] | [head: undefined, source: undefined, err: string, sent: boolean, stale: boolean]
>;

/**
 * Connects, sends and reads the head of the answer. `stale` tells that the connection came from the pool and
 * was dead.
 */
function ask_once(route: Route, delivery: Delivery, body: string, fresh: boolean): Asked {
    const [sock, err, reused] = connection.connect(route, delivery, fresh);
    if (sock === undefined) {
        return $multi(undefined, undefined, err, false, false);
    }
    // the timeouts of a fresh connection were those of connecting
    const source = source_reader.new(sock, delivery.deadline, reused ? delivery.started : 0);
    const [bytes, send_err] = sock.send(http1.format_request(route, delivery.token, body));
    if (bytes === undefined) {
        sock.close();
        return $multi(undefined, undefined, send_err, true, reused && connection.is_dead(send_err));
    }
    const [head, head_err] = http1.read_head(source);
    if (head === undefined) {
        sock.close();
        const stale = reused && !source.touched && connection.is_dead(head_err);
        return $multi(undefined, undefined, head_err, true, stale);
    }
    return $multi(head, source);
}

/** As `ask_once`, with a second go on a fresh connection where that is safe. */
function ask(route: Route, delivery: Delivery, body: string): Asked {
    const [head, source, err, sent, stale] = ask_once(route, delivery, body, false);
    if (head !== undefined) {
        return $multi(head, source);
    }
    if (stale && route.repeatable) {
        return ask_once(route, delivery, body, true);
    }
    return $multi(undefined, undefined, err, sent, stale);
}

function exchange(
    this: void,
    route: Route,
    delivery: Delivery,
    body: string,
): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: string, sent: boolean]> {
    const [head, source, err, sent] = ask(route, delivery, body);
    if (head === undefined) {
        return $multi(undefined, err, sent);
    }
    const [text, body_err] = http1.read_body(source, head);
    if (text === undefined) {
        source.sock.close();
        return $multi(undefined, body_err, true);
    }
    // bytes beyond the answer belong to nothing: such a connection is not trusted again
    connection.release(route.peer, source.sock, head.keepalive && source_reader.available(source) === 0);
    return $multi({ status: head.status, headers: http1.own_headers(head), body: text });
}

function open(
    this: void,
    route: Route,
    delivery: Delivery,
    body: string,
): LuaMultiReturn<[opening: Opening, err?: undefined] | [opening: undefined, err: string, sent: boolean]> {
    const [head, source, err, sent] = ask(route, delivery, body);
    if (head === undefined) {
        return $multi(undefined, err, sent);
    }
    if (source.sock.receiveany === undefined) {
        source.sock.close();
        return $multi(undefined, `${connection.NOT_IN_THIS_PHASE}: streams`, true);
    }
    const headers = http1.own_headers(head);
    return $multi({ status: head.status, headers, body: body_stream.new(source, head) });
}

/** The embedded HTTP client: nothing but cosockets. */
const client: HttpClient = { exchange, open };

export { client };
