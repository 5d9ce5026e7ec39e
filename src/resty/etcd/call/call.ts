import type { Message } from "../protocol/message";
import type { Call, CallOptions, OnRetry, Outcome, StreamOptions } from "./attempt";
import * as attempts from "./attempt";
import * as tokens from "./token";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as log from "../base/log";
import * as printable from "../base/printable";
import type { Meter } from "../metrics/call_metrics";
import * as call_metrics from "../metrics/call_metrics";
import * as retry_state from "./retry_state";
import * as resolver from "../endpoint/resolver";
import type { Rpc } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Reply, Stream } from "../transport/transport";

const now = clock.now;
const min = math.min;

/** Returns a token for the next attempt; nil and nil if none is needed. */
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

/** Logs that a call continues at another endpoint. Programs search for the line of calls without `on_retry`. */
function log_retry(call: Call, err: EtcdError): void {
    const on_retry = call.options?.on_retry;
    if (on_retry !== undefined) {
        on_retry(rpcs.name_of(call.rpc), err);
    } else {
        ngx.log(ngx.WARN, errors.to_text(err), ". Retrying");
    }
}

/** Makes attempts until there is a result, or an error that no further attempt can change. */
function run(call: Call): Outcome<Reply | Stream> {
    const state = call.retry_state;
    while (true) {
        const [token, login_err] = get_token(call);
        if (login_err !== undefined) {
            return $multi(undefined, login_err);
        }
        const [attempt, prepare_err] = attempts.prepare(call, token);
        if (attempt === undefined) {
            return $multi(undefined, prepare_err);
        }
        const [result, err, error_reply] = attempts.run(call, attempt);
        if (result !== undefined) {
            return $multi(result);
        }
        const next_step = retry_state.decide(state, token, err, attempt.endpoint.http_host);
        if (next_step === "stop") {
            return $multi(undefined, err, error_reply);
        }
        if (next_step === "new_token") {
            tokens.invalidate(call.core.auth!, token!);
        }
        retry_state.wait(state);
        if (next_step === "next_endpoint") {
            log_retry(call, err);
        }
    }
}

function min_time(a: number | undefined, b: number | undefined): number | undefined {
    if (a === undefined || b === undefined) {
        return a ?? b;
    }
    return min(a, b);
}

/** What the line with the extra headers of a call begins with. */
type HeadersLabel = "request uri headers: " | "request chunk headers: ";

/** Logs the line that lua-resty-etcd 1.10 logs at the entry of each call: programs search for it. */
function log_entry(core: Core, rpc: Rpc, timeout: number, label: HeadersLabel): void {
    if (log.info_enabled()) {
        ngx.log(ngx.INFO, "v3 request uri: ", printable.key(rpc.path), ", timeout: ", timeout);
        if (core.extra_json !== undefined) {
            ngx.log(ngx.INFO, label, core.extra_json);
        }
    }
}

function log_unary(core: Core, rpc: Rpc, timeout: number): void {
    log_entry(core, rpc, timeout, "request uri headers: ");
}

/** Reports the end of a call to the metrics and to `on_call`. */
function report(call: Call, meter: Meter, started: number, err: EtcdError | undefined): void {
    const info: call_metrics.CallInfo = {
        rpc: rpcs.name_of(call.rpc),
        ms: (now() - started) * 1000,
        sent: call.payload.length * call.retry_state.attempts,
        received: call.received,
        tries: call.retry_state.attempts,
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
    const [payload, problem] = core.transport.encode(rpc, request as Message);
    if (payload === undefined) {
        return $multi(undefined, errors.local_error("bad_request", problem));
    }
    const started = now();
    const deadline = min_time(timeout > 0 ? started + timeout : undefined, options?.deadline);
    // only what was seen before the call began counts: waiting for DNS below lets other calls see more
    const floor = core.revision_floor;
    const seen_revision = floor?.revision ?? 0;
    const seen_cluster = floor?.cluster_id;
    const plan = core.sync_plan;
    if (plan !== undefined && started >= plan.next) {
        plan.next = started + plan.interval;
        plan.start(core);
    }
    const first = options?.first;
    if (core.dns !== undefined && first === undefined) {
        resolver.before_call(core, core.dns, started, deadline);
    }
    const is_linearizable = (request as { serializable?: unknown }).serializable !== true;
    const at = options?.at ?? stream?.at;
    const call: Call = {
        core,
        rpc,
        semantics: options?.semantics ?? rpc.semantics,
        payload,
        deadline,
        timeout,
        stream,
        options: options ?? stream,
        first,
        at,
        max_response_size: options?.max_response_size ?? core.max_response_size,
        retry_state: retry_state.new(core, deadline, is_linearizable, at !== undefined),
        seen_revision,
        seen_cluster,
        received: 0,
        endpoint: undefined,
    };
    const [result, err, error_reply] = run(call);
    if (stream !== undefined) {
        stream.attempts = call.retry_state.attempts;
    }
    if (options !== undefined) {
        options.attempts = call.retry_state.attempts;
        options.answered_by = call.endpoint;
        options.first = undefined; // `cluster.read` calls again with the same options
    }
    let outcome = err;
    if (err !== undefined && call.retry_state.maybe_applied) {
        outcome = errors.with_outcome(err, true);
    }
    if (core.meter !== undefined) {
        report(call, core.meter, started, outcome);
    }
    if (result !== undefined) {
        return $multi(result);
    }
    return $multi(undefined, outcome!, error_reply);
}

/**
 * Makes one RPC, from start to end: token, endpoint, transport, error and retries, within one deadline.
 * @param request its message
 */
function unary(core: Core, rpc: Rpc, request: object, options?: CallOptions): Outcome<Reply> {
    const timeout = options?.timeout ?? core.timeout;
    if (options?.quiet !== true) {
        log_unary(core, rpc, timeout);
    }
    return start(core, rpc, request, timeout, options, undefined) as Outcome<Reply>;
}

/** Opens a stream. The deadline applies to the opening. */
function open(core: Core, rpc: Rpc, request: object, options: StreamOptions): Outcome<Stream> {
    const timeout = options.timeout ?? core.timeout;
    log_entry(core, rpc, timeout, "request chunk headers: ");
    const [stream, err, error_reply] = start(core, rpc, request, timeout, undefined, options);
    if (stream === undefined) {
        return $multi(undefined, err, error_reply);
    }
    core.sync_plan?.start_loop(core);
    return $multi(stream as Stream);
}

export { log_unary, open, unary, type CallOptions, type OnRetry, type Outcome, type StreamOptions };
