/**
 * What a session sends, and in which order. Frames without flow control come first. Bodies follow, one frame of each
 * stream in turn, so that no large body delays another one; bodies that fit into a frame overtake larger ones, which
 * nevertheless get each fifth frame.
 */
import * as frames from "./frames";
import * as queues from "./queue";
import type { Queue, Session, Stream } from "./types";

const concat = table.concat;
const min = math.min;
const sub = string.sub;

/** Frames of small bodies that can precede a frame of a large one. */
const MAX_SMALL_IN_A_ROW = 4;

/** Bytes of a body in a frame. Servers can allow more, but then a large body would delay the others for longer. */
const MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE;

/** Frames for which the array of an output is used again. */
const MAX_KEPT_FRAMES = 256;

/** Closed streams that can be in a queue, in addition to as many as there are open ones. */
const MAX_CLOSED = 64;

/** Appends a stream to a queue that has `count` open streams, and removes the closed ones if they are many. */
function push(queue: Queue<Stream>, stream: Stream, count: number): void {
    queues.push(queue, stream);
    const length = queue.last - queue.first + 1;
    if (length <= 2 * count + MAX_CLOSED) {
        return;
    }
    for (const _ of $range(1, length)) {
        const first = queues.pop(queue)!;
        if (!first.is_closed) {
            queues.push(queue, first);
        }
    }
}

/** Lets a stream wait until it can be started. */
function add_waiting(session: Session, stream: Stream): void {
    push(session.waiting, stream, session.waiting_count);
}

/** Appends a frame to the output. */
function add_frame(session: Session, frame: string): void {
    session.out.push(frame);
    session.out_size = session.out_size + frame.length;
}

/** Bytes of the body that are not in the output. */
const pending_bytes = (stream: Stream): number => stream.pending.length - stream.pending_at + 1;

/** Puts a stream into the queue for its body, if it has something to send. */
function enqueue(session: Session, stream: Stream): void {
    const bytes = pending_bytes(stream);
    const has_work = bytes > 0 || (stream.is_ending && !stream.has_ended);
    if (stream.id > 0 && has_work && !stream.is_queued && !stream.is_closed) {
        stream.is_queued = true;
        push(bytes <= MAX_FRAME_SIZE ? session.small : session.large, stream, session.active);
    }
}

/** Puts the headers of a stream into the output. */
function start(session: Session, stream: Stream): void {
    stream.id = session.next_id;
    session.next_id = stream.id + 2;
    session.streams.set(stream.id, stream);
    session.active = session.active + 1;
    session.waiting_count = session.waiting_count - 1;
    session.queued_bytes = session.queued_bytes - stream.block.length;
    stream.send_window = session.initial_send_window;
    stream.has_ended = stream.is_ending && pending_bytes(stream) === 0;
    add_frame(session, frames.headers(stream.id, stream.block, stream.has_ended));
    enqueue(session, stream);
}

/** Starts streams that wait, as many as the server allows, but none before its settings: it could be no HTTP/2 server. */
function start_waiting(session: Session): void {
    while (session.is_ready && session.active < session.max_streams && !session.is_draining) {
        const stream = queues.pop(session.waiting);
        if (stream === undefined) {
            return;
        }
        if (!stream.is_closed) {
            start(session, stream);
        }
    }
}

/** Removes the body of a stream that is closed. */
function drop(session: Session, stream: Stream): void {
    const block_size = stream.id === 0 ? stream.block.length : 0;
    session.queued_bytes = session.queued_bytes - pending_bytes(stream) - block_size;
    stream.pending = "";
    stream.pending_at = 1;
}

/** Takes the next stream from a queue that is able to send. Streams without a window leave the queue until it grows. */
function next_of(session: Session, queue: Queue<Stream>): Stream | undefined {
    while (true) {
        const stream = queues.peek(queue);
        if (stream === undefined) {
            return undefined;
        }
        const is_empty = pending_bytes(stream) === 0;
        if (!stream.is_closed && (is_empty || stream.send_window > 0)) {
            // an empty frame needs no window
            return is_empty || session.send_window > 0 ? stream : undefined;
        }
        queues.pop(queue);
        stream.is_queued = false;
    }
}

/** Puts one frame of a body into the output. Returns false if none can be sent. */
function add_data(session: Session): boolean {
    let queue = session.small;
    let stream: Stream | undefined;
    if (session.small_in_a_row < MAX_SMALL_IN_A_ROW) {
        stream = next_of(session, queue);
    }
    if (stream === undefined) {
        queue = session.large;
        stream = next_of(session, queue);
        session.small_in_a_row = 0;
        if (stream === undefined) {
            queue = session.small;
            stream = next_of(session, queue);
        }
    }
    if (stream === undefined) {
        return false;
    }
    queues.pop(queue);
    stream.is_queued = false;
    if (queue === session.small) {
        session.small_in_a_row = session.small_in_a_row + 1;
    }
    const size = min(pending_bytes(stream), stream.send_window, session.send_window, MAX_FRAME_SIZE);
    const bytes = size > 0 ? sub(stream.pending, stream.pending_at, stream.pending_at + size - 1) : "";
    stream.pending_at = stream.pending_at + bytes.length;
    stream.send_window = stream.send_window - bytes.length;
    session.send_window = session.send_window - bytes.length;
    session.queued_bytes = session.queued_bytes - bytes.length;
    stream.has_ended = stream.is_ending && pending_bytes(stream) === 0;
    add_frame(session, frames.data(stream.id, bytes, stream.has_ended));
    enqueue(session, stream);
    return true;
}

/** Reports whether `take_output` can return something. */
function has_output(session: Session): boolean {
    const { small, large } = session;
    const can_start = session.is_ready && session.waiting_count > 0 && session.active < session.max_streams;
    return session.out_size > 0 || can_start || small.first <= small.last || large.first <= large.last;
}

/** Returns all that can be sent now, empty if that is nothing. */
function take_output(session: Session): string {
    start_waiting(session);
    while (add_data(session)) {
        // until the windows or the bodies are used up
    }
    const out: (string | undefined)[] = session.out;
    const n = out.length;
    const bytes = concat(session.out);
    if (n > MAX_KEPT_FRAMES) {
        session.out = [];
    } else {
        for (const i of $range(1, n)) {
            out[i - 1] = undefined;
        }
    }
    session.out_size = 0;
    return bytes;
}

export { add_frame, add_waiting, drop, enqueue, has_output, take_output };
