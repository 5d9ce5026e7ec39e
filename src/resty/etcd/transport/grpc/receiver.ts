/** What arrives on a stream. The connection knows it, and not the object that users have, which can become garbage. */
import * as semaphore from "ngx.semaphore";
import * as clock from "../../base/clock";
import * as connection_ios from "./connection_io";
import * as exchanges from "./exchange";
import * as failures from "../failure";
import * as grpc_messages from "./grpc_message";
import * as grpc_status from "./grpc_status";
import * as queues from "./queue";
import * as sessions from "./session";
import type { Attempt, Failure, Headers, LocalFailure } from "../transport";
import type { MessageReader, MessageSink } from "./grpc_message";
import type { Secrets } from "./grpc_status";
import type { Connection, Exchange, Queue, StreamEnd, StreamListener } from "./types";

const now = clock.now;
const sub = string.sub;

/** Bytes that are kept of a response which is not of gRPC. */
const MAX_PAGE = 4096;

/** What arrives on a stream. */
interface Receiver extends Exchange, StreamListener, MessageSink {
    readonly reader: MessageReader;
    /** Messages that `recv` has not taken. */
    readonly inbox: Queue<string>;
    /** Bytes that the server cannot send again yet, because the user has not taken those messages. */
    held: number;
    headers: Headers | undefined;
    trailers: Headers | undefined;
    is_grpc: boolean;
    page: string;
    problem: Problem;
    ending: StreamEnd | undefined;
    received_at: number;
    ends_at_exit: boolean;
    /** The stream is garbage. */
    is_abandoned: boolean;
}

function wake(receiver: Receiver): void {
    if (receiver.signal.count() < 0) {
        receiver.signal.post(1); // only if a light thread waits: a wait for what has been posted does not yield
    }
}

function has_messages(receiver: Receiver): boolean {
    return receiver.inbox.first <= receiver.inbox.last;
}

function on_headers(this: Receiver, headers: Headers, is_trailers: boolean): void {
    if (is_trailers) {
        this.trailers = headers;
    } else {
        this.headers = headers;
        this.is_grpc = grpc_status.is_grpc(headers);
    }
    this.received_at = now();
    wake(this);
}

/** Lets the server send on, unless messages wait for the user. What is incomplete is needed to go on. */
function grant(receiver: Receiver): void {
    if (receiver.held > 0 && !has_messages(receiver)) {
        sessions.consume(receiver.connection.session, receiver.stream, receiver.held);
        receiver.held = 0;
        connection_ios.flush(receiver.connection);
    }
}

function on_data(this: Receiver, s: string, from: number, last: number): Problem {
    this.received_at = now();
    this.held = this.held + last - from + 1;
    if (this.is_grpc) {
        this.problem = grpc_messages.feed(this.reader, s, from, last);
    } else if (this.page.length < MAX_PAGE) {
        this.page = sub(this.page + sub(s, from, last), 1, MAX_PAGE);
    }
    grant(this);
    return this.problem;
}

function on_message(this: Receiver, s: string, from: number, last: number): Problem {
    queues.push(this.inbox, sub(s, from, last));
    wake(this);
    return undefined;
}

function on_close(this: Receiver, ending: StreamEnd): void {
    this.ending = ending;
    wake(this);
}

function is_obsolete(this: Receiver, _time: number, is_exiting: boolean, is_moving: boolean): boolean {
    return this.is_abandoned || is_moving || (is_exiting && this.ends_at_exit);
}

const methods = { is_obsolete, on_close, on_data, on_headers, on_message };
const mt: LuaMetatable<Receiver, typeof methods> = { __index: methods };

/** Takes the next message that has arrived, or returns nil. */
function take(receiver: Receiver): string | undefined {
    const bytes = queues.pop(receiver.inbox);
    if (bytes !== undefined) {
        grant(receiver);
    }
    return bytes;
}

/** Returns why a receiver has ended; nil if it ended without an error. */
function failure_of(receiver: Receiver, secrets: Secrets): Failure | undefined {
    const { headers, ending } = receiver;
    if (ending!.kind === "complete" && headers !== undefined) {
        if (grpc_status.is_ok(headers, receiver.trailers) && grpc_messages.is_incomplete(receiver.reader)) {
            return failures.local_failure("malformed", "malformed reply: incomplete message", true);
        }
        return grpc_status.failure_of(headers, receiver.trailers, receiver.page, secrets);
    }
    const failure = exchanges.failure_of(receiver.connection, ending!, receiver.stream.id > 0, receiver.problem);
    return failure.text === "closed" ? undefined : failure;
}

function create(connection: Connection): Result<Receiver> {
    const [signal, err] = semaphore.new(0);
    if (signal === undefined) {
        return $multi(undefined, err);
    }
    const receiver = setmetatable(
        {
            connection,
            signal,
            is_waiting: false,
            inbox: queues.new<string>(),
            held: 0,
            headers: undefined,
            trailers: undefined,
            is_grpc: false,
            page: "",
            problem: undefined,
            ending: undefined,
            received_at: now(),
            ends_at_exit: false,
            is_abandoned: false,
        } as unknown as Receiver,
        mt,
    );
    (receiver as { reader: MessageReader }).reader = grpc_messages.new(receiver);
    return $multi(receiver);
}

/** Waits for the beginning of the response. Returns a failure if it did not come. */
function wait_for_response(receiver: Receiver, attempt: Attempt): LocalFailure | undefined {
    while (receiver.ending === undefined && !(receiver.headers !== undefined && receiver.is_grpc)) {
        const limit = exchanges.time_limit(receiver.connection, attempt);
        if (now() >= limit) {
            return exchanges.time_out(receiver, receiver.stream.id > 0);
        }
        const [outcome, reason] = exchanges.wait_until(receiver, limit);
        if (outcome === "cannot_wait") {
            return exchanges.fail_in_phase(receiver, reason);
        }
    }
    return undefined;
}

export { create as new, failure_of, has_messages, take, wait_for_response, type Receiver };
