/** The transport over gRPC. What has no light threads or timers, and the page `/version`, goes over HTTP. */
import * as clock from "../../base/clock";
import * as digest from "../../base/digest";
import * as files from "../../base/files";
import * as phase from "../../base/phase";
import * as connections from "./connection";
import * as failures from "../failure";
import * as faults from "../fault";
import * as grpc_messages from "./grpc_message";
import * as message_streams from "./message_stream";
import * as peers from "./peer";
import * as protobuf_codec from "./protobuf_codec";
import * as request_blocks from "./request_block";
import * as unary_calls from "./unary_call";
import type { Endpoint } from "../../endpoint/endpoint";
import type { Message } from "../../protocol/message";
import type { Rpc } from "../../protocol/rpc";
import type { Attempt, Failure, Headers, LocalFailure, Reply, Stream, Transport } from "../transport";
import type { Targets } from "./request_block";
import type { Connection, Peer } from "./types";

const now = clock.now;
const sub = string.sub;

interface Fields {
    readonly identity: string;
    readonly http: Transport;
    readonly targets: Targets;
}

interface Grpc extends Fields, Methods {}

type Outcome = Result<Reply | Stream, Failure>;

/** Makes a request on a connection. */
type Run = (this: void, connection: Connection, rpc: Rpc, block: string, body: string, attempt: Attempt) => Outcome;

/** Reports whether the HTTP transport serves a call. */
function is_over_http(rpc: Rpc): boolean {
    return rpc.page === true || !phase.can_wait();
}

/** Returns the URL for streams. Programs written for 1.10 overwrite these fields of an endpoint. */
function stream_url(endpoint: Endpoint): string {
    const { scheme, address, api_prefix } = endpoint;
    if (typeof scheme !== "string" || typeof address !== "string" || typeof api_prefix !== "string") {
        return endpoint.full_prefix;
    }
    return `${scheme}://${address}:${endpoint.port ?? ""}${api_prefix}`;
}

/**
 * Reports whether a request can be sent again on another connection: this one has ended, and the request was not processed
 * or can be processed twice.
 */
function can_repeat(failure: Failure, attempt: Attempt): boolean {
    return (
        failure.kind !== "status" &&
        failure.is_closed_by_server &&
        (!failure.sent || attempt.is_repeatable) &&
        (attempt.deadline === undefined || now() < attempt.deadline)
    );
}

/** Reports whether a failed request was possibly processed. */
function was_sent(failure: Failure): boolean {
    return failure.kind === "status" || failure.sent;
}

/** Returns the failure of a request that was sent twice: the first one was possibly processed, whatever happened to the second. */
function as_sent(failure: Failure): Failure {
    if (was_sent(failure)) {
        return failure;
    }
    const { kind, text, is_closed_by_server } = failure as LocalFailure;
    return failures.local_failure(kind, text, true, is_closed_by_server);
}

/** Makes a request to a server, again if its connection has just ended. */
function run_at(run: Run, peer: Peer, rpc: Rpc, block: string, body: string, attempt: Attempt): Outcome {
    let repeats: Failure | undefined;
    while (true) {
        const [connection, fault] = connections.connection_to(peer);
        if (connection === undefined) {
            return $multi(undefined, faults.to_failure(fault, repeats !== undefined && was_sent(repeats)));
        }
        const was_ready = connection.session.is_ready;
        const [result, failure] = run(connection, rpc, block, body, attempt);
        if (result !== undefined) {
            return $multi(result);
        }
        if (repeats !== undefined || !was_ready || !can_repeat(failure, attempt)) {
            return $multi(undefined, repeats !== undefined && was_sent(repeats) ? as_sent(failure) : failure);
        }
        repeats = failure;
    }
}

/** Makes a request to an endpoint. */
function request(grpc: Fields, run: Run, rpc: Rpc, body: string, attempt: Attempt, url: string): Outcome {
    const { targets } = grpc;
    const [target, problem] = request_blocks.target_of(targets, attempt.endpoint, url);
    if (target === undefined) {
        return $multi(undefined, problem);
    }
    const block = request_blocks.block_of(targets, target, rpc, attempt);
    const proxy = attempt.unix_proxy;
    if (proxy !== undefined && files.exists(sub(proxy, 6))) {
        const [result, failure] = run_at(run, peers.at(proxy, undefined), rpc, block, body, attempt);
        if (result !== undefined) {
            return $multi(result);
        }
        if (was_sent(failure) || failure.kind !== "connect") {
            return $multi(undefined, failure);
        }
    }
    return run_at(run, target.peer, rpc, block, body, attempt);
}

function encode(this: Grpc, rpc: Rpc, message: Message): Result<string> {
    if (is_over_http(rpc)) {
        return this.http.encode(rpc, message);
    }
    const [bytes, problem] = protobuf_codec.encode(rpc.request, message);
    if (bytes === undefined) {
        return $multi(undefined, problem);
    }
    return $multi(grpc_messages.encode(bytes));
}

function unary(this: Grpc, rpc: Rpc, payload: string, attempt: Attempt): Result<Reply, Failure> {
    if (is_over_http(rpc)) {
        return this.http.unary(rpc, payload, attempt);
    }
    return request(this, unary_calls.run, rpc, payload, attempt, attempt.endpoint.full_prefix) as Result<
        Reply,
        Failure
    >;
}

function open(this: Grpc, rpc: Rpc, payload: string, attempt: Attempt): Result<Stream, Failure> {
    if (is_over_http(rpc)) {
        return this.http.open(rpc, payload, attempt);
    }
    const url = stream_url(attempt.endpoint);
    return request(this, message_streams.open, rpc, payload, attempt, url) as Result<Stream, Failure>;
}

function close(this: Grpc): void {
    request_blocks.clear(this.targets);
    this.http.close();
}

const methods = { close, encode, open, unary };
type Methods = typeof methods;
const mt: LuaMetatable<Grpc, Methods> = { __index: methods };

/**
 * Creates a transport over gRPC. Connections are shared by all clients of the worker.
 * @param http serves what gRPC cannot
 * @param fields extra header fields
 * @param host replaces the host of endpoints; nil if not given
 */
function create(http: Transport, fields: Headers, host: string | undefined): Transport {
    const identity = digest.of(digest.field("grpc", http.identity));
    return setmetatable({ identity, http, targets: request_blocks.new(fields, host) } as Grpc, mt);
}

export { create as new };
