/**
 * A connection, and its owner: a turn of base/timer_loop, because a socket belongs to the request or timer that made it. The
 * owner dials, starts a light thread that reads and one that sends, and ends the connection when it has failed, when it was
 * idle for too long, or when the worker is exiting.
 */
import * as semaphore from "ngx.semaphore";
import * as backoff from "../../base/backoff";
import * as printable from "../../base/printable";
import * as clock from "../../base/clock";
import * as timer_loops from "../../base/timer_loop";
import * as waits from "../../base/wait";
import * as faults from "../fault";
import * as connection_io from "./connection_io";
import * as sessions from "./session";
import { ErrorCode } from "./http2_error";
import type { Fault } from "../fault";
import type { Connection, Peer } from "./types";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds between two checks of a connection. The worker's exit is noticed within this time. */
const CHECK_INTERVAL = 0.5;
/** Seconds in which a server must send its SETTINGS, which is the first that it sends. */
const SETTINGS_TIME = 5;
/** Seconds after which a connection without streams is closed, as nginx does with idle ones. */
const IDLE_TIME = 60;
/** Seconds in which a server must answer a PING. */
const PING_TIME = 5;
/** Longest interval of PINGs in seconds. It doubles when the server complains. */
const MAX_PING_INTERVAL = 120;
/**
 * Delay in seconds before the next connection after one that has failed, and the longest one. Calls do not wait for it, but
 * return the last error: so it is short, and only bounds how often each worker dials.
 */
const FIRST_DELAY = 0.05;
const MAX_DELAY = 1;
/** Light threads and connections that a connection leaves in its timer, in addition to its turn. */
const LEFTOVERS = 3;

/** The connection has ended as planned. No call was using it. */
const ENDED = faults.make_fault("closed", "closed");

/** Reports whether a connection accepts calls. */
function accepts(connection: Connection): boolean {
    return connection.fault === undefined && !connection.session.is_draining;
}

/** Notes that a connection accepts no calls any more: the next call dials again. */
function leave(connection: Connection): void {
    const peer = connection.peer;
    if (peer.connection === connection) {
        peer.connection = undefined;
    }
}

/** Fails the streams of a connection that has ended. */
function finish(connection: Connection): void {
    const { peer, session } = connection;
    leave(connection);
    if (!session.is_ready) {
        peer.last_fault = connection.fault;
        peer.next_dial_at = now() + backoff.exponential(FIRST_DELAY, MAX_DELAY, peer.failures);
        peer.failures = peer.failures + 1;
    }
    sessions.fail(session);
}

/** Sends PING to a server that is silent while streams are open. Returns a fault if the last one has no answer. */
function check_silence(connection: Connection, time: number): Fault | undefined {
    const { peer, session } = connection;
    if (session.pings > 0) {
        const is_dead = connection.received_at < connection.pinged_at && time - connection.pinged_at > PING_TIME;
        return is_dead ? faults.make_fault("timeout", "timeout: no answer to PING") : undefined;
    }
    const since = max(connection.received_at, connection.pinged_at, connection.busy_since);
    if (time - since >= peer.ping_interval) {
        connection.pinged_at = time;
        sessions.ping(session);
    }
    return undefined;
}

/** Doubles the interval of PINGs if the server has ended the connection because of them. */
function heed_complaint(connection: Connection): void {
    const { peer, session } = connection;
    if (session.goaway_code === ErrorCode.ENHANCE_YOUR_CALM && !connection.has_heeded) {
        connection.has_heeded = true;
        peer.ping_interval = min(MAX_PING_INTERVAL, peer.ping_interval * 2);
        const name = printable.key(peer.name);
        const seconds = peer.ping_interval;
        ngx.log(
            ngx.WARN,
            "gRPC connection to ",
            name,
            ": too many frames for the server; next PINGs after ",
            seconds,
            " s",
        );
    }
}

/** Notes whether streams are open, and since when. Returns whether there are. */
function note_use(connection: Connection, time: number): boolean {
    const session = connection.session;
    const is_busy = session.active + session.waiting_count > 0;
    if (is_busy && !connection.is_busy) {
        connection.busy_since = time;
    }
    if (is_busy || session.next_id !== connection.last_id) {
        connection.idle_since = time;
        connection.last_id = session.next_id;
    }
    connection.is_busy = is_busy;
    return is_busy;
}

/** Checks a connection regularly. Returns why it must end, or nil. */
function check(connection: Connection): Fault | undefined {
    const session = connection.session;
    const time = now();
    const is_exiting = ngx.worker.exiting();
    const is_moving = timer_loops.must_hand_over(connection.loop);
    if (is_moving) {
        session.is_draining = true;
    }
    if (session.is_draining) {
        leave(connection);
        heed_complaint(connection);
    }
    sessions.cancel_obsolete(session, time, is_exiting, is_moving);
    let fault: Fault | undefined;
    if (!note_use(connection, time)) {
        const is_unused = is_exiting || session.is_draining || time - connection.idle_since > IDLE_TIME;
        fault = is_unused ? ENDED : undefined;
    } else if (session.is_ready) {
        fault = check_silence(connection, time);
    } else if (time - connection.dialed_at > SETTINGS_TIME) {
        fault = faults.make_fault("timeout", "timeout: no HTTP/2 SETTINGS");
    }
    connection_io.flush(connection);
    return fault;
}

/** Stays with a connection until it ends. */
function supervise(connection: Connection): void {
    while (connection.fault === undefined) {
        waits.wait(connection.owner, CHECK_INTERVAL);
        connection.fault ??= check(connection);
    }
}

/** Dials, and serves the connection until it ends. */
function serve(connection: Connection): void {
    const fault = connection_io.dial(connection);
    timer_loops.note_leftovers(connection.loop, LEFTOVERS);
    if (fault !== undefined) {
        connection.fault = fault;
        return;
    }
    connection.dialed_at = now();
    const reader = ngx.thread.spawn(connection_io.read_all, connection);
    const writer = ngx.thread.spawn(connection_io.write_all, connection);
    const [ok, err] = protected_call(supervise, connection);
    if (!ok) {
        connection.fault = faults.make_fault("malformed", tostring(err));
    }
    // a socket that a light thread waits for cannot be closed
    ngx.thread.kill(reader);
    ngx.thread.kill(writer);
    connection.sock!.close();
}

/** The turn of a connection's loop. Another one follows if its timer was terminated: the socket has ended with that. */
function run(connection: Connection): void {
    if (!connection.has_run) {
        connection.has_run = true;
        serve(connection);
    }
    connection.fault ??= ENDED;
    finish(connection);
}

/** Creates a connection to a server, which begins to dial when this light thread yields. */
function create(peer: Peer): Result<Connection, Fault> {
    const [owner, owner_err] = semaphore.new(0);
    const [writer, writer_err] = semaphore.new(0);
    if (owner === undefined || writer === undefined) {
        return $multi(undefined, faults.make_fault("socket", tostring(owner_err ?? writer_err)));
    }
    const time = now();
    const connection = {
        peer,
        session: sessions.new(),
        owner,
        writer,
        is_writer_awake: false,
        sock: undefined,
        fault: undefined,
        has_run: false,
        is_busy: true,
        busy_since: time,
        idle_since: time,
        last_id: 1,
        dialed_at: time,
        received_at: time,
        pinged_at: time,
        has_heeded: false,
    } as unknown as Connection;
    connection.loop = timer_loops.new(
        `gRPC connection to ${peer.name}`,
        () => {
            run(connection);
            return undefined;
        },
        { pool: "streams" },
    );
    const [ok, err] = timer_loops.start(connection.loop, 0);
    if (ok === undefined) {
        return $multi(undefined, faults.make_fault("socket", err));
    }
    peer.connection = connection;
    return $multi(connection);
}

/**
 * Returns the connection to a server, which is possibly being established.
 * @returns nil and the last fault for a short time after a connection has failed
 */
function connection_to(peer: Peer): Result<Connection, Fault> {
    const current = peer.connection;
    if (current !== undefined && accepts(current)) {
        return $multi(current);
    }
    if (peer.last_fault !== undefined && now() < peer.next_dial_at) {
        return $multi(undefined, peer.last_fault);
    }
    return create(peer);
}

export { connection_to };
