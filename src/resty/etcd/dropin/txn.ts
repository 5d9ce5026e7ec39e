import * as call from "../call";
import * as rpcs from "../rpc";
import * as serializer from "../serializer";
import type { Message } from "../transport";
import * as utils from "../utils";
import * as args from "./args";
import type { CallOptions, DeleteBody, GetBody, SetBody, SetOptions } from "./kv";
import * as result from "./result";
import type { Header, Result3 } from "./result";
import type { State } from "./state";

/** A table of a caller's, with field names as etcd writes them or in camelCase. */
type Row = Record<string, unknown>;

interface TxnBody {
    header: Header;
    /** The comparison held and `success` was run; nil if `failure` was. */
    succeeded?: true;
    responses?: OpResponse[];
}

/** One of them, by the kind of the operation. */
interface OpResponse {
    response_range?: GetBody;
    response_put?: SetBody;
    response_delete_range?: DeleteBody;
    response_txn?: TxnBody;
}

/** `prevKv` and `requestPut` become what etcd's messages call them. */
function snake_case(name: string): string {
    const [snake] = string.gsub(name, "%u", upper => `_${string.lower(upper)}`);
    return snake;
}

/** A row as a message of ours: the caller's table stays as it is. */
function copy_row(row: Row): Message {
    const message: Message = new LuaMap();
    for (const [name, value] of pairs(row)) {
        message.set(snake_case(tostring(name)), value);
    }
    return message;
}

/** Puts the client's prefix in front of key and range end; returns what is wrong with them, or nil. */
function prefix_keys(cli: State, message: Message): string | undefined {
    const key = message.get("key");
    if (typeof key !== "string") {
        return "key must be string";
    }
    message.set("key", utils.get_real_key(cli.key_prefix, key));
    const range_end = message.get("range_end");
    if (range_end !== undefined) {
        message.set("range_end", args.real_range_end(cli.key_prefix, range_end));
    }
    return undefined;
}

/** Serializes the value of a message in place; returns an error text or nil. */
function serialize_value(cli: State, message: Message): string | undefined {
    const [value, err] = serializer.serialize(cli.serializer, message.get("value"));
    if (value === undefined) {
        return err;
    }
    message.set("value", value);
    return undefined;
}

function compare_messages(cli: State, rows: Row[]): Result<Message[]> {
    const messages: Message[] = [];
    for (const row of rows) {
        if (typeof row !== "object") {
            return $multi(undefined, "compare must hold tables");
        }
        const message = copy_row(row);
        let err = prefix_keys(cli, message);
        if (err === undefined && message.get("value") !== undefined) {
            err = serialize_value(cli, message);
        }
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        messages.push(message);
    }
    return $multi(messages);
}

/** A put, range or delete as a message. */
function plain_op(cli: State, kind: string, row: Row): Result<Message> {
    const message = copy_row(row);
    let err = prefix_keys(cli, message);
    if (err === undefined && kind === "request_put" && message.get("ignore_value") !== true) {
        err = serialize_value(cli, message);
    }
    if (err !== undefined) {
        return $multi(undefined, err);
    }
    return $multi(message);
}

/** The one kind of an operation and what belongs to it; nil and what is wrong otherwise. */
function kind_of(op: Row): LuaMultiReturn<[kind: string, body: Row] | [kind: undefined, err: string]> {
    let kind: string | undefined;
    let body: unknown;
    for (const [name, value] of pairs(op)) {
        if (kind !== undefined) {
            return $multi(undefined, "each operation must be of one kind");
        }
        kind = snake_case(tostring(name));
        body = value;
    }
    if (kind === undefined) {
        return $multi(undefined, "each operation must be of one kind");
    }
    if (typeof body !== "object") {
        return $multi(undefined, `${kind} must be table`);
    }
    return $multi(kind, body as Row);
}

/** A whole transaction as a message. */
function txn_message(cli: State, parts: Row): Result<Message> {
    for (const [name, list] of pairs(parts)) {
        if (name !== "compare" && name !== "success" && name !== "failure") {
            return $multi(undefined, `unknown field ${tostring(name)}`);
        }
        if (typeof list !== "object") {
            return $multi(undefined, `${name} must be table`);
        }
    }
    const message: Message = new LuaMap();
    const [rows, compare_err] = compare_messages(cli, (parts.compare as Row[] | undefined) ?? []);
    if (rows === undefined) {
        return $multi(undefined, compare_err);
    }
    message.set("compare", rows);
    for (const branch of ["success", "failure"]) {
        const ops: Message[] = [];
        for (const op of (parts[branch] as Row[] | undefined) ?? []) {
            if (typeof op !== "object") {
                return $multi(undefined, `${branch} must hold tables`);
            }
            const [kind, body] = kind_of(op);
            if (kind === undefined) {
                return $multi(undefined, body);
            }
            let made: Message | undefined;
            let err: string | undefined;
            if (kind === "request_txn") {
                [made, err] = txn_message(cli, body);
            } else {
                [made, err] = plain_op(cli, kind, body);
            }
            if (made === undefined) {
                return $multi(undefined, err!);
            }
            const wrapped: Message = new LuaMap();
            wrapped.set(kind, made);
            ops.push(wrapped);
        }
        message.set(branch, ops);
    }
    return $multi(message);
}

/** Decodes the values in all answers of a transaction, in place. */
function decode_responses(cli: State, body: TxnBody): void {
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

function send(cli: State, message: Message, opts: CallOptions | undefined): Result3<TxnBody> {
    const [reply, err] = call.unary(cli, rpcs.txn, message, opts?.timeout);
    if (reply !== undefined) {
        decode_responses(cli, reply.body as unknown as TxnBody);
    }
    return result.strict(reply, err);
}

function is_empty(list: unknown): boolean {
    return list === undefined || (typeof list === "object" && (list as unknown[])[0] === undefined);
}

/**
 * Runs a transaction. Keys are plain and get the client's prefix, values go through the serializer, in every
 * branch and at every depth; the tables given are not changed.
 * @param compare rows `{key, target, result, value | version | mod_revision | create_revision | lease}`
 * @param success operations if all rows hold: `requestPut`, `requestRange`, `requestDeleteRange`, `requestTxn`
 * @param failure operations if one does not
 */
function txn(this: State, compare: Row[], success?: Row[], failure?: Row[], opts?: CallOptions): Result3<TxnBody> {
    if (is_empty(compare)) {
        return result.misuse("compare couldn't be empty");
    }
    if (is_empty(success) && is_empty(failure)) {
        return result.misuse("success and failure couldn't be empty at the same time");
    }
    const wrong = args.check_opts(opts);
    if (wrong !== undefined) {
        return result.misuse(wrong);
    }
    const [message, err] = txn_message(this, { compare, success, failure });
    if (message === undefined) {
        return result.misuse(err);
    }
    return send(this, message, opts);
}

/** A put that depends on whether the key exists. */
function set_if(
    cli: State,
    branch: "success" | "failure",
    key: string,
    val: unknown,
    opts: SetOptions | undefined,
): Result3<TxnBody> {
    const wrong = args.check_key(key) ?? args.check_opts(opts);
    if (wrong !== undefined) {
        return result.misuse(wrong);
    }
    const [value, value_err] = serializer.serialize(cli.serializer, val);
    if (value === undefined) {
        return result.misuse(value_err);
    }
    const real_key = utils.get_real_key(cli.key_prefix, key);
    const put: Message = new LuaMap();
    put.set("key", real_key);
    put.set("value", value);
    args.copy(opts, ["lease", "prev_kv"], put);
    const message: Message = new LuaMap();
    message.set("compare", [{ key: real_key, target: "CREATE", result: "EQUAL", create_revision: 0 }]);
    message.set(branch, [{ request_put: put }]);
    return send(cli, message, opts);
}

/**
 * Writes a key that does not exist.
 * @returns `res.body.succeeded` tells that it did not exist and is written
 */
function setnx(this: State, key: string, val: unknown, opts?: SetOptions): Result3<TxnBody> {
    return set_if(this, "success", key, val, opts);
}

/**
 * Writes a key that exists.
 * @returns `res.body.succeeded` tells that the key does not exist, so that nothing was written
 */
function setx(this: State, key: string, val: unknown, opts?: SetOptions): Result3<TxnBody> {
    return set_if(this, "failure", key, val, opts);
}

export { setnx, setx, txn, type OpResponse, type TxnBody };
