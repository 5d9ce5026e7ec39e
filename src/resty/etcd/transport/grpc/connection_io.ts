/** The light threads of a connection: one reads, one sends what all calls have queued since it last sent. */
import * as clock from "../../base/clock";
import * as time_slice from "../../base/time_slice";
import * as waits from "../../base/wait";
import * as faults from "../fault";
import * as send_queue from "./send_queue";
import * as sessions from "./session";
import type { Fault } from "../fault";
import type { Connection, Peer } from "./types";

type Tcp = ngx.socket.Tcp;

const now = clock.now;

/** Milliseconds in which a connection must be established. Calls do not wait longer than their own time budget. */
const DIAL_MS = 5000;
/** No timeout: nginx logs each one. The owner of the connection finds servers that do not respond. */
const NO_TIMEOUT_MS = 2147483647;
/** Largest number of bytes that one read takes. */
const READ_SIZE = 65536;
/** Maximum seconds of a wait for something to send. */
const MAX_WAIT = 3600;

/** Notes why a connection ends. Its owner ends it. */
function fail(connection: Connection, fault: Fault): void {
    if (connection.fault === undefined) {
        connection.fault = fault;
        connection.owner.post(1);
    }
}

/** Wakes the light thread that sends. */
function wake_writer(connection: Connection): void {
    if (!connection.is_writer_awake) {
        connection.is_writer_awake = true;
        connection.writer.post(1);
    }
}

/** Sends what the session has queued, if there is something. */
function flush(connection: Connection): void {
    if (send_queue.has_output(connection.session)) {
        wake_writer(connection);
    }
}

function connect(sock: Tcp, peer: Peer): Result<1> {
    // a pool that no other socket uses: a pooled connection could speak HTTP/1
    const options = { pool: `resty.etcd|grpc|${peer.name}`, pool_size: 1 };
    if (peer.port === undefined) {
        return sock.connect(peer.host, options);
    }
    return sock.connect(peer.host, peer.port, options);
}

/** Connects. Returns a fault, or nil. */
function dial(connection: Connection): Fault | undefined {
    const [ok, made, make_err] = protected_call(ngx.socket.tcp);
    if (!ok || made === undefined) {
        return ok ? faults.of_socket(tostring(make_err)) : faults.make_fault("phase", tostring(made));
    }
    const sock = made as Tcp;
    if (sock.receiveany === undefined || sock.settimeouts === undefined) {
        return faults.make_fault("phase", "blocking socket replacements have no streams");
    }
    sock.settimeouts(DIAL_MS, NO_TIMEOUT_MS, NO_TIMEOUT_MS);
    const [connected, err] = connect(sock, connection.peer);
    if (connected === undefined) {
        return faults.of_socket(err);
    }
    connection.sock = sock;
    return undefined;
}

/** Returns the fault for an error of the socket. */
function read_fault(connection: Connection, text: string): Fault {
    const fault = faults.of_socket(text);
    if (!connection.session.is_ready && faults.is_connection_closed(fault)) {
        return faults.make_fault("closed", "closed before HTTP/2 SETTINGS");
    }
    return fault;
}

/** Reads until the connection ends. */
function read_all(connection: Connection): void {
    const { session } = connection;
    const sock = connection.sock!;
    const slice = time_slice.start();
    while (connection.fault === undefined) {
        const before = now();
        const [chunk, err] = sock.receiveany!(READ_SIZE);
        if (chunk === undefined) {
            fail(connection, read_fault(connection, err));
            return;
        }
        time_slice.restart_after_wait(slice, before);
        connection.received_at = now();
        const was_ready = session.is_ready;
        const failure = sessions.receive(session, chunk);
        if (failure !== undefined) {
            const text = session.is_ready ? `malformed reply: HTTP/2: ${failure.text}` : `no HTTP/2: ${failure.text}`;
            fail(connection, faults.make_fault("malformed", text));
            return;
        }
        if (session.is_ready && !was_ready) {
            connection.peer.failures = 0;
        }
        flush(connection);
        time_slice.yield_if_due(slice);
    }
}

/** Sends until the connection ends: all that is queued, in one call. */
function write_all(connection: Connection): void {
    const { session } = connection;
    const sock = connection.sock!;
    while (connection.fault === undefined) {
        connection.is_writer_awake = false;
        const bytes = send_queue.take_output(session);
        if (bytes === "") {
            waits.wait(connection.writer, MAX_WAIT);
        } else {
            const [sent, err] = sock.send(bytes);
            if (sent === undefined) {
                fail(connection, read_fault(connection, err));
                return;
            }
        }
    }
}

export { dial, fail, flush, read_all, wake_writer, write_all };
