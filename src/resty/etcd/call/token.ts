import * as clock from "../base/clock";
import * as dict_values from "../base/dict_values";
import type { TokenCache, Core, LoginResult, Login } from "./client_state";
import type { Choice } from "../endpoint/balancer";
import type { Dict } from "../base/memory_dict";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as log from "../base/log";
import * as phase from "../base/phase";
import * as single_flight from "../base/single_flight";
import type { Run } from "../base/single_flight";
import * as timer_loop from "../base/timer_loop";

const min = math.min;
const now = clock.now;
const find = string.find as StringFind;

/** Seconds in which the timer of a login must start. nginx drops timers when too many of them run. */
const START_TIME = 1;
/**
 * Extra seconds that the call which started a login waits past its deadline, so that it returns the login's error
 * instead of a bare timeout.
 */
const ERROR_GRACE = 0.02;
/** Seconds in which all healthy members learn of a simple token, which is replicated through the raft log. */
const SPREAD_TIME = 1;
/** Longest accepted token in bytes. Simple tokens have some 20, a JWT about 1000. */
const MAX_TOKEN = 16384;
/** Longest time in front of a new token, in bytes. */
const MAX_TIME_LENGTH = 32;
/** Suffix of the shared dict key that exists while a token is new. */
const NEW_SUFFIX = "|new";
/** Seconds after which a login without a deadline counts as lost. */
const LOGIN_TIMEOUT = 60;
/** The same for a login that does not run in a timer, because it can be killed with its request. */
const INLINE_LOGIN_TIMEOUT = 2;

/** Token of an etcd without authentication; never sent. */
const NO_TOKEN = "";

/** A login that has begun. */
interface PendingLogin {
    readonly auth: TokenCache;
    readonly core: Core;
    readonly run: Run<LoginResult>;
    readonly timeout: number;
    readonly deadline: number | undefined;
    /** Nil if the login chooses its first endpoint when it continues. */
    readonly first: Choice | undefined;
}

/** @param is_optional see `TokenCache` */
function create(user: string, password: string, login: Login, is_optional: boolean): TokenCache {
    return {
        user,
        password,
        login,
        is_optional,
        dict: undefined,
        dict_key: "",
        token: undefined,
        is_shared: false,
        new_until: 0,
        logins: single_flight.new(),
    };
}

/**
 * Shares the token with the clients of the same identity, in all workers.
 * @param identity of `identity.of_client`
 */
function share(auth: TokenCache, dict: Dict, identity: string): void {
    auth.dict = dict;
    auth.dict_key = `resty.etcd|token|${identity}`;
}

/** Stores a new token, in the shared dict too. */
function store(auth: TokenCache, fresh: string): void {
    auth.token = fresh;
    auth.is_shared = false;
    auth.new_until = now() + SPREAD_TIME;
    const dict = auth.dict;
    if (dict !== undefined && fresh !== NO_TOKEN) {
        // with its monotonic end: a shared dict expires keys by the wall clock, which can be set back
        dict.safe_set(auth.dict_key + NEW_SUFFIX, string.format("%.3f %s", auth.new_until, fresh), SPREAD_TIME);
        dict.safe_set(auth.dict_key, fresh); // evicts nothing: without room, each worker logs in itself
    }
}

/** Reports whether a value can be a token. It is sent as a header field: a line break in it would let others inject headers. */
function is_token(value: unknown): value is string {
    if (typeof value !== "string" || value.length > MAX_TOKEN) {
        return false;
    }
    const [from] = find(value, "^[!-~]+$");
    return from !== undefined;
}

/** Returns the token in a shared dict; nil if there is none. Another program can have written something else there. */
function read_token(dict: Dict, key: string): string | undefined {
    const value = dict_values.get_line(dict, key, MAX_TOKEN);
    return is_token(value) ? value : undefined;
}

/** Loads the token of another worker from the shared dict, if this worker has none. */
function load_shared(auth: TokenCache): void {
    const dict = auth.dict;
    if (dict !== undefined && auth.token === undefined) {
        const shared = read_token(dict, auth.dict_key);
        const fresh = dict_values.get_line(dict, auth.dict_key + NEW_SUFFIX, MAX_TOKEN + MAX_TIME_LENGTH);
        const [new_until, fresh_token] = string.match(fresh ?? "", "^(%d+%.%d%d%d) (%S+)$");
        auth.token = shared;
        auth.is_shared = shared !== undefined;
        auth.new_until = fresh_token === shared ? min(tonumber(new_until) ?? 0, now() + SPREAD_TIME) : 0;
    }
}

/** Returns the result of a login that raised an error, so that the calls that wait for it do not time out. */
function raised(text: unknown): LoginResult {
    return { token: undefined, err: errors.local_error("login_failed", tostring(text)) };
}

/** Finishes a login that has begun, and passes the result to all calls that wait for it. */
function finish_login(pending: PendingLogin): void {
    const { auth, core, run, timeout, deadline, first } = pending;
    const [ok, token_or_error, err] = protected_call(auth.login.finish, core, auth, timeout, deadline, first);
    let result: LoginResult;
    if (ok) {
        result = { token: token_or_error as string | undefined, err: err as EtcdError | undefined };
    } else {
        result = raised(token_or_error);
    }
    if (result.token !== undefined) {
        store(auth, result.token);
    }
    single_flight.finish(auth.logins, run, result);
}

function finish_in_timer(pending: PendingLogin): void {
    const { auth, run, deadline } = pending;
    if (auth.logins.latest !== run) {
        return; // it had to wait for a timer, and counted as lost
    }
    const seconds = deadline !== undefined ? deadline - now() : LOGIN_TIMEOUT;
    single_flight.extend(run, seconds + START_TIME);
    finish_login(pending);
}

/** Waits until the login ends, is lost, or the deadline passes. Returns why there is no token, or nil if the login is lost. */
function wait(run: Run<LoginResult>, deadline: number | undefined): EtcdError | undefined {
    const [outcome, reason] = single_flight.wait_for(run, deadline);
    if (outcome === "released") {
        return run.result?.err;
    }
    if (outcome === "lost") {
        return undefined;
    }
    if (outcome === "timeout") {
        return errors.out_of_time("waiting for the login: timeout");
    }
    const name = phase.can_wait() ? "login_failed" : "not_in_phase";
    return errors.local_error(name, `waiting for the login: ${tostring(reason)}`);
}

/**
 * Starts a login. Its log lines are written immediately, so that they follow the line of the call that needs the login.
 * What waits runs in a timer of the driver, so that it survives if that call is killed with its request. Without a timer,
 * or without an endpoint, the login runs inline and has ended when this returns.
 */
function start_login(auth: TokenCache, core: Core, timeout: number, deadline: number | undefined): Run<LoginResult> {
    const replaces_lost_login = auth.logins.latest !== undefined;
    const run = single_flight.start(auth.logins, START_TIME);
    const [ok, choice_or_error] = protected_call(auth.login.begin, core, timeout);
    if (!ok) {
        single_flight.finish(auth.logins, run, raised(choice_or_error));
        return run;
    }
    const first = choice_or_error as Choice | undefined;
    const pending: PendingLogin = { auth, core, run, timeout, deadline, first };
    const must_wait = first === undefined || first.endpoint !== undefined;
    // init and init_worker have no light threads
    if (must_wait && !replaces_lost_login && !phase.is_starting()) {
        const loop = timer_loop.run_once("login", () => {
            finish_in_timer(pending);
        });
        if (loop !== undefined) {
            return run;
        }
    }
    single_flight.extend(run, INLINE_LOGIN_TIMEOUT);
    finish_login(pending);
    return run;
}

/** Returns the token to send, after a login if there is none. Concurrent calls share one login. */
function token(auth: TokenCache, core: Core, deadline: number | undefined, timeout: number): Result<string, EtcdError> {
    let is_owner = false;
    load_shared(auth);
    while (auth.token === undefined) {
        let run = single_flight.running(auth.logins);
        if (run === undefined) {
            is_owner = true;
            run = start_login(auth, core, timeout, deadline);
        }
        const wait_until = is_owner && deadline !== undefined ? deadline + ERROR_GRACE : deadline;
        const err = wait(run, wait_until);
        const fresh = run.result?.token;
        if (fresh !== undefined) {
            return $multi(fresh);
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

/**
 * Reports whether a token is so new that a member can reject it and accept it a moment later. This applies to simple
 * tokens only: every member accepts a JWT immediately.
 */
function can_be_unknown_to_members(auth: TokenCache, old: string): boolean {
    if (old !== auth.token || now() >= auth.new_until) {
        return false;
    }
    const [simple] = find(old, "^%a+%.%d+$");
    return simple !== undefined;
}

/**
 * Reports whether a rejected token is not from this worker's latest login. Either another worker logged in, and its token
 * can be as old as the one before; or a concurrent call has dropped the token already.
 */
function is_from_elsewhere(auth: TokenCache, old: string): boolean {
    return auth.is_shared || old !== auth.token;
}

/** Drops a token that etcd rejects, unless it was replaced by a newer one. */
function invalidate(auth: TokenCache, old: string): void {
    if (auth.token === old) {
        auth.token = undefined;
    }
    const dict = auth.dict;
    if (dict !== undefined) {
        if (read_token(dict, auth.dict_key) === old) {
            dict.delete(auth.dict_key);
        }
    }
}

export { create as new, invalidate, can_be_unknown_to_members, is_from_elsewhere, is_token, NO_TOKEN, share, token };
