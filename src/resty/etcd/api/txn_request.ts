import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import type { Message } from "../protocol/message";
import * as serializer from "../serializers/serializer";
import * as txn_compare from "./txn_compare";

/** Greatest depth of nested transactions. It ends the recursion for a table that contains itself. */
const MAX_DEPTH = 100;

/** Table of a caller, with field names in snake_case or camelCase. */
type Row = Record<string, unknown>;

/** Converts camelCase (`prevKv`) to the names of etcd's messages (`prev_kv`). */
function snake_case(name: string): string {
    const [snake] = string.gsub(name, "%u", upper => `_${string.lower(upper)}`);
    return snake;
}

/**
 * Returns a copy of a row with the names of etcd's messages: the caller's table must not change.
 * @returns nil and an error text if both spellings of a name have a value, and the values differ
 */
function copy_row(row: Row): Result<Message> {
    const message: Message = new LuaMap();
    for (const [given, value] of pairs(row)) {
        const name = snake_case(tostring(given));
        if (message.has(name) && message.get(name) !== value) {
            return $multi(undefined, `${name} has two values`);
        }
        message.set(name, value);
    }
    return $multi(message);
}

/** Adds the client's key prefix to key and range end. Returns an error text, or nil. */
function prefix_keys(cli: ClientState, message: Message): Problem {
    const key = message.get("key");
    if (typeof key !== "string") {
        return "key must be string";
    }
    message.set("key", keys.with_prefix(cli.key_prefix, key));
    const range_end = message.get("range_end");
    if (range_end !== undefined) {
        message.set("range_end", keys.real_range_end(cli.key_prefix, range_end));
    }
    return undefined;
}

/** Serializes the value of a message in place. Returns an error text, or nil. */
function serialize_value(cli: ClientState, message: Message): Problem {
    const [value, err] = serializer.serialize(cli.serializer, message.get("value"));
    if (value === undefined) {
        return err;
    }
    message.set("value", value);
    return undefined;
}

function compare_messages(cli: ClientState, rows: Row[]): Result<Message[]> {
    const messages: Message[] = [];
    for (const row of rows) {
        if (typeof row !== "object") {
            return $multi(undefined, "compare must hold tables");
        }
        const [message, row_err] = copy_row(row);
        if (message === undefined) {
            return $multi(undefined, row_err);
        }
        const err = prefix_keys(cli, message) ?? txn_compare.prepare(cli, message);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        messages.push(message);
    }
    return $multi(messages);
}

/** Returns the message of a put, range or delete. */
function plain_op(cli: ClientState, kind: string, row: Row): Result<Message> {
    const [message, row_err] = copy_row(row);
    if (message === undefined) {
        return $multi(undefined, row_err);
    }
    let err = prefix_keys(cli, message);
    if (err === undefined && kind === "request_put" && message.get("ignore_value") !== true) {
        err = serialize_value(cli, message);
    }
    if (err !== undefined) {
        return $multi(undefined, err);
    }
    return $multi(message);
}

/** Returns the kind of an operation and its fields; nil and an error text if it has no kind or several. */
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

/**
 * Returns the message of a transaction.
 * @param depth number of transactions around this one
 */
function txn_message(cli: ClientState, parts: Row, depth: number): Result<Message> {
    if (depth > MAX_DEPTH) {
        return $multi(undefined, "request_txn is nested too deeply");
    }
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
            let request: Message | undefined;
            let err: string | undefined;
            if (kind === "request_txn") {
                [request, err] = txn_message(cli, body, depth + 1);
            } else {
                [request, err] = plain_op(cli, kind, body);
            }
            if (request === undefined) {
                return $multi(undefined, err!);
            }
            const wrapped: Message = new LuaMap();
            wrapped.set(kind, request);
            ops.push(wrapped);
        }
        message.set(branch, ops);
    }
    return $multi(message);
}

/** Reports whether a transaction only reads, in all branches and nested transactions. */
function is_read_only(message: Message): boolean {
    for (const branch of ["success", "failure"]) {
        for (const op of (message.get(branch) ?? []) as Message[]) {
            const inner = op.get("request_txn") as Message | undefined;
            const reads = inner !== undefined ? is_read_only(inner) : op.has("request_range");
            if (!reads) {
                return false;
            }
        }
    }
    return true;
}

export { is_read_only, txn_message, type Row };
