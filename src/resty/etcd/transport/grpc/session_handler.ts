/** What a session does with the frames of the server. */
import * as frames from "./frames";
import * as hpack from "./hpack";
import * as http2_errors from "./http2_error";
import * as send_queue from "./send_queue";
import * as streams from "./stream";
import { ErrorCode } from "./http2_error";
import { Setting } from "./frames";
import type { Failure, Session, Stream, StreamEnd } from "./types";

const find = string.find as StringFind;

const MAX_31_BITS = frames.MAX_31_BITS;

/** Bytes that the server can send on the connection. They are granted again on arrival: the streams' windows bound memory. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** Bytes of answers to PING, SETTINGS and the like that can wait for a server that does not read. */
const MAX_OUTPUT = 4 * 1024 * 1024;

/** Returns the stream of a frame, nil if it has ended; and an error if there has never been one. */
function stream_of(
    session: Session,
    stream_id: number,
): LuaMultiReturn<[stream: Stream | undefined, failure: Failure]> {
    if (stream_id >= session.next_id) {
        return $multi(undefined, http2_errors.new(ErrorCode.PROTOCOL_ERROR, "frame on an idle stream"));
    }
    return $multi(session.streams.get(stream_id), undefined);
}

/** Grants the bytes that have arrived on the connection again, when they are half of its window. */
function grant_connection(session: Session): void {
    const used = CONNECTION_WINDOW - session.receive_window;
    if (used > CONNECTION_WINDOW / 2) {
        send_queue.add_frame(session, frames.window_update(0, used));
        session.receive_window = CONNECTION_WINDOW;
    }
}

/** The end of streams whose response is complete. */
const COMPLETE: StreamEnd = { kind: "complete", code: 0, is_unprocessed: false };

/** Ends a stream whose response is complete. */
function complete(session: Session, stream: Stream): void {
    if (!stream.has_ended && !stream.is_closed) {
        // the server needs no more of the request
        send_queue.add_frame(session, frames.rst_stream(stream.id, ErrorCode.NO_ERROR));
    }
    streams.close(session, stream, COMPLETE);
}

function on_data(
    this: Session,
    stream_id: number,
    s: string,
    from: number,
    last: number,
    flow_size: number,
    is_end: boolean,
): Failure {
    const [stream, failure] = stream_of(this, stream_id);
    if (failure !== undefined) {
        return failure;
    }
    this.receive_window = this.receive_window - flow_size;
    if (this.receive_window < 0) {
        return http2_errors.new(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window");
    }
    grant_connection(this);
    if (stream === undefined) {
        return undefined; // it was canceled while the data were on their way
    }
    stream.receive_window = stream.receive_window - flow_size;
    if (stream.receive_window < 0) {
        streams.abort(this, stream, "malformed", ErrorCode.FLOW_CONTROL_ERROR);
        return undefined;
    }
    if (!stream.has_headers) {
        streams.abort(this, stream, "malformed", ErrorCode.PROTOCOL_ERROR);
        return undefined;
    }
    stream.consumed = stream.consumed + flow_size - (last - from + 1); // the padding
    if (last >= from && stream.listener.on_data(s, from, last) !== undefined) {
        streams.abort(this, stream, "malformed", ErrorCode.CANCEL);
    } else if (is_end) {
        complete(this, stream);
    }
    return undefined;
}

function on_headers(this: Session, stream_id: number, bytes: string, is_end: boolean): Failure {
    const [block, error] = hpack.decode(this.decoder, bytes);
    if (block === undefined) {
        return error;
    }
    const [stream, failure] = stream_of(this, stream_id);
    if (stream === undefined) {
        return failure;
    }
    const is_trailers = stream.has_headers;
    const [is_interim] = find(block.headers.get(":status") ?? "", "^1");
    if (is_interim !== undefined && !is_trailers && !is_end && !block.is_malformed) {
        return undefined; // the headers of the response follow
    }
    const has_status = block.headers.get(":status") !== undefined;
    if (block.is_malformed || has_status === is_trailers || (is_trailers && !is_end) || is_interim !== undefined) {
        streams.abort(this, stream, "malformed", ErrorCode.PROTOCOL_ERROR);
        return undefined;
    }
    stream.has_headers = true;
    stream.listener.on_headers(block.headers, is_trailers);
    if (is_end) {
        complete(this, stream);
    }
    return undefined;
}

function on_rst_stream(this: Session, stream_id: number, code: number): Failure {
    const [stream, failure] = stream_of(this, stream_id);
    if (stream !== undefined) {
        streams.close(this, stream, { kind: "reset", code, is_unprocessed: code === ErrorCode.REFUSED_STREAM });
    }
    return failure;
}

function on_stream_error(this: Session, stream_id: number, code: number): Failure {
    const [stream, failure] = stream_of(this, stream_id);
    if (stream !== undefined) {
        streams.abort(this, stream, "malformed", code);
    }
    return failure;
}

/** Changes the windows of all streams by the difference to the former setting (RFC 9113, section 6.9.2). */
function set_initial_window(session: Session, window: number): Failure {
    const difference = window - session.initial_send_window;
    session.initial_send_window = window;
    for (const [, stream] of session.streams) {
        stream.send_window = stream.send_window + difference;
        if (stream.send_window > MAX_31_BITS) {
            return http2_errors.new(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE too large");
        }
        send_queue.enqueue(session, stream);
    }
    return undefined;
}

/** Adds the answer to a frame. A server that lets too many wait ends its connection. */
function answer(session: Session, frame: string): Failure {
    if (session.out_size > MAX_OUTPUT) {
        return http2_errors.new(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that need an answer");
    }
    send_queue.add_frame(session, frame);
    return undefined;
}

function on_settings(this: Session, values: LuaMap<number, number>): Failure {
    this.is_ready = true;
    this.max_streams = values.get(Setting.MAX_CONCURRENT_STREAMS) ?? this.max_streams;
    const window = values.get(Setting.INITIAL_WINDOW_SIZE);
    const failure = window !== undefined ? set_initial_window(this, window) : undefined;
    return failure ?? answer(this, frames.SETTINGS_ACK);
}

function on_settings_ack(this: Session): Failure {
    hpack.limit_capacity(this.decoder, 0);
    return undefined;
}

function on_ping(this: Session, payload: string): Failure {
    return answer(this, frames.ping(payload, true));
}

function on_ping_ack(this: Session): Failure {
    this.pings = 0;
    return undefined;
}

function on_window_update(this: Session, stream_id: number, increment: number): Failure {
    if (stream_id === 0) {
        this.send_window = this.send_window + increment;
        return this.send_window > MAX_31_BITS
            ? http2_errors.new(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")
            : undefined;
    }
    const [stream, failure] = stream_of(this, stream_id);
    if (stream !== undefined) {
        stream.send_window = stream.send_window + increment;
        if (stream.send_window > MAX_31_BITS) {
            streams.abort(this, stream, "reset", ErrorCode.FLOW_CONTROL_ERROR);
        } else {
            send_queue.enqueue(this, stream);
        }
    }
    return failure;
}

/** Ends the streams that the server does not process, and those that wait. The others go on. */
function on_goaway(this: Session, last_stream_id: number, code: number): Failure {
    this.is_draining = true;
    this.goaway_code = code;
    const refused: Stream[] = [];
    for (const [stream_id, stream] of this.streams) {
        if (stream_id > last_stream_id) {
            refused.push(stream);
        }
    }
    for (const stream of refused) {
        streams.close(this, stream, { kind: "lost", code, is_unprocessed: true });
    }
    streams.close_waiting(this, code);
    return undefined;
}

const methods = {
    on_data,
    on_headers,
    on_rst_stream,
    on_stream_error,
    on_settings,
    on_settings_ack,
    on_ping,
    on_ping_ack,
    on_window_update,
    on_goaway,
};
export { CONNECTION_WINDOW, methods };
