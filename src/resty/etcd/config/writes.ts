import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Message } from "../protocol/message";
import * as cjson from "cjson.safe";
import * as call from "../call/call";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as txn_response from "../protocol/txn_response";
import * as int64 from "../protocol/int64";
import type { Kv, Mirror } from "../mirror/mirror";
import * as rpcs from "../protocol/rpc";
import * as serializer from "../serializers/serializer";

interface State {
    readonly cli: ClientState;
    readonly dir: string;
    /** Where the documents are read. */
    readonly mirror: Mirror;
    /** What the names below were made of. */
    listed: readonly Kv[] | undefined;
    listed_names: readonly string[];
}

interface WriteOptions {
    /** Write only if the document is at this revision; 0: only if there is none. */
    if_revision?: number | string;
    /** Seconds for the call. */
    timeout?: number;
}

/** Names of the options of writes. */
const WRITE_OPTIONS: Record<string, true> = { if_revision: true, timeout: true };

function bad_request(message: string): EtcdError {
    return errors.local_error("bad_request", message);
}

function key_of(state: State, name: string): string {
    return keys.with_prefix(state.cli.key_prefix, state.dir + name);
}

/** What is wrong with a write; nil if nothing is. */
function check_write(name: unknown, opts: WriteOptions | undefined): Problem {
    const wrong = checks.check_key(name) ?? checks.check_method_options(opts);
    if (wrong !== undefined) {
        return wrong;
    }
    for (const [option] of pairs(opts ?? {})) {
        if (WRITE_OPTIONS[tostring(option)] === undefined) {
            return `unknown option ${tostring(option)}`;
        }
    }
    if (opts?.if_revision !== undefined && int64.to_text(opts.if_revision) === undefined) {
        return "opts.if_revision must be a revision";
    }
    return undefined;
}

/** Changes the document, if it is as it has to be. */
function write(
    state: State,
    key: string,
    operation: object,
    opts: WriteOptions | undefined,
): Result<string, EtcdError> {
    const message: Message = new LuaMap();
    message.set("success", [operation]);
    const wanted = int64.to_text(opts?.if_revision);
    if (wanted !== undefined) {
        message.set("compare", [{ key, target: "MOD", result: "EQUAL", mod_revision: wanted }]);
        message.set("failure", [{ request_range: { key, keys_only: true } }]);
    }
    const [reply, err] = call.unary(state.cli, rpcs.txn, message, { timeout: opts?.timeout });
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    if (reply.body.get("succeeded") !== true) {
        const revision = txn_response.of_txn(reply.body)?.mod_revision ?? "0";
        const text = `the document is not at revision ${wanted}, but at ${revision}`;
        const conflict = errors.local_error("conflict", text);
        conflict.revision = revision;
        return $multi(undefined, conflict);
    }
    return $multi((reply.body.get("header") as Message).get("revision") as string);
}

/**
 * Writes a document. The mirror shows it as soon as etcd tells of it.
 * @returns its revision; nil and an error, named `conflict` if another has changed it
 */
function put(this: State, name: string, document: unknown, opts?: WriteOptions): Result<string, EtcdError> {
    const wrong = check_write(name, opts);
    if (wrong !== undefined) {
        return $multi(undefined, bad_request(wrong));
    }
    if (document === undefined || document === cjson.null) {
        return $multi(undefined, bad_request("document must not be nil: use delete"));
    }
    const [value, value_err] = serializer.serialize(this.cli.serializer, document);
    if (value === undefined) {
        return $multi(undefined, bad_request(value_err));
    }
    const key = key_of(this, name);
    return write(this, key, { request_put: { key, value } }, opts);
}

/**
 * Deletes a document, whether there is one or not.
 * @returns etcd's revision; nil and an error, named `conflict` if another has changed it
 */
function remove(this: State, name: string, opts?: WriteOptions): Result<string, EtcdError> {
    const wrong = check_write(name, opts);
    if (wrong !== undefined) {
        return $multi(undefined, bad_request(wrong));
    }
    const key = key_of(this, name);
    return write(this, key, { request_delete_range: { key } }, opts);
}

export { key_of, put, remove, type State, type WriteOptions };
