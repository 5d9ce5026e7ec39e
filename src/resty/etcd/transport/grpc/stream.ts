/** Ends streams of a session. */
import * as frames from "./frames";
import * as queues from "./queue";
import * as send_queue from "./send_queue";
import type { Session, Stream, StreamEnd } from "./types";

/** Ends a stream. */
function close(session: Session, stream: Stream, ending: StreamEnd): void {
    if (stream.is_closed) {
        return;
    }
    send_queue.drop(session, stream);
    stream.is_closed = true;
    if (stream.id > 0) {
        session.streams.delete(stream.id);
        session.active = session.active - 1;
    } else {
        session.waiting_count = session.waiting_count - 1;
    }
    stream.listener.on_close(ending);
}

/** Ends a stream with RST_STREAM. */
function abort(session: Session, stream: Stream, kind: StreamEnd["kind"], code: number): void {
    if (stream.id > 0 && !stream.is_closed) {
        send_queue.add_frame(session, frames.rst_stream(stream.id, code));
    }
    close(session, stream, { kind, code, is_unprocessed: stream.id === 0 });
}

/** Ends the streams that wait for their ID. */
function close_waiting(session: Session, code: number): void {
    while (true) {
        const stream = queues.pop(session.waiting);
        if (stream === undefined) {
            return;
        }
        close(session, stream, { kind: "lost", code, is_unprocessed: true });
    }
}

export { abort, close, close_waiting };
