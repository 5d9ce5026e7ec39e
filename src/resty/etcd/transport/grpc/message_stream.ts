/** Streams of messages, such as watches. */
import * as clock from "../../base/clock";
import * as connection_ios from "./connection_io";
import * as exchanges from "./exchange";
import * as failures from "../failure";
import * as grpc_status from "./grpc_status";
import * as protobuf_codec from "./protobuf_codec";
import * as receivers from "./receiver";
import * as sessions from "./session";
import * as unary_calls from "./unary_call";
import type { Message } from "../../protocol/message";
import type { EtcdError } from "../../protocol/errors";
import type { Rpc } from "../../protocol/rpc";
import type { Attempt, Failure, Stream } from "../transport";
import type { Secrets } from "./grpc_status";
import type { Receiver } from "./receiver";
import type { Connection } from "./types";

const now = clock.now;
const max = math.max;

/** Seconds of a wait without a limit. */
const MAX_WAIT = 3600;
/** The stream ended, or was closed by its user. */
const CLOSED = failures.local_failure("closed", "closed", true);

interface Fields {
    readonly rpc: Rpc;
    readonly endpoint: string;
    readonly receiver: Receiver;
    readonly secrets: Secrets;
    /** Ends the stream when the object is collected as garbage. */
    readonly guard: object;
    /** A message that is being decoded. Kept here, because the light thread that decodes it can be killed. */
    undecoded: string | undefined;
    /** Why the stream has ended; nil while it is open. */
    ended: Failure | undefined;
    /** Failure found by `peek` or `try_recv`, not yet returned. */
    ahead: Failure | undefined;
    /** Message returned by `peek`, not yet by `recv`. */
    peeked: Message | undefined;
}

interface MessageStream extends Fields, Methods {}

/** Takes the next message that has arrived, or returns nil. */
function take(stream: Fields): string | undefined {
    const { receiver, undecoded } = stream;
    if (undecoded !== undefined) {
        return undecoded;
    }
    return receivers.take(receiver);
}

/** Ends the stream after a failure. After an error from the server, later calls return `closed`. */
function end_with(stream: Fields, failure: Failure): Failure {
    stream.ended = failure.kind === "status" ? CLOSED : failure;
    exchanges.cancel(stream.receiver);
    return failure;
}

function decode(stream: Fields, bytes: string): Result<Message, Failure> {
    stream.undecoded = bytes;
    const [message, bad] = protobuf_codec.decode(stream.rpc.reply, bytes);
    stream.undecoded = undefined;
    if (message === undefined) {
        return $multi(undefined, unary_calls.undecodable(bad!));
    }
    return $multi(message);
}

function take_peeked(stream: Fields): Message | undefined {
    const message = stream.peeked;
    stream.peeked = undefined;
    return message;
}

/** Returns what has arrived: a message, or why the stream has ended; nil and nil if there is nothing. */
function arrived(stream: Fields): LuaMultiReturn<[message: Message | undefined, failure?: Failure | undefined]> {
    const peeked = take_peeked(stream);
    if (peeked !== undefined) {
        return $multi(peeked);
    }
    const ahead = stream.ahead;
    if (ahead !== undefined) {
        stream.ahead = undefined;
        return $multi(undefined, stream.ended === undefined ? end_with(stream, ahead) : ahead);
    }
    if (stream.ended !== undefined) {
        return $multi(undefined, stream.ended);
    }
    const bytes = take(stream);
    if (bytes !== undefined) {
        const [message, failure] = decode(stream, bytes);
        return $multi(message, failure !== undefined ? end_with(stream, failure) : undefined);
    }
    const { receiver } = stream;
    if (receiver.ending !== undefined) {
        return $multi(undefined, end_with(stream, receivers.failure_of(receiver, stream.secrets) ?? CLOSED));
    }
    return $multi(undefined);
}

/**
 * Returns the next message.
 * @param timeout seconds without a byte
 * @param deadline of the complete message
 */
function receive(stream: Fields, timeout: number | undefined, deadline: number | undefined): Result<Message, Failure> {
    const { receiver } = stream;
    const started = now();
    while (true) {
        const [message, failure] = arrived(stream);
        if (message !== undefined) {
            return $multi(message);
        }
        if (failure !== undefined) {
            return $multi(undefined, failure);
        }
        let limit = deadline ?? now() + MAX_WAIT;
        if (timeout !== undefined) {
            limit = max(started, receiver.received_at) + timeout;
        }
        if (limit <= now()) {
            return $multi(undefined, end_with(stream, failures.local_failure("timeout", "timeout", true)));
        }
        const [outcome, reason] = exchanges.wait_until(receiver, limit);
        if (outcome === "cannot_wait") {
            return $multi(undefined, failures.local_failure("phase", `not in this phase: ${reason}`, true));
        }
    }
}

function recv(this: MessageStream, timeout: number | undefined): Result<Message, EtcdError> {
    const [message, failure] = receive(this, timeout, undefined);
    if (message === undefined) {
        return $multi(undefined, failures.stream_error(failure, this.endpoint));
    }
    return $multi(message);
}

function peek(this: MessageStream, timeout: number | undefined): Message | undefined {
    // a deadline, as single bytes would reset a timeout
    const [message, failure] = receive(this, undefined, timeout !== undefined ? now() + timeout : undefined);
    this.peeked = message;
    this.ahead = failure;
    return message;
}

function try_recv(this: MessageStream): Message | undefined {
    const peeked = take_peeked(this);
    if (peeked !== undefined) {
        return peeked;
    }
    if (this.ended !== undefined || this.ahead !== undefined) {
        return undefined;
    }
    const bytes = take(this);
    if (bytes === undefined) {
        return undefined;
    }
    if (bytes.length > protobuf_codec.LONG) {
        this.undecoded = bytes; // decoding would yield, and this function must not wait
        return undefined;
    }
    const [message, failure] = decode(this, bytes);
    this.ahead = failure;
    return message;
}

function last_received_at(this: MessageStream): number {
    return this.receiver.received_at;
}

/** Does nothing: `close` wakes the light thread that waits. */
function allow_cancel(this: MessageStream): void {}

function end_at_exit(this: MessageStream): void {
    this.receiver.ends_at_exit = true;
}

function close(this: MessageStream): void {
    if (this.ended === undefined) {
        end_with(this, CLOSED);
    }
}

const methods = { allow_cancel, close, end_at_exit, last_received_at, peek, recv, try_recv };
type Methods = typeof methods;
const mt: LuaMetatable<MessageStream, Methods> = { __index: methods };

/** Marks the receiver when the returned object is collected as garbage. The connection's owner ends the stream. */
function make_guard(receiver: Receiver): object {
    const proxy = newproxy(true);
    const proxy_mt = getmetatable(proxy) as { __gc?: (this: void) => void };
    proxy_mt.__gc = () => {
        receiver.is_abandoned = true;
    };
    return proxy;
}

/**
 * Opens a stream on a connection, and waits for the beginning of the response.
 * @param block header block of the request
 * @param body the first message with its prefix
 */
function open(
    connection: Connection,
    rpc: Rpc,
    block: string,
    body: string,
    attempt: Attempt,
): Result<Stream, Failure> {
    const [receiver, err] = receivers.new(connection);
    if (receiver === undefined) {
        return $multi(undefined, failures.local_failure("full", err, false));
    }
    const secrets = grpc_status.secrets_of(rpc, attempt);
    const { session } = connection;
    const [opened, reason] = sessions.open(session, block, receiver);
    if (opened === undefined) {
        return $multi(undefined, unary_calls.rejected(reason));
    }
    receiver.stream = opened;
    if (!sessions.send(session, opened, body, false)) {
        sessions.cancel(session, opened);
        return $multi(undefined, unary_calls.rejected("full"));
    }
    connection_ios.wake_writer(connection);
    const failure = receivers.wait_for_response(receiver, attempt);
    if (failure !== undefined) {
        return $multi(undefined, failure);
    }
    if (receiver.ending !== undefined && !receivers.has_messages(receiver)) {
        const ended = receivers.failure_of(receiver, secrets);
        if (ended !== undefined) {
            return $multi(undefined, ended);
        }
    }
    const fields: Fields = {
        rpc,
        endpoint: attempt.endpoint.http_host,
        receiver,
        secrets,
        guard: make_guard(receiver),
        undecoded: undefined,
        ended: undefined,
        ahead: undefined,
        peeked: undefined,
    };
    return $multi(setmetatable(fields as MessageStream, mt));
}

export { open };
