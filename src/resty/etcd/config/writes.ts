import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import * as clock from "../base/clock";
import type { Message } from "../protocol/message";
import * as cjson from "cjson.safe";
import type { CallOptions } from "../call/call";
import * as call from "../call/call";
import * as cluster from "../call/cluster";
import type { ErrorResult, EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as txn_response from "../protocol/txn_response";
import * as int64 from "../protocol/int64";
import type { Kv, Mirror } from "../mirror/mirror";
import * as rpcs from "../protocol/rpc";
import type { Serializer } from "../serializers/serializer";
import * as serializers from "../serializers/serializer";
import type { Document } from "./documents";

const max = math.max;
const now = clock.now;

interface State {
    readonly cli: ClientState;
    readonly dir: string;
    /** Serves the reads. */
    readonly mirror: Mirror;
    /** Encodes the documents. */
    readonly serializer: Serializer;
    /** What `get` returns for an absent document, by name. */
    readonly defaults: Record<string, unknown>;
    /** The kvs that `listed_names` was made from. */
    listed: readonly Kv[] | undefined;
    listed_names: readonly string[];
}

interface WriteOptions {
    /** Write only if the document is at this revision; 0: only if it is absent. */
    if_revision?: number | string;
    /** In seconds. */
    timeout?: number;
}

/** The revision of a write, and why `get` does not show it; or an error. */
type WriteResult = LuaMultiReturn<[revision: string, err: undefined, details: EtcdError | undefined]> | ErrorResult;

/** Seconds that a write waits until `get` shows it if the client has no timeout (0). */
const DEFAULT_WAIT = 5;

function check_revision(this: void, value: unknown): Problem {
    return (tonumber(int64.to_text(value)) ?? -1) < 0 ? "opts.if_revision must be a revision" : undefined;
}

const WRITE_OPTIONS: OptionTable = {
    rules: [
        { name: "timeout", type: "number", min: 0, expected: "number of seconds" },
        { name: "if_revision", check: check_revision },
    ],
};

function key_of(state: State, name: string): string {
    return keys.with_prefix(state.cli.key_prefix, state.dir + name);
}

/** Checks the arguments of a write. Returns an error text, or nil. */
function check_write(name: unknown, opts: WriteOptions | undefined): Problem {
    return checks.check_key(name) ?? checks.check_options(opts, WRITE_OPTIONS);
}

/** Returns the error for a reply that does not tell whether the document was written. */
function malformed(problem: string, endpoint: string | undefined): EtcdError {
    return errors.with_outcome(errors.local_error("bad_reply", problem, endpoint), true);
}

/** Performs a write, as a transaction that checks `if_revision`. */
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
    // at a member of the cluster that the mirror follows: the revision is compared with the mirror's
    const options: CallOptions = { timeout: opts?.timeout, prefer: state.cli.cluster.member };
    const [reply, err] = call.unary(state.cli, rpcs.txn, message, options);
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    if (!cluster.accepts_reply(state.cli, reply, options)) {
        const has_written = reply.body.get("succeeded") === true;
        return $multi(undefined, errors.with_outcome(cluster.error_of(state.cli, reply, options), has_written));
    }
    if (reply.body.get("succeeded") !== true) {
        const [kv, problem] = txn_response.read_of(reply.body, key);
        if (problem !== undefined) {
            return $multi(undefined, malformed(problem, options.answered_by));
        }
        const revision = kv?.mod_revision ?? "0";
        const text = `the document is not at revision ${wanted}, but at ${revision}`;
        const conflict = errors.local_error("conflict", text);
        conflict.revision = revision;
        return $multi(undefined, conflict);
    }
    return $multi((reply.body.get("header") as Message).get("revision") as string);
}

/**
 * Waits until `get` of this worker shows a write, for the rest of the call's timeout.
 * @param started when the call began
 * @returns why the wait ended before; nil if `get` shows the write. The write was successful in both cases
 */
function wait_until_visible(state: State, revision: string, started: number, timeout: number): EtcdError | undefined {
    const limit = timeout > 0 ? timeout : DEFAULT_WAIT;
    const [, , details] = state.mirror.wait_revision(revision, max(0, started + limit - now()));
    return details;
}

/** Writes, and waits until `get` shows the result. */
function write_and_wait(state: State, key: string, operation: object, opts: WriteOptions | undefined): WriteResult {
    const started = now();
    const [revision, err] = write(state, key, operation, opts);
    if (revision === undefined) {
        return errors.to_result(err);
    }
    const details = wait_until_visible(state, revision, started, opts?.timeout ?? state.cli.timeout);
    return $multi(revision, undefined, details);
}

/**
 * Writes a document. It returns when `get` of this worker returns the document, or when the timeout has passed.
 * @returns the revision of the write, nil, and nil or why `get` does not return it yet; nil, an error text and the
 *   details, named `conflict` if the document is not at `if_revision`
 */
function put(this: State, name: string, document: Document, opts?: WriteOptions): WriteResult {
    const problem = check_write(name, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (document === undefined || document === cjson.null) {
        return errors.bad_request("document must not be nil: use delete");
    }
    const [value, value_err] = serializers.serialize(this.serializer, document);
    if (value === undefined) {
        return errors.bad_request(value_err);
    }
    const key = key_of(this, name);
    return write_and_wait(this, key, { request_put: { key, value } }, opts);
}

/**
 * Deletes a document, and waits as `put`. It is no error if the document is absent.
 * @returns etcd's revision, nil, and nil or why `get` can still return the document; nil, an error text and the details,
 *   named `conflict` if the document is not at `if_revision`
 */
function remove(this: State, name: string, opts?: WriteOptions): WriteResult {
    const problem = check_write(name, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const key = key_of(this, name);
    return write_and_wait(this, key, { request_delete_range: { key } }, opts);
}

export { key_of, put, remove, type State, type WriteOptions };
