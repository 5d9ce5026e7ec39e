import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import type { TokenCache, AuthOptions, Core, PendingLogin, Login } from "./client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as log from "../base/log";
import * as timers from "../base/timers";

const now = clock.now;
const find = string.find as StringFind;
const guard = pcall as unknown as GuardedCall;

/** How long the timer of a login may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;
/** Its owner hears why a login failed that had all of the owner's time. */
const LAST_WORD = 0.02;
/** Seconds within which all members that are well know a token of etcd's own, which travels through the log. */
const SPREAD_TIME = 1;
/** Ends the key that is in the shared dict while a token is new. */
const NEW = "|new";
/** How long a login may take that has no deadline, before others stop counting on it. */
const PATIENCE = 60;
/** The same for one that is not in a timer: it may have been killed with the request that makes it. */
const SHORT_PATIENCE = 2;

/** The token of an etcd without authentication. */
const NONE = "";

function create(user: string, password: string, login: Login, options: AuthOptions): TokenCache {
    const { is_optional, dict, dict_key } = options;
    return {
        user,
        password,
        login,
        is_optional,
        dict,
        dict_key,
        token: undefined,
        is_shared: false,
        new_until: 0,
        flight: undefined,
    };
}

/** Keeps a new token, for other workers too. */
function store(auth: TokenCache, fresh: string): void {
    auth.token = fresh;
    auth.is_shared = false;
    auth.new_until = now() + SPREAD_TIME;
    const dict = auth.dict;
    if (dict !== undefined && fresh !== NONE) {
        dict.set(auth.dict_key + NEW, fresh, SPREAD_TIME);
        dict.set(auth.dict_key, fresh);
    }
}

/** A token that another worker has found. */
function load_shared(auth: TokenCache): void {
    const dict = auth.dict;
    if (dict !== undefined && auth.token === undefined) {
        const [shared] = dict.get(auth.dict_key);
        const [fresh] = dict.get(auth.dict_key + NEW);
        auth.token = shared as string | undefined;
        auth.is_shared = shared !== undefined;
        auth.new_until = fresh === shared ? now() + SPREAD_TIME : 0;
    }
}

/** Logs in and tells everyone who waits. */
function run_login(
    auth: TokenCache,
    core: Core,
    flight: PendingLogin,
    timeout: number,
    deadline: number | undefined,
): void {
    const [ok, got, err] = guard(auth.login, core, auth, timeout, deadline);
    if (ok) {
        flight.token = got as string | undefined;
        flight.err = err as EtcdError | undefined;
    } else {
        flight.err = errors.local_error("login_failed", tostring(got)); // whatever happens, nobody is left waiting
    }
    if (flight.token !== undefined) {
        store(auth, flight.token);
    }
    if (auth.flight === flight) {
        auth.flight = undefined;
    }
    for (const waiter of flight.waiters) {
        waiter.post(1);
    }
}

function run_login_in_timer(
    _premature: boolean,
    auth: TokenCache,
    core: Core,
    flight: PendingLogin,
    timeout: number,
    deadline: number | undefined,
): void {
    flight.ends_by = (deadline ?? now() + PATIENCE) + START_TIME;
    run_login(auth, core, flight, timeout, deadline);
}

/** Waits until the login ends, is lost, or the time is up; returns why there is no token, if that is known. */
function wait(flight: PendingLogin, deadline?: number): EtcdError | undefined {
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return errors.local_error("login_failed", create_err);
    }
    const waiters = flight.waiters;
    waiters.push(waiter);
    while (true) {
        const time = now();
        if (deadline !== undefined && time >= deadline) {
            return errors.out_of_time("waiting for the login: timeout");
        }
        if (time >= flight.ends_by) {
            return undefined;
        }
        const left = math.min(deadline ?? flight.ends_by, flight.ends_by) - time;
        const [may_wait, ok, err] = guard(waiter.wait, waiter, left); // throws in a phase that cannot wait
        if (!may_wait) {
            return errors.local_error("bad_request", `waiting for the login: ${tostring(ok)}`);
        }
        if (ok === true) {
            return flight.err;
        }
        if (err !== "timeout") {
            const text = tostring(err);
            const [disabled] = find(text, "API disabled", 1, true); // or says so
            const name = disabled !== undefined ? "bad_request" : "login_failed";
            return errors.local_error(name, `waiting for the login: ${text}`);
        }
    }
}

/** Here nothing may wait or run beside, and nothing does. */
function must_be_inline(): boolean {
    const phase = ngx.get_phase();
    return phase === "init" || phase === "init_worker";
}

/**
 * Starts a login, in a timer of its own: whoever asked for it may be killed with its request, and the others
 * still get their answer. Where there is no timer to be had it has ended when this returns.
 */
function start_login(auth: TokenCache, core: Core, timeout: number, deadline: number | undefined): PendingLogin {
    const after_a_lost_one = auth.flight !== undefined;
    const flight: PendingLogin = { waiters: [], token: undefined, err: undefined, ends_by: now() + START_TIME };
    auth.flight = flight;
    if (!after_a_lost_one && !must_be_inline()) {
        const [ok] = timers.at(0, run_login_in_timer, auth, core, flight, timeout, deadline);
        if (ok !== undefined) {
            return flight;
        }
    }
    flight.ends_by = now() + SHORT_PATIENCE;
    run_login(auth, core, flight, timeout, deadline);
    return flight;
}

/** The token to send, after a login if there is none. All who come during a login share it. */
function token(auth: TokenCache, core: Core, deadline: number | undefined, timeout: number): Result<string, EtcdError> {
    let is_owner = false;
    load_shared(auth);
    while (auth.token === undefined) {
        let flight = auth.flight;
        if (flight === undefined || now() >= flight.ends_by) {
            is_owner = true;
            flight = start_login(auth, core, timeout, deadline);
        }
        let err = flight.err;
        if (auth.flight === flight) {
            let wait_until = deadline;
            if (is_owner && deadline !== undefined) {
                wait_until = deadline + LAST_WORD;
            }
            err = wait(flight, wait_until);
        }
        if (flight.token !== undefined) {
            return $multi(flight.token);
        }
        if (err !== undefined) {
            if (!is_owner && log.info_enabled()) {
                ngx.log(ngx.INFO, "v3 refresh jwt last err: ", errors.to_text(err));
            }
            return $multi(undefined, err);
        }
    }
    return $multi(auth.token);
}

/** Whether a token is so new that a member may refuse it and know it a moment later. A JWT is known at once. */
function may_be_unknown_to_members(auth: TokenCache, old: string): boolean {
    if (old !== auth.token || now() >= auth.new_until) {
        return false;
    }
    const [simple] = find(old, "^%a+%.%d+$");
    return simple !== undefined;
}

/**
 * Whether a refused token says nothing about a login of this worker: another worker's login gave it, and it may be as
 * old as the one before it; or another call has dropped it already.
 */
function is_from_elsewhere(auth: TokenCache, old: string): boolean {
    return auth.is_shared || old !== auth.token;
}

/** Forgets a token that etcd does not take any more, unless a newer one is there already. */
function invalidate(auth: TokenCache, old: string): void {
    if (auth.token === old) {
        auth.token = undefined;
    }
    const dict = auth.dict;
    if (dict !== undefined) {
        const [shared] = dict.get(auth.dict_key);
        if (shared === old) {
            dict.delete(auth.dict_key);
        }
    }
}

export { create as new, invalidate, may_be_unknown_to_members, is_from_elsewhere, NONE, token };
