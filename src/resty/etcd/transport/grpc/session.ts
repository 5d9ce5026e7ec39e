/**
 * The client's side of an HTTP/2 connection, without its socket: takes the bytes that arrive, and gives those to be sent
 * (`send_queue.take_output`). Nothing in it yields.
 */
import * as frame_parser from "./frame_parser";
import * as frames from "./frames";
import * as hpack from "./hpack";
import * as queues from "./queue";
import * as send_queue from "./send_queue";
import * as session_handlers from "./session_handler";
import * as streams from "./stream";
import { ErrorCode } from "./http2_error";
import { Setting } from "./frames";
import type { Failure, Session, Stream, StreamListener } from "./types";

const sub = string.sub;

const CONNECTION_WINDOW = session_handlers.CONNECTION_WINDOW;

/** Bytes that the server can send on a stream before its owner has consumed them. */
const STREAM_WINDOW = 1024 * 1024;

/** Blocks and bodies in bytes that can wait to be sent, and streams that can wait to be opened. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;
const MAX_WAITING = 8192;

/** Stream ID after which the connection is replaced. IDs end at 2^31. */
const MAX_STREAM_ID = 2 ** 30;

const metatable: LuaMetatable<Session, typeof session_handlers.methods> = { __index: session_handlers.methods };

function new_stream(listener: StreamListener): Stream {
    return {
        listener,
        block: "",
        id: 0,
        is_closed: false,
        has_headers: false,
        pending: "",
        pending_at: 1,
        is_ending: false,
        has_ended: false,
        is_queued: false,
        send_window: 0,
        receive_window: 0,
        consumed: 0,
    };
}

/**
 * Makes the object of a stream that has ended ready for another one of the same listener.
 * @returns nil if the session still refers to it
 */
function recycle(stream: Stream): Stream | undefined {
    if (stream.id === 0 || !stream.is_closed || stream.is_queued) {
        return undefined;
    }
    stream.id = 0;
    stream.is_closed = false;
    stream.has_headers = false;
    stream.is_ending = false;
    stream.has_ended = false;
    stream.send_window = 0;
    stream.consumed = 0;
    return stream;
}

/**
 * Opens a stream. Its headers are in the next output, or later if the server's limit of concurrent streams is reached.
 * @param block header block, as `hpack.encode_request` returns it
 * @param kept an object of the same listener, as `recycle` returns it
 * @returns the stream; or nil if the connection accepts none (`draining`), or too much waits to be sent (`full`)
 */
function open(
    session: Session,
    block: string,
    listener: StreamListener,
    kept?: Stream,
): Result<Stream, "draining" | "full"> {
    if (session.next_id > MAX_STREAM_ID) {
        session.is_draining = true;
    }
    if (session.is_draining) {
        return $multi(undefined, "draining");
    }
    if (session.waiting_count >= MAX_WAITING || session.queued_bytes + block.length > MAX_QUEUED_BYTES) {
        return $multi(undefined, "full");
    }
    const stream = kept ?? new_stream(listener);
    stream.block = block;
    stream.receive_window = STREAM_WINDOW;
    session.queued_bytes = session.queued_bytes + block.length;
    session.waiting_count = session.waiting_count + 1;
    send_queue.add_waiting(session, stream);
    return $multi(stream);
}

/**
 * Appends to the body of a request.
 * @param is_end nothing follows
 * @returns false if too much waits to be sent; the body is then unchanged
 */
function send(session: Session, stream: Stream, bytes: string, is_end: boolean): boolean {
    if (stream.is_closed) {
        return true; // its listener knows
    }
    if (session.queued_bytes + bytes.length > MAX_QUEUED_BYTES) {
        return false;
    }
    session.queued_bytes = session.queued_bytes + bytes.length;
    stream.pending = stream.pending === "" ? bytes : sub(stream.pending, stream.pending_at) + bytes;
    stream.pending_at = 1;
    stream.is_ending = is_end;
    send_queue.enqueue(session, stream);
    return true;
}

/** Grants the server bytes that the owner of a stream has consumed, when they are half of the stream's window. */
function consume(session: Session, stream: Stream, size: number): void {
    stream.consumed = stream.consumed + size;
    if (stream.consumed > STREAM_WINDOW / 2 && !stream.is_closed) {
        send_queue.add_frame(session, frames.window_update(stream.id, stream.consumed));
        stream.receive_window = stream.receive_window + stream.consumed;
        stream.consumed = 0;
    }
}

/** Cancels a stream whose owner needs it no longer. */
function cancel(session: Session, stream: Stream): void {
    streams.abort(session, stream, "canceled", ErrorCode.CANCEL);
}

/** Cancels the streams whose users no longer exist. The arguments are those of `is_obsolete`. */
function cancel_obsolete(session: Session, time: number, is_exiting: boolean, is_moving: boolean): void {
    const { waiting } = session;
    const obsolete: Stream[] = [];
    for (const [, stream] of session.streams) {
        if (stream.listener.is_obsolete(time, is_exiting, is_moving)) {
            obsolete.push(stream);
        }
    }
    for (const i of $range(waiting.first, waiting.last)) {
        const stream = waiting.items.get(i)!;
        if (!stream.is_closed && stream.listener.is_obsolete(time, is_exiting, is_moving)) {
            obsolete.push(stream);
        }
    }
    for (const stream of obsolete) {
        cancel(session, stream);
    }
}

/** Sends a PING. `session.pings` counts those without an answer. */
function ping(session: Session): void {
    session.pings = session.pings + 1;
    send_queue.add_frame(session, frames.ping("etcd-lua", false));
}

/**
 * Takes the bytes that have arrived.
 * @returns an error after which the connection must be closed; the output then ends with GOAWAY
 */
function receive(session: Session, chunk: string): Failure {
    const failure = frame_parser.feed(session.parser, chunk);
    if (failure !== undefined && !session.is_draining) {
        session.is_draining = true;
        send_queue.add_frame(session, frames.goaway(0, failure.code, ""));
    }
    return failure;
}

/** Ends all streams, because the connection has ended. Requests whose headers have not left can be sent again. */
function fail(session: Session): void {
    session.is_draining = true;
    const open_streams: Stream[] = [];
    for (const [, stream] of session.streams) {
        open_streams.push(stream);
    }
    for (const stream of open_streams) {
        streams.close(session, stream, { kind: "lost", code: 0, is_unprocessed: false });
    }
    streams.close_waiting(session, 0);
}

/** Creates a session. Its first output starts the connection; streams follow when the server has sent its settings. */
function create(): Session {
    const settings = frames.settings([
        [Setting.HEADER_TABLE_SIZE, 0],
        [Setting.ENABLE_PUSH, 0],
        [Setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
        [Setting.MAX_HEADER_LIST_SIZE, hpack.MAX_LIST_SIZE],
    ]);
    const grant = frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW);
    const session = setmetatable(
        {
            decoder: hpack.new(),
            streams: new LuaMap<number, Stream>(),
            active: 0,
            next_id: 1,
            out: [frames.PREFACE, settings, grant],
            out_size: frames.PREFACE.length + settings.length + grant.length,
            waiting: queues.new<Stream>(),
            waiting_count: 0,
            small: queues.new<Stream>(),
            large: queues.new<Stream>(),
            small_in_a_row: 0,
            queued_bytes: 0,
            is_ready: false,
            is_draining: false,
            goaway_code: undefined,
            max_streams: math.huge,
            initial_send_window: frames.DEFAULT_WINDOW,
            send_window: frames.DEFAULT_WINDOW,
            receive_window: CONNECTION_WINDOW,
            pings: 0,
        } as unknown as Session,
        metatable,
    );
    session.parser = frame_parser.new(session);
    return session;
}

export { cancel, cancel_obsolete, consume, create as new, fail, open, ping, receive, recycle, send };
