/** What calls and streams have in common: they wait for a server, and end. */
import * as clock from "../../base/clock";
import * as waits from "../../base/wait";
import * as timer_loops from "../../base/timer_loop";
import * as connection_ios from "./connection_io";
import * as failures from "../failure";
import * as faults from "../fault";
import * as sessions from "./session";
import type { WaitOutcome } from "../../base/wait";
import type { LocalFailure, RequestContext } from "../transport";
import type { Connection, Exchange, StreamEnd } from "./types";

const now = clock.now;
const min = math.min;

/** Seconds that a request without deadline can take: nginx's default for sockets. */
const DEFAULT_TIME = 60;

/** Returns the time by which a request must be answered. */
function deadline_of(context: RequestContext): number {
    return context.deadline ?? context.started + DEFAULT_TIME;
}

/** Returns the time until which a request waits, which is shorter while the connection is not established. */
function time_limit(connection: Connection, context: RequestContext): number {
    const deadline = deadline_of(context);
    const connect_deadline = context.connect_deadline;
    return connect_deadline !== undefined && !connection.session.is_ready ? min(deadline, connect_deadline) : deadline;
}

/** Waits until a time, or until the exchange is woken. The caller checks what has changed. */
function wait_until(
    exchange: Exchange,
    time: number,
): LuaMultiReturn<[outcome: WaitOutcome, reason?: string | undefined]> {
    exchange.is_waiting = true;
    const [outcome, reason] = waits.wait(exchange.signal, time - now());
    exchange.is_waiting = false;
    return $multi(outcome, reason);
}

/** Cancels the stream of an exchange that is not needed any more. */
function cancel(exchange: Exchange): void {
    sessions.cancel(exchange.connection.session, exchange.stream);
    connection_ios.flush(exchange.connection);
}

/**
 * Ends an exchange whose time is over.
 * @param sent the server can have processed the request
 */
function time_out(exchange: Exchange, sent: boolean): LocalFailure {
    const { connection } = exchange;
    cancel(exchange);
    const problem = !connection.has_run ? timer_loops.problem(connection.loop) : undefined;
    return failures.local_failure("timeout", problem ?? "timeout", sent);
}

/** Ends an exchange in a phase that cannot wait. */
function fail_in_phase(exchange: Exchange, reason: string | undefined): LocalFailure {
    cancel(exchange);
    return failures.local_failure("phase", `not in this phase: ${reason ?? "waiting"}`, false);
}

/**
 * Returns the failure of a stream that did not end with a response.
 * @param sent the complete request was possibly sent
 * @param problem what is wrong with the response
 */
function failure_of(connection: Connection, ending: StreamEnd, sent: boolean, problem: Problem): LocalFailure {
    const is_processed = sent && !ending.is_unprocessed;
    if (ending.kind === "malformed") {
        return failures.local_failure("malformed", problem ?? "malformed reply: HTTP/2 stream", sent);
    }
    if (ending.kind === "reset") {
        const text = ending.is_unprocessed
            ? "stream refused by the server"
            : `stream reset by the server: ${ending.code}`;
        return failures.local_failure(is_processed ? "lost" : "connect", text, is_processed, true);
    }
    if (ending.kind === "lost") {
        const fault = connection.fault ?? faults.make_fault("closed", "closed");
        return faults.to_failure(fault, is_processed);
    }
    return failures.local_failure("closed", "closed", sent);
}

export { cancel, deadline_of, fail_in_phase, failure_of, time_limit, time_out, wait_until };
