import * as clock from "../../base/clock";
import type { Fault } from "../fault";
import * as faults from "../fault";
import type { Body } from "./types";
import type { Head } from "./response_head";
import * as http1 from "./http1";
import * as socket_reader from "./socket_reader";
import type { SocketReader } from "./socket_reader";

const now = clock.now;
const find = string.find as StringFind;
const sub = string.sub;
const min = math.min;

/** Longest time in seconds before a canceled read notices it. */
const CANCEL_INTERVAL = 0.5;
/**
 * Longest time in seconds before a read notices that the worker is exiting. nginx logs each socket timeout, unless
 * `lua_socket_log_errors` is off, so that shorter intervals would fill the log.
 */
const EXIT_INTERVAL = 5;
/** Seconds; longer than any socket timeout. */
const FOREVER = 1e9;
/** The user closed the stream; unlike `closed` by the server, this is never the end of a body. */
const CANCELED = faults.make_fault("closed", "closed");

/** What the next bytes belong to. */
type State = "size" | "data" | "gap" | "trailer" | "done";

interface Fields {
    readonly source: SocketReader;
    readonly chunked: boolean;
    state: State;
    /** Bytes left of the chunk or the body; nil if the body ends with the connection. */
    left: number | undefined;
    /** Lines of the trailer section. */
    trailers: number;
    /** An error in the framing: the bytes behind it have no meaning. */
    malformed: Fault | undefined;
    closed: boolean;
    /** Longest time in seconds before a read notices that it has ended without the server. */
    check_interval: number;
    next_check_at: number;
    ends_at_exit: boolean;
    received_at: number;
}

interface BodyStream extends Fields, Methods {}

/** Returns a complete line, or nil if it has not arrived. */
function buffered_line(source: SocketReader): string | undefined {
    const [start, stop] = find(source.buffer, "\r\n", source.at, true);
    if (start === undefined) {
        return undefined;
    }
    const line = sub(source.buffer, source.at, start - 1);
    source.at = stop + 1;
    return line;
}

/**
 * Decodes the bytes that have arrived.
 * @returns bytes of the body, "" at its end; nil if more bytes must arrive, or if the framing is malformed
 */
function decode(body: Fields): string | undefined {
    const source = body.source;
    while (body.malformed === undefined) {
        if (body.state === "done") {
            return "";
        }
        const waiting = socket_reader.available(source);
        if (body.state === "data") {
            if (waiting === 0) {
                return undefined;
            }
            if (body.left === undefined) {
                return socket_reader.take_all(source);
            }
            const bytes = socket_reader.take(source, min(waiting, body.left));
            body.left = body.left - bytes.length;
            if (body.left === 0) {
                body.state = body.chunked ? "gap" : "done";
            }
            return bytes;
        }
        const line = buffered_line(source);
        if (line === undefined) {
            if (waiting > 65536) {
                body.malformed = faults.make_fault("malformed", "malformed reply: line too long");
            }
            return undefined;
        }
        if (body.state === "gap") {
            if (line !== "") {
                body.malformed = faults.make_fault("malformed", "malformed reply: bad chunk end");
            }
            body.state = "size";
        } else if (body.state === "size") {
            const size = http1.parse_chunk_size(line);
            if (size === undefined) {
                body.malformed = faults.make_fault("malformed", "malformed reply: bad chunk size");
            } else {
                body.left = size;
                body.state = size === 0 ? "trailer" : "data";
            }
        } else {
            body.trailers = body.trailers + 1;
            const [is_end, bad] = http1.ends_trailers(line, body.trailers);
            body.malformed = bad;
            if (is_end === true) {
                body.state = "done";
            }
        }
    }
    return undefined;
}

/** Checks whether the worker is exiting, at most once in `check_interval`, so that a stream opened after that lives as long. */
function is_ended_by_exit(body: Fields): boolean {
    const time = now();
    if (time < body.next_check_at) {
        return false;
    }
    body.next_check_at = time + body.check_interval;
    return body.ends_at_exit && ngx.worker.exiting();
}

/** Waits for more bytes until `deadline`, and checks every `check_interval` whether the stream has ended meanwhile. */
function wait(body: Fields, deadline: number | undefined): Fault | undefined {
    const source = body.source;
    while (true) {
        if (is_ended_by_exit(body)) {
            return CANCELED;
        }
        let wait_until = body.next_check_at;
        if (deadline !== undefined) {
            wait_until = min(wait_until, deadline);
        }
        source.deadline = wait_until;
        source.timeouts_set_at = 0;
        // a cosocket raises an error outside the request that opened it
        const [ok, result] = protected_call(socket_reader.read_more, source);
        if (body.closed) {
            return CANCELED;
        }
        if (!ok) {
            return faults.of_socket(tostring(result));
        }
        const fault = result as Fault | undefined;
        if (fault === undefined) {
            body.received_at = now();
            return undefined;
        }
        if (fault.kind !== "timeout" || (deadline !== undefined && now() >= deadline)) {
            return fault;
        }
    }
}

function peek(this: BodyStream): string | undefined {
    const bytes = decode(this);
    if (bytes === "") {
        return undefined;
    }
    return bytes;
}

function last_received_at(this: BodyStream): number {
    return this.received_at;
}

function set_check_interval(body: Fields, seconds: number): void {
    body.check_interval = min(body.check_interval, seconds);
    body.next_check_at = now() + body.check_interval;
}

function allow_cancel(this: BodyStream): void {
    set_check_interval(this, CANCEL_INTERVAL);
}

function end_at_exit(this: BodyStream): void {
    this.ends_at_exit = true;
    set_check_interval(this, EXIT_INTERVAL);
}

function close(this: BodyStream): void {
    this.closed = true;
    // fails while another light thread reads, which then sees `closed` and closes; raises an error in other requests
    const sock = this.source.sock;
    pcall(sock.close, sock);
}

function read(this: BodyStream, timeout: number | undefined): Result<string, Fault> {
    const deadline = timeout !== undefined ? now() + timeout : undefined;
    while (true) {
        if (this.closed) {
            return $multi(undefined, CANCELED);
        }
        const bytes = decode(this);
        if (bytes !== undefined) {
            return $multi(bytes);
        }
        const fault = this.malformed ?? wait(this, deadline);
        if (fault !== undefined) {
            const ends_body = this.state === "data" && this.left === undefined;
            if (ends_body && fault.kind === "closed" && fault !== CANCELED) {
                this.state = "done";
            } else {
                this.close();
                return $multi(undefined, fault);
            }
        }
    }
}

const methods = { allow_cancel, close, end_at_exit, last_received_at, peek, read };
type Methods = typeof methods;
const mt: LuaMetatable<BodyStream, Methods> = { __index: methods };

/** Creates a body that is read as it arrives. */
function create(source: SocketReader, head: Head): Body {
    const chunked = head.framing === "chunked";
    const fields: Fields = {
        source,
        chunked,
        state: chunked ? "size" : "data",
        left: head.framing === "length" ? head.length : undefined,
        trailers: 0,
        malformed: undefined,
        closed: false,
        check_interval: FOREVER,
        next_check_at: FOREVER,
        ends_at_exit: false,
        received_at: now(),
    };
    if (fields.left === 0) {
        fields.state = "done";
    }
    return setmetatable(fields as BodyStream, mt);
}

export { create as new };
