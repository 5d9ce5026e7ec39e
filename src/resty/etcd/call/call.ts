import type { Message } from "../protocol/message";
import type { Call, CallOptions, Outcome, StreamOptions } from "./attempt";
import * as attempts from "./attempt";
import * as tokens from "./token";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as log from "../base/log";
import type { Meter } from "../metrics/call_metrics";
import * as call_metrics from "../metrics/call_metrics";
import * as monotonic from "./monotonic";
import * as retry_delay from "./retry_delay";
import * as resolver from "../endpoint/resolver";
import * as retry_policy from "../protocol/retry_policy";
import type { Rpc } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Reply, Stream } from "../transport/transport";

const now = clock.now;
const min = math.min;

/** A client that must not go back in time asks each endpoint so often before it gives up. */
const STALE_TRIES = 5;

/** So many tokens may be refused that are not of a login of the call's own, before it has one. */
const SHARED_TRIES = 3;

/** @param last why an earlier try of the same call failed */
function no_endpoint(last: EtcdError | undefined): EtcdError {
    const err = errors.local_error("no_endpoint", "has no healthy etcd endpoint available");
    err.retryable = true;
    if (last !== undefined) {
        err.hint = errors.to_text(last);
    }
    return err;
}

/** The endpoint is well, but not the one for this call: to ask another is no burden on a cluster in trouble. */
function is_elsewhere(err: EtcdError): boolean {
    return err.name === "stale_reply" || retry_policy.is_learner_error(err);
}

/** A token for the next try; nil and nil where none is needed. */
function get_token(call: Call): LuaMultiReturn<[token: string | undefined, err?: EtcdError]> {
    const core = call.core;
    if (core.auth === undefined || call.rpc.anonymous === true) {
        return $multi(undefined);
    }
    const deadline = call.deadline;
    const [token, err] = tokens.token(core.auth, core, deadline, call.timeout);
    if (token === undefined) {
        return $multi(undefined, err);
    }
    if (deadline !== undefined && now() >= deadline) {
        return $multi(undefined, errors.out_of_time("timeout after the login"));
    }
    return $multi(token);
}

/** Whether a call may be sent again after its token was refused: with the same one a little later, or with another. */
function is_token_renewed(call: Call, token: string, err: EtcdError): boolean {
    const own = call.core.auth!;
    if (
        retry_policy.is_token_unknown(err) &&
        tokens.may_be_unknown_to_members(own, token) &&
        retry_delay.before_token(call.token_tries, call.deadline)
    ) {
        call.token_tries = call.token_tries + 1;
        return true;
    }
    if (tokens.is_from_elsewhere(own, token) && call.shared_tries < SHARED_TRIES) {
        call.shared_tries = call.shared_tries + 1;
    } else if (call.may_relogin) {
        call.may_relogin = false;
    } else {
        return false;
    }
    tokens.invalidate(own, token);
    return true;
}

/** Endpoints that may still be tried once, after the next one. A refused token says nothing of its endpoint. */
function others_left(call: Call, tries_left: number): number {
    let refused = call.token_tries + call.shared_tries;
    if (!call.may_relogin) {
        refused = refused + 1;
    }
    return min(call.core.endpoints.length - call.tries + refused, tries_left) - 1;
}

/** Tries until there is a result, no sense in going on, or no time left. */
function run(call: Call): Outcome<Reply | Stream> {
    const core = call.core;
    const deadline = call.deadline;
    const order = core.revision_floor;
    let stale_left = 0;
    let tries_left = balancer.max_tries(core);
    if (order !== undefined) {
        stale_left = STALE_TRIES * core.endpoints.length;
    }
    let last: EtcdError | undefined;
    while (true) {
        const [token, login_err] = get_token(call);
        if (login_err !== undefined) {
            return $multi(undefined, login_err);
        }
        const others = balancer.has_retry(core) ? others_left(call, tries_left) : 0;
        const attempt = attempts.prepare(call, others, token);
        if (attempt === undefined) {
            return $multi(undefined, no_endpoint(last));
        }
        if (deadline !== undefined && attempt.started >= deadline) {
            balancer.report_not_attempted(core, attempt.endpoint.http_host); // it is not to blame
            return $multi(undefined, last ?? errors.out_of_time("timeout"));
        }
        call.tries = call.tries + 1;
        call.endpoint = attempt.endpoint.http_host;
        const [result, err, refusal] = attempts.run(call, attempt);
        attempts.report(call, attempt, err);
        if (result !== undefined) {
            return $multi(result);
        }
        call.maybe_applied = call.maybe_applied || err.maybe_applied;
        const is_refused = token !== undefined && retry_policy.is_token_error(err);
        if (!is_refused || !is_token_renewed(call, token, err)) {
            if (err.name === "stale_reply") {
                stale_left = stale_left - 1;
                if (stale_left < 0) {
                    monotonic.accept_rollback(order!, call.is_linearizable);
                }
            } else {
                tries_left = tries_left - 1;
            }
            if (tries_left < 1 || stale_left < 0 || !err.retryable) {
                return $multi(undefined, err, refusal);
            }
            if (!is_elsewhere(err) && !balancer.may_retry(core)) {
                return $multi(undefined, err, refusal);
            }
            if (!retry_delay.before_try(core, call.tries, deadline)) {
                return $multi(undefined, err, refusal);
            }
            ngx.log(ngx.WARN, errors.to_text(err), ". Retrying");
            attempts.avoid(call, attempt.endpoint);
            last = err;
        }
    }
}

function min_time(a: number | undefined, b: number | undefined): number | undefined {
    if (a === undefined || b === undefined) {
        return a ?? b;
    }
    return min(a, b);
}

/** The line that users look for, once at the entry of each call. */
function log_entry(core: Core, rpc: Rpc, timeout: number, label: string): void {
    if (log.info_enabled()) {
        ngx.log(ngx.INFO, "v3 request uri: ", rpc.path, ", timeout: ", timeout);
        if (core.extra_json !== undefined) {
            ngx.log(ngx.INFO, label, core.extra_json);
        }
    }
}

/** Tells how a call has ended, to whoever wants to know. */
function report(call: Call, meter: Meter, started: number, err: EtcdError | undefined): void {
    const info: call_metrics.CallInfo = {
        rpc: rpcs.name_of(call.rpc),
        ms: (now() - started) * 1000,
        sent: call.payload.length * call.tries,
        received: call.received,
        tries: call.tries,
        outcome: err?.name ?? "ok",
    };
    if (call.endpoint !== undefined) {
        info.endpoint = call.endpoint;
    }
    if (err !== undefined) {
        info.err = err;
    }
    call_metrics.record(meter, info);
}

function start(
    core: Core,
    rpc: Rpc,
    request: object,
    timeout: number,
    options: CallOptions | undefined,
    stream: StreamOptions | undefined,
): Outcome<Reply | Stream> {
    const [payload, wrong] = core.transport.encode(rpc, request as Message);
    if (payload === undefined) {
        return $multi(undefined, errors.local_error("bad_request", wrong));
    }
    const started = now();
    const deadline = min_time(timeout > 0 ? started + timeout : undefined, options?.deadline);
    const is_current = (request as { serializable?: unknown }).serializable !== true;
    const call: Call = {
        core,
        rpc,
        semantics: options?.semantics ?? rpc.semantics,
        payload,
        deadline,
        timeout,
        stream,
        tries: 0,
        may_relogin: true,
        token_tries: 0,
        shared_tries: 0,
        is_linearizable: is_current,
        seen_revision: 0,
        seen_cluster: undefined,
        received: 0,
        endpoint: undefined,
        maybe_applied: false,
        tried: undefined,
    };
    if (core.revision_floor !== undefined) {
        call.seen_revision = core.revision_floor.revision;
        call.seen_cluster = core.revision_floor.cluster_id;
    }
    const plan = core.sync_plan;
    if (plan !== undefined && started >= plan.next) {
        plan.next = started + plan.interval;
        plan.start(core);
    }
    if (core.dns !== undefined) {
        resolver.before_call(core, core.dns, started, deadline);
    }
    const [result, err, refusal] = run(call);
    let outcome = err;
    if (err !== undefined && call.maybe_applied) {
        outcome = errors.with_outcome(err, true);
    }
    if (core.meter !== undefined) {
        report(call, core.meter, started, outcome);
    }
    if (result !== undefined) {
        return $multi(result);
    }
    return $multi(undefined, outcome!, refusal);
}

/**
 * Makes one RPC, from start to end: token, endpoint, transport, error and retries, within one deadline.
 * @param request its message
 */
function unary(core: Core, rpc: Rpc, request: object, options?: CallOptions): Outcome<Reply> {
    const timeout = options?.timeout ?? core.timeout;
    if (options?.quiet !== true) {
        log_entry(core, rpc, timeout, "request uri headers: ");
    }
    return start(core, rpc, request, timeout, options, undefined) as Outcome<Reply>;
}

/** Opens a stream. The deadline applies to the opening. */
function open(core: Core, rpc: Rpc, request: object, options: StreamOptions): Outcome<Stream> {
    const timeout = options.timeout ?? core.timeout;
    log_entry(core, rpc, timeout, "request chunk headers: ");
    return start(core, rpc, request, timeout, undefined, options) as Outcome<Stream>;
}

export { open, unary, type CallOptions, type Outcome, type StreamOptions };
