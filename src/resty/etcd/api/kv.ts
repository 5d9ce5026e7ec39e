import type { ClientState } from "../call/client_state";
import * as errors from "../protocol/errors";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Header, KeyValue, Message } from "../protocol/message";
import type { Outcome } from "../call/call";
import * as call from "../call/call";
import * as paged_range from "../call/paged_range";
import * as rpcs from "../protocol/rpc";
import * as serializer from "../serializers/serializer";
import type { Reply } from "../transport/transport";
import * as method_options from "./method_options";
import * as request_options from "./request_options";
import * as idempotent_put from "./idempotent_put";
import * as result from "./result";
import type { Integer } from "../protocol/message";
import type { ErrorBody, ApiResult } from "./result";

interface CallOptions {
    /** Deadline of the call in seconds; default the client's. With 0, only nginx's socket timeouts apply. */
    timeout?: number;
}

/** Options of a range read. */
interface RangeOptions extends CallOptions {
    /** Read the state at this revision; default the current one. */
    revision?: Integer;
    /** Greatest number of keys to return. */
    limit?: Integer;
    /** "NONE", "ASCEND" or "DESCEND", or the enum number. */
    sort_order?: string | number;
    /** "KEY", "VERSION", "CREATE", "MOD" or "VALUE", or the enum number. */
    sort_target?: string | number;
    /** Let the member respond from its own state, which can be stale; default false: a linearizable read. */
    serializable?: boolean;
    keys_only?: boolean;
    count_only?: boolean;
    min_mod_revision?: Integer;
    max_mod_revision?: Integer;
    min_create_revision?: Integer;
    max_create_revision?: Integer;
}

interface GetOptions extends RangeOptions {
    /** Read all keys from `key` up to this one, exclusive; "\0": all keys from `key` on. */
    range_end?: string;
}

interface GetBody extends ErrorBody {
    header: Header;
    /** nil if no key matches. */
    kvs?: KeyValue[];
    /** More keys match than `limit` allows. */
    more?: true;
    /** Number of keys that match, independent of `limit`; nil if none does. */
    count?: string;
}

interface SetOptions extends CallOptions {
    /** ID of the lease to attach. */
    lease?: Integer;
    /** Return the previous key-value pair. */
    prev_kv?: boolean;
    /** Keep the current value. */
    ignore_value?: boolean;
    /** Keep the current lease. */
    ignore_lease?: boolean;
    /** Retry the write when its outcome is unknown: a marker ensures that etcd applies it once. Default false. */
    idempotent?: boolean;
}

interface SetBody extends ErrorBody {
    header: Header;
    prev_kv?: KeyValue;
    /** With `idempotent`: an earlier attempt was applied. */
    replayed?: true;
}

interface RmdirOptions extends CallOptions {
    /** Return the deleted key-value pairs. */
    prev_kv?: boolean;
}

interface DeleteOptions extends RmdirOptions {
    /** Delete all keys from `key` up to this one, exclusive. */
    range_end?: string;
}

interface DeleteBody extends ErrorBody {
    header: Header;
    /** Number of deleted keys; nil if none. */
    deleted?: string;
    prev_kvs?: KeyValue[];
}

const PUT_OPTIONS = ["lease", "prev_kv", "ignore_value", "ignore_lease"];

/** Returns a request for a key, or nil and an error text if an argument is invalid. */
function key_request(
    cli: ClientState,
    method: "delete" | "get" | "set",
    key: unknown,
    opts: object | undefined,
): Result<Message> {
    const problem = checks.check_key(key) ?? method_options.check(method, opts);
    if (problem !== undefined) {
        return $multi(undefined, problem);
    }
    const request: Message = new LuaMap();
    request.set("key", keys.with_prefix(cli.key_prefix, key as string));
    return $multi(request);
}

/** Returns a request for a key, or for the range from the key up to `opts.range_end`. */
function range_request(
    cli: ClientState,
    method: "delete" | "get",
    key: unknown,
    opts: { range_end?: string } | undefined,
): Result<Message> {
    const [request, problem] = key_request(cli, method, key, opts);
    if (request === undefined) {
        return $multi(undefined, problem);
    }
    if (opts?.range_end !== undefined) {
        request.set("range_end", keys.real_range_end(cli.key_prefix, opts.range_end));
    }
    return $multi(request);
}

function range(cli: ClientState, request: Message, opts: RangeOptions | undefined): ApiResult<GetBody> {
    request_options.copy(opts, request_options.RANGE_OPTIONS, request);
    const [reply, err, error_reply] = call.unary(cli, rpcs.range, request, { timeout: opts?.timeout });
    if (reply !== undefined) {
        result.decode_values(cli.serializer, reply.body.get("kvs") as KeyValue[] | undefined);
    }
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/**
 * Reads a key.
 * @param key not empty
 * @returns the response; `res.body.kvs` is nil if the key does not exist
 */
function get(this: ClientState, key: string, opts?: GetOptions): ApiResult<GetBody> {
    const [request, problem] = range_request(this, "get", key, opts);
    if (request === undefined) {
        return errors.bad_request(problem);
    }
    return range(this, request, opts);
}

/** Reports whether a read must be a single request: pages need all keys, in key order. */
function is_cut_or_sorted(opts: RangeOptions): boolean {
    return (
        opts.limit !== undefined ||
        opts.sort_order !== undefined ||
        opts.sort_target !== undefined ||
        opts.count_only === true
    );
}

function decode_page(this: void, cli: unknown, kvs: paged_range.Kv[]): void {
    result.decode_values((cli as ClientState).serializer, kvs as KeyValue[]);
}

/**
 * Reads all keys with the prefix `dir`; `/a` also matches `/ab`. A large range is read in pages at one revision and
 * returned as one response; `timeout` applies to each page.
 * @param dir "" for all keys
 */
function readdir(this: ClientState, dir: string, opts?: RangeOptions): ApiResult<GetBody> {
    const problem = checks.check_key_prefix(dir) ?? method_options.check("readdir", opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const request = keys.prefix_range(this.key_prefix, dir);
    if (opts !== undefined && is_cut_or_sorted(opts)) {
        return range(this, request, opts);
    }
    request_options.copy(opts, request_options.RANGE_OPTIONS, request);
    const [reply, err, error_reply] = paged_range.read_all(this, request, opts?.timeout, decode_page, this);
    return result.to_result_or_error_reply(reply, err, error_reply);
}

function put(cli: ClientState, request: Message, opts: SetOptions | undefined): Outcome<Reply> {
    if (opts?.idempotent === true) {
        return idempotent_put.put(cli, request, opts.timeout ?? cli.timeout, opts.prev_kv === true);
    }
    return call.unary(cli, rpcs.put, request, { timeout: opts?.timeout });
}

/**
 * Writes a key.
 * @param key not empty
 * @param val encoded by the client's serializer
 * @returns the response; `res.body.prev_kv` is nil unless `opts.prev_kv` is set and the key existed
 */
function set(this: ClientState, key: string, val: unknown, opts?: SetOptions): ApiResult<SetBody> {
    const [request, problem] = key_request(this, "set", key, opts);
    if (request === undefined) {
        return errors.bad_request(problem);
    }
    if (opts?.ignore_value !== true) {
        const [value, value_err] = serializer.serialize(this.serializer, val);
        if (value === undefined) {
            return errors.bad_request(value_err);
        }
        request.set("value", value);
    }
    request_options.copy(opts, PUT_OPTIONS, request);
    const [reply, err, error_reply] = put(this, request, opts);
    if (reply !== undefined) {
        result.decode_value(this.serializer, reply.body.get("prev_kv") as KeyValue | undefined);
    }
    return result.to_result_or_error_reply(reply, err, error_reply);
}

function delete_range(cli: ClientState, request: Message, opts: RmdirOptions | undefined): ApiResult<DeleteBody> {
    request_options.copy(opts, ["prev_kv"], request);
    const [reply, err, error_reply] = call.unary(cli, rpcs.delete_range, request, { timeout: opts?.timeout });
    if (reply !== undefined) {
        result.decode_values(cli.serializer, reply.body.get("prev_kvs") as KeyValue[] | undefined);
    }
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/**
 * Deletes a key.
 * @param key not empty
 * @returns the response; `res.body.deleted` is nil if the key did not exist
 */
function delete_key(this: ClientState, key: string, opts?: DeleteOptions): ApiResult<DeleteBody> {
    const [request, problem] = range_request(this, "delete", key, opts);
    if (request === undefined) {
        return errors.bad_request(problem);
    }
    return delete_range(this, request, opts);
}

/**
 * Deletes all keys with the prefix `dir`. The prefix including the client's `key_prefix` must not be empty, so that a
 * mistake cannot delete all keys of etcd.
 */
function rmdir(this: ClientState, dir: string, opts?: RmdirOptions): ApiResult<DeleteBody> {
    const problem =
        checks.check_key_prefix(dir) ??
        method_options.check("rmdir", opts) ??
        checks.check_key(keys.with_prefix(this.key_prefix, dir));
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    return delete_range(this, keys.prefix_range(this.key_prefix, dir), opts);
}

export {
    delete_key,
    get,
    readdir,
    rmdir,
    set,
    type CallOptions,
    type DeleteBody,
    type DeleteOptions,
    type GetBody,
    type GetOptions,
    type RangeOptions,
    type RmdirOptions,
    type SetBody,
    type SetOptions,
};
