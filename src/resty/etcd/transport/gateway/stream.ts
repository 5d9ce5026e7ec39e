import type { Message } from "../../protocol/message";
import * as cjson from "../../base/private_cjson";
import * as byte_parts from "../../base/byte_parts";
import type { ByteParts } from "../../base/byte_parts";
import * as clock from "../../base/clock";
import * as failures from "../failure";
import * as faults from "../fault";
import type { EtcdError } from "../../protocol/errors";
import * as error_body from "./error_body";
import * as response_texts from "../response_text";
import type { Body } from "../http/types";
import * as chunked_json from "./chunked_json";
import type { Limits } from "./chunked_json";
import type { Rpc } from "../../protocol/rpc";
import type { TimeSlice } from "../../base/time_slice";
import * as time_slice from "../../base/time_slice";
import type { Failure, LocalFailure, RequestContext, Stream } from "../transport";

const now = clock.now;
const find = string.find as StringFind;
const sub = string.sub;

/** Bytes of a response that are looked at for an error text. */
const MAX_SHOWN = 65536;

/** The stream ended, or was closed by its user. */
const CLOSED = failures.local_failure("closed", "closed", true);

interface Fields {
    readonly rpc: Rpc;
    readonly endpoint: string;
    readonly body: Body;
    /** Token of the request; removed from error texts. */
    readonly token: string | undefined;
    /** Bytes of the body; those before `at` are consumed. */
    text: string;
    at: number;
    /** Beginning of a line whose end has not arrived. */
    parts: ByteParts;
    /** Bytes of the longest line, which is one message. */
    readonly max_response_size: number;
    /** Time by which the message that is being received must be complete; nil for none. Read as `Limits` of the decoder. */
    deadline: number | undefined;
    /** A long line that is being decoded. Kept here, because the light thread that decodes it can be killed. */
    undecoded: string | undefined;
    /** Why the stream has ended; nil while it is open. */
    ended: Failure | undefined;
    /** Failure found by `peek` or `try_recv`, not yet returned. */
    ahead: Failure | undefined;
    /** Message returned by `peek`, not yet by `recv`. */
    peeked: Message | undefined;
    /** Work since the stream has waited for bytes, in all calls: a server that always sends must not occupy the worker. */
    readonly slice: TimeSlice;
}

interface GatewayStream extends Fields, Methods {}

/** Returns the next complete line without its line break, or nil if it has not arrived. */
function take_line(stream: Fields): string | undefined {
    const undecoded = stream.undecoded;
    if (undecoded !== undefined) {
        return undecoded;
    }
    const [stop] = find(stream.text, "\n", stream.at, true);
    if (stop === undefined) {
        if (stream.at <= stream.text.length) {
            const rest = sub(stream.text, stream.at);
            byte_parts.add(stream.parts, rest);
            stream.text = "";
            stream.at = 1;
        }
        return undefined;
    }
    let line = sub(stream.text, stream.at, stop - 1);
    stream.at = stop + 1;
    if (stream.parts.length > 0) {
        byte_parts.add(stream.parts, line);
        line = byte_parts.join(stream.parts);
        stream.parts = byte_parts.new();
    }
    return line;
}

function add(stream: Fields, bytes: string): void {
    stream.text = bytes;
    stream.at = 1;
}

/**
 * Returns the failure of a response with status 200, or of a line of it, that etcd does not send.
 * @param token token of the request; nil if it had none
 * @param is_shown the failure shows its beginning
 */
function invalid_body(text_of_body: string, token: string | undefined, is_shown: boolean): LocalFailure {
    const body = sub(text_of_body, 1, MAX_SHOWN);
    const redacted = response_texts.redact_token(body, token);
    let text = `invalid response body: ${is_shown ? response_texts.snippet(redacted) : "not shown"}`;
    if (response_texts.is_markup(body)) {
        text = response_texts.foreign_text(200, is_shown ? response_texts.page_text(redacted) : "not shown");
    }
    return failures.local_failure("undecodable", text, true);
}

/**
 * Decodes a line. Returns nil and nil for an empty one.
 * @param token token of the request; nil if it had none
 * @param limits bounds of a long line
 */
function decode_line(
    rpc: Rpc,
    line: string,
    token: string | undefined,
    limits: Limits,
): LuaMultiReturn<[message: Message | undefined, failure?: Failure]> {
    if (line.length <= chunked_json.LONG && find(line, "^%s*$")[0] !== undefined) {
        return $multi(undefined);
    }
    const [json, bad, stopped] = chunked_json.decode(rpc.reply, line, "result", limits);
    if (stopped !== undefined) {
        return $multi(undefined, stopped);
    }
    if (typeof json !== "object") {
        return $multi(undefined, invalid_body(line, token, true));
    }
    const envelope = json as { result?: unknown; error?: unknown };
    if (envelope.error !== undefined && envelope.error !== cjson.null) {
        return $multi(undefined, error_body.from_stream(envelope.error, token));
    }
    const result = envelope.result;
    if (result === undefined || bad !== undefined) {
        return $multi(undefined, invalid_body(line, token, true));
    }
    return $multi(result as Message);
}

function end_with(stream: Fields, failure: Failure): void {
    stream.ended = failure;
    stream.body.close();
}

/** Ends the stream after a failure. After an error from the server, later calls return `closed`. */
function failed(stream: Fields, failure: Failure): Failure {
    end_with(stream, failure.kind === "status" ? CLOSED : failure);
    return failure;
}

function take_peeked(stream: Fields): Message | undefined {
    const message = stream.peeked;
    stream.peeked = undefined;
    return message;
}

function try_recv(this: GatewayStream): Message | undefined {
    const peeked = take_peeked(this);
    if (peeked !== undefined) {
        return peeked;
    }
    this.deadline = undefined;
    while (this.ended === undefined && this.ahead === undefined) {
        const line = take_line(this);
        if (line === undefined) {
            const bytes = this.body.peek();
            if (bytes === undefined) {
                return undefined;
            }
            add(this, bytes);
        } else if (line.length > chunked_json.LONG) {
            this.undecoded = line; // decoding would yield, and this function must not wait
            return undefined;
        } else {
            const [message, err] = decode_line(this.rpc, line, this.token, this);
            if (message !== undefined) {
                return message;
            }
            this.ahead = err;
        }
    }
    return undefined;
}

/** Ends the stream with the body. Old gateways write the last error without a line break, so an open line is decoded. */
function finish(stream: Fields): LuaMultiReturn<[message: Message | undefined, failure?: Failure]> {
    const rest = byte_parts.join(stream.parts);
    stream.parts = byte_parts.new();
    end_with(stream, CLOSED);
    return decode_line(stream.rpc, rest, stream.token, stream);
}

/**
 * Returns the next message.
 * @param timeout seconds without a byte
 * @param deadline of the complete message
 */
function receive(stream: Fields, timeout: number | undefined, deadline: number | undefined): Result<Message, Failure> {
    const peeked = take_peeked(stream);
    if (peeked !== undefined) {
        return $multi(peeked);
    }
    stream.deadline = deadline;
    while (true) {
        if (stream.ahead !== undefined) {
            const err = stream.ahead;
            stream.ahead = undefined;
            return $multi(undefined, stream.ended === undefined ? failed(stream, err) : err);
        }
        if (stream.ended !== undefined) {
            return $multi(undefined, stream.ended);
        }
        const line = take_line(stream);
        if (line !== undefined) {
            stream.undecoded = line;
            const [message, err] = decode_line(stream.rpc, line, stream.token, stream);
            stream.undecoded = undefined;
            if (message !== undefined) {
                return $multi(message);
            }
            if (err !== undefined) {
                return $multi(undefined, failed(stream, err));
            }
        } else if (stream.parts.length > stream.max_response_size) {
            end_with(stream, faults.to_failure(faults.too_large(stream.max_response_size), true));
        } else {
            const time = now();
            const [bytes, fault] = stream.body.read(deadline !== undefined ? deadline - time : timeout);
            if (bytes === undefined) {
                end_with(stream, fault.kind === "closed" ? CLOSED : faults.to_failure(fault, true));
            } else if (bytes !== "") {
                add(stream, bytes);
                time_slice.restart_after_wait(stream.slice, time);
                time_slice.yield_if_due(stream.slice);
            } else {
                const [message, err] = finish(stream);
                if (message !== undefined) {
                    return $multi(message);
                }
                if (err !== undefined) {
                    return $multi(undefined, err);
                }
            }
        }
    }
}

function recv(this: GatewayStream, timeout: number | undefined): Result<Message, EtcdError> {
    const [message, failure] = receive(this, timeout, undefined);
    if (message === undefined) {
        return $multi(undefined, failures.stream_error(failure, this.endpoint));
    }
    return $multi(message);
}

function peek(this: GatewayStream, timeout: number | undefined): Message | undefined {
    // a deadline, as single bytes would reset a timeout
    const [message, err] = receive(this, undefined, timeout !== undefined ? now() + timeout : undefined);
    this.peeked = message;
    this.ahead = err;
    return message;
}

function last_received_at(this: GatewayStream): number {
    return this.body.last_received_at();
}

function allow_cancel(this: GatewayStream): void {
    this.body.allow_cancel();
}

function end_at_exit(this: GatewayStream): void {
    this.body.end_at_exit();
}

function close(this: GatewayStream): void {
    if (this.ended === undefined) {
        end_with(this, CLOSED);
    }
}

const methods = { allow_cancel, close, end_at_exit, last_received_at, peek, recv, try_recv };
type Methods = typeof methods;
const mt: LuaMetatable<GatewayStream, Methods> = { __index: methods };

/** Creates a stream of messages over a response body. */
function create(rpc: Rpc, endpoint: string, body: Body, context: RequestContext): Stream {
    const fields: Fields = {
        rpc,
        endpoint,
        body,
        token: context.token,
        text: "",
        at: 1,
        parts: byte_parts.new(),
        max_response_size: context.max_response_size,
        deadline: undefined,
        undecoded: undefined,
        ended: undefined,
        ahead: undefined,
        peeked: undefined,
        slice: time_slice.start(),
    };
    return setmetatable(fields as GatewayStream, mt);
}

export { create as new, decode_line, invalid_body };
