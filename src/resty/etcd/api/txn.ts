import type { ClientState } from "../call/client_state";
import * as errors from "../protocol/errors";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Header, Message } from "../protocol/message";
import type { Outcome } from "../call/call";
import * as call from "../call/call";
import * as idempotency from "../call/idempotency";
import * as rpcs from "../protocol/rpc";
import * as serializer from "../serializers/serializer";
import type { Reply } from "../transport/transport";
import * as method_options from "./method_options";
import * as request_options from "./request_options";
import type { CallOptions, DeleteBody, GetBody, SetBody, SetOptions } from "./kv";
import * as result from "./result";
import type { ApiResult } from "./result";
import type { Row } from "./txn_request";
import * as txn_request from "./txn_request";

interface TxnBody {
    header: Header;
    /** All comparisons held and etcd ran `success`; nil if etcd ran `failure`. */
    succeeded?: true;
    responses?: OpResponse[];
    /** With `idempotent`: an earlier attempt was applied; its `responses` are lost. */
    replayed?: true;
}

/** Response to one operation, in the field for its kind. */
interface OpResponse {
    response_range?: GetBody;
    response_put?: SetBody;
    response_delete_range?: DeleteBody;
    response_txn?: TxnBody;
}

interface TxnOptions extends CallOptions {
    /** Retry the transaction when its outcome is unknown: a marker ensures that etcd applies it once. Default false. */
    idempotent?: boolean;
}

interface SetIfOptions extends SetOptions, TxnOptions {}

/** Deserializes the values in all responses of a transaction, in place. */
function decode_responses(cli: ClientState, body: TxnBody): void {
    for (const response of body.responses ?? []) {
        const { response_range, response_put, response_delete_range, response_txn } = response;
        if (response_range !== undefined) {
            result.decode_values(cli.serializer, response_range.kvs);
        }
        if (response_put !== undefined) {
            result.decode_value(cli.serializer, response_put.prev_kv);
        }
        if (response_delete_range !== undefined) {
            result.decode_values(cli.serializer, response_delete_range.prev_kvs);
        }
        if (response_txn !== undefined) {
            decode_responses(cli, response_txn);
        }
    }
}

function call_txn(cli: ClientState, message: Message, opts: TxnOptions | undefined): Outcome<Reply> {
    if (txn_request.is_read_only(message)) {
        return call.unary(cli, rpcs.txn, message, { timeout: opts?.timeout, semantics: "read" });
    }
    if (opts?.idempotent === true) {
        return idempotency.run(cli, message, opts.timeout ?? cli.timeout);
    }
    return call.unary(cli, rpcs.txn, message, { timeout: opts?.timeout });
}

function send(cli: ClientState, message: Message, opts: TxnOptions | undefined): ApiResult<TxnBody> {
    const [reply, err] = call_txn(cli, message, opts);
    if (reply !== undefined) {
        decode_responses(cli, reply.body as unknown as TxnBody);
    }
    return result.to_result(reply, err);
}

function is_empty(list: unknown): boolean {
    return list === undefined || (typeof list === "object" && (list as unknown[])[0] === undefined);
}

/**
 * Runs a transaction. The driver adds the client's `key_prefix` to plain keys and serializes values, in all branches and
 * nested transactions. It does not change the tables of the caller.
 * @param compare rows `{key, target, result, value | version | mod_revision | create_revision | lease}`
 * @param success operations to run if all rows hold: `requestPut`, `requestRange`, `requestDeleteRange`, `requestTxn`
 * @param failure operations to run if a row does not hold
 */
function txn(
    this: ClientState,
    compare: Row[],
    success?: Row[],
    failure?: Row[],
    opts?: TxnOptions,
): ApiResult<TxnBody> {
    if (is_empty(compare)) {
        return errors.bad_request("compare couldn't be empty");
    }
    if (is_empty(success) && is_empty(failure)) {
        return errors.bad_request("success and failure couldn't be empty at the same time");
    }
    const problem = method_options.check("txn", opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [message, err] = txn_request.txn_message(this, { compare, success, failure }, 0);
    if (message === undefined) {
        return errors.bad_request(err);
    }
    return send(this, message, opts);
}

/** Puts a key if it does not exist (`setnx`) or if it exists (`setx`). */
function set_if(
    cli: ClientState,
    method: "setnx" | "setx",
    key: string,
    val: unknown,
    opts: SetIfOptions | undefined,
): ApiResult<TxnBody> {
    const problem = checks.check_key(key) ?? method_options.check(method, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [value, value_err] = serializer.serialize(cli.serializer, val);
    if (value === undefined) {
        return errors.bad_request(value_err);
    }
    const real_key = keys.with_prefix(cli.key_prefix, key);
    const put: Message = new LuaMap();
    put.set("key", real_key);
    put.set("value", value);
    request_options.copy(opts, ["lease", "prev_kv"], put);
    const message: Message = new LuaMap();
    message.set("compare", [{ key: real_key, target: "CREATE", result: "EQUAL", create_revision: 0 }]);
    message.set(method === "setnx" ? "success" : "failure", [{ request_put: put }]);
    return send(cli, message, opts);
}

/**
 * Writes a key that does not exist.
 * @returns the response; `res.body.succeeded` is true if the key did not exist and is written now
 */
function setnx(this: ClientState, key: string, val: unknown, opts?: SetIfOptions): ApiResult<TxnBody> {
    return set_if(this, "setnx", key, val, opts);
}

/**
 * Writes a key that exists.
 * @returns the response; `res.body.succeeded` is true if the key does not exist, so that nothing was written
 */
function setx(this: ClientState, key: string, val: unknown, opts?: SetIfOptions): ApiResult<TxnBody> {
    return set_if(this, "setx", key, val, opts);
}

export { setnx, setx, txn, type OpResponse, type SetIfOptions, type TxnBody, type TxnOptions };
