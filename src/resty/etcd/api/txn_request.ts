import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import type { Message } from "../protocol/message";
import * as serializer from "../serializers/serializer";

/** Transactions within a transaction go no deeper: a table that holds itself would have no end. */
const MAX_DEPTH = 100;

/** A table of a caller's, with field names as etcd writes them or in camelCase. */
type Row = Record<string, unknown>;

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

/** Serializes the value of a message in place; returns an error text or nil. */
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
function plain_op(cli: ClientState, kind: string, row: Row): Result<Message> {
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

/**
 * A whole transaction as a message.
 * @param depth how many it is within
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
            let made: Message | undefined;
            let err: string | undefined;
            if (kind === "request_txn") {
                [made, err] = txn_message(cli, body, depth + 1);
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

/** Nothing but reads, at every depth. */
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
