import * as body_stream from "./body_stream";
import * as clock from "./clock";
import * as connection from "./connection";
import type { Budget, HttpClient, Opening, Peer, Reply, Request } from "./http";
import * as http1 from "./http1";
import type { Head } from "./http1";
import * as source_reader from "./source";
import type { Source } from "./source";

const now = clock.now;

/** A request whose answer has begun. */
interface Asked {
    readonly head: Head;
    readonly source: Source;
}

/**
 * Connects, sends and reads the head of the answer.
 * @returns what was asked; or nil, an error text, whether some of the request may have left, and whether
 * the connection came from the pool and was dead
 */
function ask_once(
    peer: Peer,
    request: Request,
    budget: Budget,
    fresh: boolean,
): LuaMultiReturn<[asked: Asked, err?: undefined] | [asked: undefined, err: string, sent: boolean, stale: boolean]> {
    const started = now();
    const [sock, err, reused] = connection.connect(peer, request, budget, fresh);
    if (sock === undefined) {
        return $multi(undefined, err, false, false);
    }
    // the timeouts of a fresh connection were those of connecting
    const source = source_reader.new(sock, budget.deadline, reused ? started : 0);
    const [bytes, send_err] = sock.send(http1.format_request(request));
    if (bytes === undefined) {
        sock.close();
        return $multi(undefined, send_err, true, reused && connection.is_dead(send_err));
    }
    const [head, head_err] = http1.read_head(source);
    if (head === undefined) {
        sock.close();
        return $multi(undefined, head_err, true, reused && !source.touched && connection.is_dead(head_err));
    }
    return $multi({ head, source });
}

/** As `ask_once`, with a second go on a fresh connection where that is safe. */
function ask(
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<[asked: Asked, err?: undefined] | [asked: undefined, err: string, sent: boolean]> {
    const [asked, err, sent, stale] = ask_once(peer, request, budget, false);
    if (asked !== undefined) {
        return $multi(asked);
    }
    if (stale && request.repeatable) {
        const [again, again_err, again_sent] = ask_once(peer, request, budget, true);
        if (again !== undefined) {
            return $multi(again);
        }
        return $multi(undefined, again_err, again_sent);
    }
    return $multi(undefined, err, sent);
}

function exchange(
    this: void,
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: string, sent: boolean]> {
    const [asked, err, sent] = ask(peer, request, budget);
    if (asked === undefined) {
        return $multi(undefined, err, sent);
    }
    const { head, source } = asked;
    const [body, body_err] = http1.read_body(source, head);
    if (body === undefined) {
        source.sock.close();
        return $multi(undefined, body_err, true);
    }
    // bytes beyond the answer belong to nothing: such a connection is not trusted again
    connection.release(peer, source.sock, head.keepalive && source_reader.available(source) === 0);
    return $multi({ status: head.status, headers: head.headers, body });
}

function open(
    this: void,
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<[opening: Opening, err?: undefined] | [opening: undefined, err: string, sent: boolean]> {
    const [asked, err, sent] = ask(peer, request, budget);
    if (asked === undefined) {
        return $multi(undefined, err, sent);
    }
    const { head, source } = asked;
    if (source.sock.receiveany === undefined) {
        source.sock.close();
        return $multi(undefined, "no streams in this phase", true);
    }
    return $multi({ status: head.status, headers: head.headers, body: body_stream.new(source, head) });
}

/** The embedded HTTP client: nothing but cosockets. */
const client: HttpClient = { exchange, open };

export { client };
