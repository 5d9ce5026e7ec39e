import * as auth from "./auth";
import * as balancer from "./balancer";
import * as clock from "./clock";
import type { Core } from "./core";
import * as errors from "./errors";
import type { EtcdError } from "./errors";
import * as log from "./log";
import * as retry from "./retry";
import type { Rpc } from "./rpc";
import type { Attempt, Message, Reply, Stream } from "./transport";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Where other endpoints may be tried, each has its share of the time, of so many seconds at least. */
const MIN_SHARE = 1;

/** How a call ends: with a reply or a stream; or with an error and perhaps the server's answer. */
type Outcome<T> = LuaMultiReturn<
    [result: T, err?: undefined] | [result: undefined, err: EtcdError, refusal?: Reply | undefined]
>;

/** One try of a call at one endpoint. */
type Try = (this: void, core: Core, rpc: Rpc, payload: string, attempt: Attempt) => Outcome<Reply | Stream>;

function no_endpoint(): EtcdError {
    const err = errors.failure("no_endpoint", "has no healthy etcd endpoint available");
    err.retryable = true;
    return err;
}

/**
 * One try with its share of the call's time.
 * @param others endpoints that may be tried after this one: with none it has all the time
 */
function make_attempt(
    core: Core,
    rpc: Rpc,
    deadline: number | undefined,
    others: number,
    token: string | undefined,
    may_relogin: boolean,
): Attempt | undefined {
    const endpoint = balancer.choose_endpoint(core);
    if (endpoint === undefined) {
        return undefined;
    }
    const started = now();
    let connect_by = deadline;
    let answer_by = deadline;
    if (deadline !== undefined && others > 0) {
        const left = max(0, deadline - started);
        connect_by = started + min(left, max(MIN_SHARE, left / (others + 1)));
        if (rpc.write !== true) {
            // half of what is left; a write that was sent is not sent elsewhere, so it has all of it
            answer_by = started + min(left, max(MIN_SHARE, left / 2));
        }
    }
    return { endpoint, token, may_relogin, via: core.unix_socket_proxy, started, deadline: answer_by, connect_by };
}

/** The endpoint let the call down, as opposed to refusing it. */
function is_endpoint_failure(err: EtcdError): boolean {
    if (err.http_status !== undefined) {
        return err.http_status >= 500;
    }
    return err.name !== "bad_request";
}

/** Tries until there is a result, no sense in going on, or no time left. */
function run(
    core: Core,
    rpc: Rpc,
    payload: string,
    deadline: number | undefined,
    timeout: number,
    attempt_at: Try,
): Outcome<Reply | Stream> {
    let user = core.auth;
    if (rpc.anonymous === true) {
        user = undefined;
    }
    let tries_left = balancer.max_tries(core);
    let untried = core.endpoints.length;
    let may_relogin = user !== undefined;
    while (true) {
        let token: string | undefined;
        if (user !== undefined) {
            const [got, login_err] = auth.token(user, core, deadline, timeout);
            if (got === undefined) {
                return $multi(undefined, login_err);
            }
            token = got;
            if (deadline !== undefined && now() >= deadline) {
                return $multi(undefined, errors.failure("timeout", "timeout after the login"));
            }
        }
        untried = untried - 1;
        const others = min(untried, tries_left - 1);
        const attempt = make_attempt(core, rpc, deadline, others, token, may_relogin);
        if (attempt === undefined) {
            return $multi(undefined, no_endpoint());
        }
        const [result, err, refusal] = attempt_at(core, rpc, payload, attempt);
        if (result !== undefined) {
            return $multi(result);
        }
        if (is_endpoint_failure(err)) {
            balancer.report_failure(attempt.endpoint);
        }
        if (token !== undefined && may_relogin && retry.is_token_trouble(err)) {
            may_relogin = false;
            auth.drop(user!, token);
        } else {
            tries_left = tries_left - 1;
            const late = deadline !== undefined && now() >= deadline;
            if (tries_left < 1 || late || !err.retryable || !is_endpoint_failure(err)) {
                return $multi(undefined, err, refusal);
            }
            ngx.log(ngx.WARN, errors.text(err), ". Retrying");
        }
    }
}

function unary_at(this: void, core: Core, rpc: Rpc, payload: string, attempt: Attempt): Outcome<Reply | Stream> {
    return core.transport.unary(rpc, payload, attempt);
}

function open_at(this: void, core: Core, rpc: Rpc, payload: string, attempt: Attempt): Outcome<Reply | Stream> {
    const [stream, err, refusal] = core.transport.open(rpc, payload, attempt);
    if (stream === undefined) {
        return $multi(undefined, err, refusal);
    }
    if (attempt.may_relogin) {
        // etcd answers at once, if only that the stream stands
        const deadline = attempt.deadline;
        const first = stream.peek(deadline !== undefined ? max(0, deadline - now()) : undefined);
        const refused = retry.token_trouble_of_watch(first, attempt.endpoint.http_host);
        if (refused !== undefined) {
            stream.close();
            return $multi(undefined, refused);
        }
    }
    return $multi(stream);
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

function start(
    core: Core,
    rpc: Rpc,
    request: object,
    timeout: number,
    label: string | undefined,
    attempt_at: Try,
    not_after?: number,
): Outcome<Reply | Stream> {
    if (label !== undefined) {
        log_entry(core, rpc, timeout, label);
    }
    const [payload, err] = core.transport.encode(rpc, request as Message);
    if (payload === undefined) {
        return $multi(undefined, errors.failure("bad_request", err));
    }
    const deadline = timeout > 0 ? now() + timeout : undefined;
    return run(core, rpc, payload, min_time(deadline, not_after), timeout, attempt_at);
}

/**
 * One RPC, start to end: token, endpoint, transport, error, retry, within one deadline.
 * @param request its message
 * @param timeout seconds for all of it; the client's own if nil, 0 for no deadline
 */
function unary(core: Core, rpc: Rpc, request: object, timeout?: number): Outcome<Reply> {
    return start(core, rpc, request, timeout ?? core.timeout, "request uri headers: ", unary_at) as Outcome<Reply>;
}

/** An RPC on behalf of a call whose time ends at `not_after`. */
function unary_until(
    core: Core,
    rpc: Rpc,
    request: object,
    timeout: number,
    not_after: number | undefined,
): Outcome<Reply> {
    return start(core, rpc, request, timeout, "request uri headers: ", unary_at, not_after) as Outcome<Reply>;
}

/** One more RPC of a call that is under way: it has said already what it is about. */
function unary_within(core: Core, rpc: Rpc, request: object, timeout?: number): Outcome<Reply> {
    return start(core, rpc, request, timeout ?? core.timeout, undefined, unary_at) as Outcome<Reply>;
}

/**
 * Opens a stream; the deadline is for the opening.
 * @param timeout seconds until the first answer; the client's own if nil, 0 for no deadline
 */
function open(core: Core, rpc: Rpc, request: object, timeout?: number): Outcome<Stream> {
    return start(core, rpc, request, timeout ?? core.timeout, "request chunk headers: ", open_at) as Outcome<Stream>;
}

export { open, unary, unary_until, unary_within, type Outcome };
