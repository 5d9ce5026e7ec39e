/** Calls with a single response. Their objects and semaphores are used again. */
import * as semaphore from "ngx.semaphore";
import * as exchanges from "./exchange";
import * as failures from "../failure";
import * as connection_ios from "./connection_io";
import * as grpc_messages from "./grpc_message";
import * as grpc_status from "./grpc_status";
import * as protobuf_codec from "./protobuf_codec";
import * as sessions from "./session";
import * as clock from "../../base/clock";
import type { Message } from "../../protocol/message";
import type { Rpc } from "../../protocol/rpc";
import type { Attempt, Failure, Headers, LocalFailure, Reply } from "../transport";
import type { MessageReader, MessageSink } from "./grpc_message";
import type { Connection, Exchange, Stream, StreamEnd, StreamListener } from "./types";

const now = clock.now;
const sub = string.sub;

/** Calls that are kept for later ones. */
const MAX_KEPT = 256;
/** Bytes that are kept of a response which is not of gRPC. */
const MAX_PAGE = 4096;

/** HTTP status of all responses of gRPC. */
const OK = 200;

const QUEUE_FULL = "too many requests wait to be sent";

interface UnaryCall extends Exchange, StreamListener, MessageSink {
    readonly reader: MessageReader;
    rpc: Rpc;
    deadline: number;
    headers: Headers | undefined;
    trailers: Headers | undefined;
    is_grpc: boolean;
    page: string;
    message: Message | undefined;
    /** A long message, which the caller decodes. */
    bytes: string | undefined;
    /** What is wrong with the response. */
    problem: Problem;
    /** The message is malformed: the name of the field. */
    bad_field: string | undefined;
    ending: StreamEnd | undefined;
    received: number;
    /** The object of the last stream, to be used again. */
    kept_stream: Stream | undefined;
}

const kept: UnaryCall[] = [];

function on_headers(this: UnaryCall, headers: Headers, is_trailers: boolean): void {
    if (is_trailers) {
        this.trailers = headers;
    } else {
        this.headers = headers;
        this.is_grpc = grpc_status.is_grpc(headers);
    }
}

function on_data(this: UnaryCall, s: string, from: number, last: number): Problem {
    const size = last - from + 1;
    this.received = this.received + size;
    sessions.consume(this.connection.session, this.stream, size);
    if (this.is_grpc) {
        this.problem = grpc_messages.feed(this.reader, s, from, last);
    } else if (this.page.length < MAX_PAGE) {
        this.page = sub(this.page + sub(s, from, last), 1, MAX_PAGE);
    }
    return this.problem;
}

function on_message(this: UnaryCall, s: string, from: number, last: number): Problem {
    if (this.message !== undefined || this.bytes !== undefined) {
        return "malformed reply: more than one message";
    }
    if (last - from + 1 > protobuf_codec.LONG) {
        this.bytes = sub(s, from, last);
    } else {
        const [message, bad] = protobuf_codec.decode_at(this.rpc.reply, s, from, last);
        this.message = message;
        this.bad_field = bad;
    }
    return undefined;
}

function on_close(this: UnaryCall, ending: StreamEnd): void {
    this.ending = ending;
    if (this.is_waiting) {
        this.signal.post(1);
    }
}

/** Also if the light thread that waits was killed: it has left the semaphore. */
function is_obsolete(this: UnaryCall, time: number): boolean {
    return time > this.deadline || (this.is_waiting && this.signal.count() >= 0);
}

const methods = { is_obsolete, on_close, on_data, on_headers, on_message };
const mt: LuaMetatable<UnaryCall, typeof methods> = { __index: methods };

/** Returns the failure of a request that a connection does not accept. */
function rejected(reason: "draining" | "full"): LocalFailure {
    return reason === "draining"
        ? failures.local_failure("connect", "closed", false, true)
        : failures.local_failure("full", QUEUE_FULL, false);
}

/** Removes what belongs to a call, so that its object keeps no large message alive. */
function clear(call: UnaryCall): void {
    call.headers = undefined;
    call.trailers = undefined;
    call.is_grpc = false;
    call.page = "";
    call.message = undefined;
    call.bytes = undefined;
    call.problem = undefined;
    call.bad_field = undefined;
    call.ending = undefined;
    call.received = 0;
}

/** Returns a call object; or nil and an error text. */
function take(): Result<UnaryCall> {
    const last = kept.pop();
    if (last !== undefined) {
        return $multi(last);
    }
    const [signal, err] = semaphore.new(0);
    if (signal === undefined) {
        return $multi(undefined, err);
    }
    const call = setmetatable({ signal, is_waiting: false } as UnaryCall, mt);
    (call as { reader: MessageReader }).reader = grpc_messages.new(call);
    clear(call);
    return $multi(call);
}

/** Keeps a call object, unless its semaphore or its stream can still be used by others. */
function give_back(call: UnaryCall): void {
    if (call.signal.count() === 0 && kept.length < MAX_KEPT) {
        call.kept_stream = sessions.recycle(call.stream);
        clear(call);
        grpc_messages.reset(call.reader);
        kept.push(call);
    }
}

/** Waits for the end of a call. Returns a failure if it did not come. */
function wait(call: UnaryCall, attempt: Attempt): LocalFailure | undefined {
    while (call.ending === undefined) {
        const limit = exchanges.time_limit(call.connection, attempt);
        if (now() >= limit) {
            return exchanges.time_out(call, call.stream.has_ended);
        }
        const [outcome, reason] = exchanges.wait_until(call, limit);
        if (outcome === "cannot_wait") {
            return exchanges.fail_in_phase(call, reason);
        }
    }
    return undefined;
}

/** Returns the failure of a response whose message is malformed. */
function undecodable(field: string): LocalFailure {
    return failures.undecodable(`invalid response body: malformed ${field}`, OK);
}

/** Returns the message of a call that has ended. */
function message_of(call: UnaryCall, attempt: Attempt): Result<Message, Failure> {
    const { headers, ending } = call;
    if (ending!.kind !== "complete" || headers === undefined) {
        return $multi(undefined, exchanges.failure_of(call.connection, ending!, call.stream.has_ended, call.problem));
    }
    if (!grpc_status.is_ok(headers, call.trailers)) {
        const secrets = grpc_status.secrets_of(call.rpc, attempt);
        return $multi(undefined, grpc_status.failure_of(headers, call.trailers, call.page, secrets)!);
    }
    if (grpc_messages.is_incomplete(call.reader)) {
        return $multi(undefined, failures.local_failure("malformed", "malformed reply: incomplete message", true));
    }
    let { message, bad_field } = call;
    if (call.bytes !== undefined) {
        [message, bad_field] = protobuf_codec.decode(call.rpc.reply, call.bytes);
    }
    if (bad_field !== undefined) {
        return $multi(undefined, undecodable(bad_field));
    }
    if (message === undefined) {
        return $multi(undefined, failures.local_failure("malformed", "malformed reply: no message", true));
    }
    return $multi(message);
}

/**
 * Makes a call on a connection.
 * @param block header block of the request
 * @param body the message with its prefix
 */
function run(connection: Connection, rpc: Rpc, block: string, body: string, attempt: Attempt): Result<Reply, Failure> {
    const [call, err] = take();
    if (call === undefined) {
        return $multi(undefined, failures.local_failure("full", err, false));
    }
    call.rpc = rpc;
    call.connection = connection;
    call.deadline = exchanges.deadline_of(attempt);
    const { session } = connection;
    const [stream, reason] = sessions.open(session, block, call, call.kept_stream);
    if (stream === undefined) {
        return $multi(undefined, rejected(reason));
    }
    call.stream = stream;
    call.kept_stream = undefined;
    if (!sessions.send(session, stream, body, true)) {
        sessions.cancel(session, stream);
        return $multi(undefined, rejected("full"));
    }
    connection_ios.wake_writer(connection);
    const failure = wait(call, attempt);
    attempt.received = call.received;
    if (failure !== undefined) {
        return $multi(undefined, failure);
    }
    const [message, bad] = message_of(call, attempt);
    if (message === undefined) {
        give_back(call);
        return $multi(undefined, bad);
    }
    const reply: Reply = { status: OK, headers: grpc_status.metadata_of(call.headers!), body: message };
    give_back(call);
    return $multi(reply);
}

export { rejected, run, undecodable };
