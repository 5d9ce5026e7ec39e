import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import type { TokenCache, AuthOptions, Core, PendingLogin, Login } from "./client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as log from "../base/log";
import * as timers from "../base/timers";

const now = clock.now;
const find = string.find as StringFind;

/** How long the timer of a login may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;
/** Its owner hears why a login failed that had all of the owner's time. */
const ERROR_GRACE = 0.02;
/** Seconds within which all members that are well know a token of etcd's own, which travels through the log. */
const SPREAD_TIME = 1;
/** Ends the key that is in the shared dict while a token is new. */
const NEW_SUFFIX = "|new";
/** How long a login may take that has no deadline, before others stop counting on it. */
const LOGIN_TIMEOUT = 60;
/** The same for one that is not in a timer: it may have been killed with the request that makes it. */
const INLINE_LOGIN_TIMEOUT = 2;

/** The token of an etcd without authentication. */
const NO_TOKEN = "";

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
        pending_login: undefined,
    };
}

/** Keeps a new token, for other workers too. */
function store(auth: TokenCache, fresh: string): void {
    auth.token = fresh;
    auth.is_shared = false;
    auth.new_until = now() + SPREAD_TIME;
    const dict = auth.dict;
    if (dict !== undefined && fresh !== NO_TOKEN) {
        dict.set(auth.dict_key + NEW_SUFFIX, fresh, SPREAD_TIME);
        dict.set(auth.dict_key, fresh);
    }
}

/** A token that another worker has found. */
function load_shared(auth: TokenCache): void {
    const dict = auth.dict;
    if (dict !== undefined && auth.token === undefined) {
        const [shared] = dict.get(auth.dict_key);
        const [fresh] = dict.get(auth.dict_key + NEW_SUFFIX);
        auth.token = shared as string | undefined;
        auth.is_shared = shared !== undefined;
        auth.new_until = fresh === shared ? now() + SPREAD_TIME : 0;
    }
}

/** Logs in and tells everyone who waits. */
function run_login(
    auth: TokenCache,
    core: Core,
    login: PendingLogin,
    timeout: number,
    deadline: number | undefined,
): void {
    const [ok, got, err] = protected_call(auth.login, core, auth, timeout, deadline);
    if (ok) {
        login.token = got as string | undefined;
        login.err = err as EtcdError | undefined;
    } else {
        login.err = errors.local_error("login_failed", tostring(got)); // whatever happens, nobody is left waiting
    }
    if (login.token !== undefined) {
        store(auth, login.token);
    }
    if (auth.pending_login === login) {
        auth.pending_login = undefined;
    }
    for (const waiter of login.waiters) {
        waiter.post(1);
    }
}

function run_login_in_timer(
    _premature: boolean,
    auth: TokenCache,
    core: Core,
    login: PendingLogin,
    timeout: number,
    deadline: number | undefined,
): void {
    login.ends_by = (deadline ?? now() + LOGIN_TIMEOUT) + START_TIME;
    run_login(auth, core, login, timeout, deadline);
}

/** Waits until the login ends, is lost, or the time is up; returns why there is no token, if that is known. */
function wait(login: PendingLogin, deadline?: number): EtcdError | undefined {
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return errors.local_error("login_failed", create_err);
    }
    const waiters = login.waiters;
    waiters.push(waiter);
    while (true) {
        const time = now();
        if (deadline !== undefined && time >= deadline) {
            return errors.out_of_time("waiting for the login: timeout");
        }
        if (time >= login.ends_by) {
            return undefined;
        }
        const left = math.min(deadline ?? login.ends_by, login.ends_by) - time;
        const [may_wait, ok, err] = protected_call(waiter.wait, waiter, left); // throws in a phase that cannot wait
        if (!may_wait) {
            return errors.local_error("bad_request", `waiting for the login: ${tostring(ok)}`);
        }
        if (ok === true) {
            return login.err;
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
    const after_a_lost_one = auth.pending_login !== undefined;
    const login: PendingLogin = { waiters: [], token: undefined, err: undefined, ends_by: now() + START_TIME };
    auth.pending_login = login;
    if (!after_a_lost_one && !must_be_inline()) {
        const [ok] = timers.at(0, run_login_in_timer, auth, core, login, timeout, deadline);
        if (ok !== undefined) {
            return login;
        }
    }
    login.ends_by = now() + INLINE_LOGIN_TIMEOUT;
    run_login(auth, core, login, timeout, deadline);
    return login;
}

/** The token to send, after a login if there is none. All who come during a login share it. */
function token(auth: TokenCache, core: Core, deadline: number | undefined, timeout: number): Result<string, EtcdError> {
    let is_owner = false;
    load_shared(auth);
    while (auth.token === undefined) {
        let login = auth.pending_login;
        if (login === undefined || now() >= login.ends_by) {
            is_owner = true;
            login = start_login(auth, core, timeout, deadline);
        }
        let err = login.err;
        if (auth.pending_login === login) {
            let wait_until = deadline;
            if (is_owner && deadline !== undefined) {
                wait_until = deadline + ERROR_GRACE;
            }
            err = wait(login, wait_until);
        }
        if (login.token !== undefined) {
            return $multi(login.token);
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

export { create as new, invalidate, may_be_unknown_to_members, is_from_elsewhere, NO_TOKEN, token };
