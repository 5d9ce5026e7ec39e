import * as tokens from "./token";
import * as call from "./call";
import * as cluster from "./cluster";
import type { TokenCache, Core, Login } from "./client_state";
import * as balancer from "../endpoint/balancer";
import type { Choice } from "../endpoint/balancer";
import * as printable from "../base/printable";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as rpcs from "../protocol/rpc";

/** Makes the error of a rejected login. Its text is always that of lua-resty-etcd 1.10; the reason is in `hint`. */
function login_rejected(cause: EtcdError | undefined): EtcdError {
    const err = errors.local_error("login_failed", "authenticate refresh token fail", cause?.endpoint);
    if (cause !== undefined) {
        err.hint = cause.hint !== undefined ? printable.of(`${cause.message}; ${cause.hint}`) : cause.message;
        if (cause.code !== undefined) {
            err.code = cause.code;
        }
        if (cause.http_status !== undefined) {
            err.http_status = cause.http_status;
        }
    }
    return err;
}

/** Begins a login in the light thread of the call that needs it, so that its log lines follow the line of that call. */
function begin(core: Core, timeout: number): Choice | undefined {
    call.log_unary(core, rpcs.authenticate, timeout);
    return balancer.choose_without_waiting(core);
}

/**
 * Logs in with user and password.
 * @returns the token; errors of the connection and the server are returned unchanged
 */
function finish(
    core: Core,
    auth: TokenCache,
    timeout: number,
    deadline: number | undefined,
    first: Choice | undefined,
): Result<string, EtcdError> {
    const request = { name: auth.user, password: auth.password };
    // a client that has not compared its endpoints yet does not start with a login: it would send more than that
    const perform = core.cluster.id !== undefined ? cluster.read : call.unary;
    const [reply, err] = perform(core, rpcs.authenticate, request, { timeout, deadline, quiet: true, first });
    if (reply !== undefined) {
        const token = reply.body.get("token");
        if (tokens.is_token(token)) {
            return $multi(token);
        }
        return $multi(undefined, login_rejected(undefined));
    }
    if (
        auth.is_optional &&
        err.code === errors.Code.FAILED_PRECONDITION &&
        err.message === "etcdserver: authentication is not enabled"
    ) {
        ngx.log(ngx.WARN, printable.of(err.endpoint), ": authentication is not enabled, calls are made without token");
        return $multi(tokens.NO_TOKEN);
    }
    if (err.http_status !== undefined && err.http_status < 500) {
        return $multi(undefined, login_rejected(err));
    }
    return $multi(undefined, err);
}

/** How clients log in. */
const LOGIN: Login = { begin, finish };

export { LOGIN };
