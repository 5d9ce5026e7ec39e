import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "./clock";
import type { Core } from "./core";
import * as errors from "./errors";
import type { EtcdError } from "./errors";
import * as log from "./log";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** The longest that a semaphore can wait, in seconds. */
const FOREVER = 2147483;

/** Asks etcd for a token. */
type Login = (this: void, core: Core, auth: Auth, timeout: number) => Result<string, EtcdError>;

/** A client's user and the token it holds. */
interface Auth {
    readonly user: string;
    readonly password: string;
    readonly login: Login;
    token: string | undefined;
    /** The login under way. */
    flight: Flight | undefined;
}

/** One login, and all who wait for it in the order in which they came. */
interface Flight {
    readonly waiters: Semaphore[];
    token: string | undefined;
    err: EtcdError | undefined;
}

function create(user: string, password: string, login: Login): Auth {
    return { user, password, login, token: undefined, flight: undefined };
}

/** Logs in and tells everyone who waits. */
function fly(auth: Auth, core: Core, flight: Flight, timeout: number): void {
    const [ok, got, err] = guard(auth.login, core, auth, timeout);
    if (ok) {
        flight.token = got as string | undefined;
        flight.err = err as EtcdError | undefined;
    } else {
        flight.err = errors.failure("login_failed", tostring(got)); // whatever happens, nobody is left waiting
    }
    auth.token = flight.token;
    auth.flight = undefined;
    for (const waiter of flight.waiters) {
        waiter.post(1);
    }
}

function fly_in_timer(_premature: boolean, auth: Auth, core: Core, flight: Flight, timeout: number): void {
    fly(auth, core, flight, timeout);
}

function wait(flight: Flight, deadline: number | undefined): EtcdError | undefined {
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return errors.failure("login_failed", create_err);
    }
    flight.waiters.push(waiter);
    const [ok, err] = waiter.wait(deadline !== undefined ? math.max(0, deadline - now()) : FOREVER);
    if (ok === undefined) {
        return errors.failure(err === "timeout" ? "timeout" : "login_failed", `waiting for the login: ${err}`);
    }
    return flight.err;
}

/** Here nothing may wait or run beside, and nothing does. */
function must_be_inline(): boolean {
    const phase = ngx.get_phase();
    return phase === "init" || phase === "init_worker";
}

/**
 * The token to send, after a login if there is none. All who come during a login share it.
 *
 * The login runs in a timer of its own: whoever asked for it may be killed with its request, and the others
 * still get their answer.
 */
function token(auth: Auth, core: Core, deadline: number | undefined, timeout: number): Result<string, EtcdError> {
    if (auth.token !== undefined) {
        return $multi(auth.token);
    }
    let flight = auth.flight;
    const is_owner = flight === undefined;
    if (flight === undefined) {
        flight = { waiters: [], token: undefined, err: undefined };
        if (must_be_inline()) {
            fly(auth, core, flight, timeout);
        } else {
            auth.flight = flight;
            const [ok] = ngx.timer.at(0, fly_in_timer, auth, core, flight, timeout);
            if (ok === undefined) {
                fly(auth, core, flight, timeout); // no timer to be had
            }
        }
    }
    let err = flight.err;
    if (auth.flight === flight) {
        err = wait(flight, deadline);
    }
    if (flight.token !== undefined) {
        return $multi(flight.token);
    }
    err ??= errors.failure("login_failed", "authenticate refresh token fail");
    if (!is_owner && log.info_enabled()) {
        ngx.log(ngx.INFO, "v3 refresh jwt last err: ", errors.text(err));
    }
    return $multi(undefined, err);
}

/** Forgets a token that etcd does not take any more, unless a newer one is there already. */
function drop(auth: Auth, old: string): void {
    if (auth.token === old) {
        auth.token = undefined;
    }
}

export { create as new, drop, token, type Auth };
