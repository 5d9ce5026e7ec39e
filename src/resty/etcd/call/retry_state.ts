import * as backoff from "../base/backoff";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import type { Tried } from "../endpoint/client_health";
import shared_health = require("../endpoint/shared_health");
import * as retry_budget from "../endpoint/retry_budget";
import type { EtcdError } from "../protocol/errors";
import * as monotonic from "./monotonic";
import * as retry_policy from "../protocol/retry_policy";
import * as phase from "../base/phase";
import * as tokens from "./token";
import * as waits from "../base/wait";

const now = clock.now;
const min = math.min;
const floor = math.floor;

/** With `monotonic`: attempts per endpoint before a stale reply is returned as an error. */
const STALE_ATTEMPTS = 5;
/** Tokens from other workers or concurrent calls that etcd can reject before this call logs in itself. */
const MAX_SHARED_TOKENS = 3;
/** Seconds before the second round over the endpoints; doubled with each further round. */
const FIRST_DELAY = 0.025;
/** Upper bound in seconds of that delay. */
const MAX_DELAY = 1;
/** Seconds before a new token is sent again to members that do not know it yet; doubled with each rejection. */
const FIRST_TOKEN_DELAY = 0.01;
/** Times that the same token is sent again: within 0.63 s every healthy member has applied the login. */
const MAX_TOKEN_REPEATS = 6;

/** What a call does after a failed attempt. */
type NextStep =
    /** Sends the same token again: the member did not know it yet. */
    | "same_token"
    /** Drops the token and gets another one. */
    | "new_token"
    /** Retries, on another endpoint if there is one. */
    | "next_endpoint"
    /** Returns the error. */
    | "stop";

/** The state that decides whether a call makes another attempt. */
interface RetryState {
    readonly core: Core;
    /** Nil for none. */
    readonly deadline: number | undefined;
    /** Only a member that is up to date with its leader answers the call. */
    readonly is_linearizable: boolean;
    /** Attempts made. */
    attempts: number;
    /** Attempts that can still be made, apart from those repeated for a token or a stale reply. */
    attempts_left: number;
    /** Stale replies that can still be dropped; negative once there was one too many. */
    stale_left: number;
    /** Times that a rejected token was sent again unchanged. */
    token_repeats: number;
    /** Rejected tokens that were not from a login of this call. */
    shared_tokens: number;
    /** The next rejected token can be replaced by a login. */
    can_relogin: boolean;
    /** Endpoints that failed this call; nil if none did, or under the shared health check. */
    tried: Tried | undefined;
    /** Error of the last attempt that was followed by another one. */
    last_error: EtcdError | undefined;
    /** An attempt at a write left open whether it was applied. */
    maybe_applied: boolean;
    /** Seconds until the next attempt. */
    delay: number;
}

/** Returns how many attempts a call can make. With the client's own health check, each call adds to the retry budget. */
function max_attempts(core: Core): number {
    const n = core.endpoints.length;
    const own = core.health;
    if (own !== undefined) {
        retry_budget.credit(own.budget);
        return own.retry ? 2 * n + 1 : 1;
    }
    const conf = shared_health.conf;
    if (conf?.retry !== true || shared_health.get_check_mode() === shared_health.DISABLED_MODE) {
        return 1;
    }
    return n * conf.max_fails + 1;
}

/** @param is_pinned the call is for a single endpoint, so another attempt would repeat the same */
function create(core: Core, deadline: number | undefined, is_linearizable: boolean, is_pinned: boolean): RetryState {
    return {
        core,
        deadline,
        is_linearizable,
        attempts: 0,
        attempts_left: is_pinned ? 1 : max_attempts(core),
        stale_left: core.revision_floor !== undefined ? STALE_ATTEMPTS * core.endpoints.length : 0,
        token_repeats: 0,
        shared_tokens: 0,
        can_relogin: true,
        tried: undefined,
        last_error: undefined,
        maybe_applied: false,
        delay: 0,
    };
}

/** Reports whether a rejected token is likely to be accepted if it is sent again. */
function can_repeat_token(state: RetryState, token: string): boolean {
    return state.token_repeats < MAX_TOKEN_REPEATS && tokens.can_be_unknown_to_members(state.core.auth!, token);
}

/** Reports whether the call goes on if etcd rejects the token of the next attempt. */
function can_survive_rejection(state: RetryState, token: string): boolean {
    return state.can_relogin || can_repeat_token(state, token);
}

/** Returns how many more endpoints can be tried after the next attempt. A rejected token says nothing about its endpoint. */
function endpoints_left(state: RetryState): number {
    const core = state.core;
    if (core.health !== undefined && !retry_budget.has_retry(core.health.budget)) {
        return 0;
    }
    let rejected = state.token_repeats + state.shared_tokens;
    if (!state.can_relogin) {
        rejected = rejected + 1;
    }
    return min(core.endpoints.length - state.attempts + rejected, state.attempts_left) - 1;
}

/** Sets the delay before the next attempt. Returns false if the deadline passes before its end. */
function set_delay(state: RetryState, seconds: number): boolean {
    state.delay = seconds;
    return state.deadline === undefined || now() + seconds < state.deadline;
}

/** Decides what to do about a rejected token. */
function step_after_rejection(state: RetryState, token: string, err: EtcdError): NextStep | undefined {
    const auth = state.core.auth!;
    if (
        retry_policy.is_token_unknown(err) &&
        can_repeat_token(state, token) &&
        set_delay(state, FIRST_TOKEN_DELAY * 2 ** state.token_repeats) &&
        phase.can_wait()
    ) {
        state.token_repeats = state.token_repeats + 1;
        return "same_token";
    }
    state.delay = 0;
    if (tokens.is_from_elsewhere(auth, token) && state.shared_tokens < MAX_SHARED_TOKENS) {
        state.shared_tokens = state.shared_tokens + 1;
        return "new_token";
    }
    if (state.can_relogin) {
        state.can_relogin = false;
        return "new_token";
    }
    return undefined;
}

/**
 * Returns the seconds to wait before the next endpoint: none within the first round over the endpoints. With only the
 * shared health check there is never a wait, because there was none in lua-resty-etcd 1.10.
 */
function endpoint_delay(state: RetryState): number {
    const core = state.core;
    const n = core.endpoints.length;
    if (state.attempts < n || (core.health === undefined && core.revision_floor === undefined)) {
        return 0;
    }
    const round = floor(state.attempts / n) - 1;
    return backoff.exponential(FIRST_DELAY, MAX_DELAY, round);
}

/** Counts a stale reply. */
function count_stale_reply(state: RetryState): void {
    state.stale_left = state.stale_left - 1;
    if (state.stale_left < 0) {
        monotonic.accept_rollback(state.core.revision_floor!, state.is_linearizable);
    }
}

/** Reports whether another member can serve the call although this one works. Such a retry adds no load to a failing cluster. */
function is_wrong_member(err: EtcdError): boolean {
    return err.name === "stale_reply" || retry_policy.is_learner_error(err);
}

/** Excludes an endpoint from the next attempts of the call. The bans of the shared health check do that for all calls. */
function avoid(state: RetryState, http_host: string): void {
    if (state.core.health !== undefined) {
        state.tried ??= new LuaMap();
        state.tried.set(http_host, true);
    }
}

/**
 * Counts a failed attempt and decides what the call does next.
 * @param token that was sent; nil for none
 * @param http_host endpoint of the attempt
 */
function decide(state: RetryState, token: string | undefined, err: EtcdError, http_host: string): NextStep {
    state.maybe_applied = state.maybe_applied || err.maybe_applied;
    if (token !== undefined && retry_policy.is_token_error(err)) {
        const step = step_after_rejection(state, token, err);
        if (step !== undefined) {
            return step;
        }
    }
    if (err.name === "stale_reply") {
        count_stale_reply(state);
    } else {
        state.attempts_left = state.attempts_left - 1;
    }
    if (!err.retryable || state.attempts_left < 1 || state.stale_left < 0) {
        return "stop";
    }
    const own = state.core.health;
    if (own !== undefined && !is_wrong_member(err) && !retry_budget.spend(own.budget)) {
        return "stop";
    }
    if (!set_delay(state, endpoint_delay(state))) {
        return "stop";
    }
    avoid(state, http_host);
    state.last_error = err;
    return "next_endpoint";
}

/** Waits until the next attempt is due. Does nothing in phases that cannot yield. */
function wait(state: RetryState): void {
    if (state.delay > 0 && phase.can_wait()) {
        protected_call(waits.sleep, state.delay); // raises an error across a C call boundary
    }
}

export { can_survive_rejection, create as new, decide, endpoints_left, wait, type NextStep, type RetryState };
