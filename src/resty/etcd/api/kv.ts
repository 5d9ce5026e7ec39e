import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Header, KeyValue, Message } from "../protocol/message";
import type { Outcome } from "../call/call";
import * as call from "../call/call";
import * as paged_range from "../call/paged_range";
import * as rpcs from "../protocol/rpc";
import * as serializer from "../serializers/serializer";
import type { Reply } from "../transport/transport";
import * as request_options from "./request_options";
import * as idempotent_put from "./idempotent_put";
import * as result from "./result";
import type { Integer } from "../protocol/message";
import type { ErrorBody, ApiResult } from "./result";

interface CallOptions {
    /** Seconds for the whole call; default the client's; 0 leaves it to nginx's socket timeouts. */
    timeout?: number;
}

/** What to read and how. */
interface RangeOptions extends CallOptions {
    /** Read as of this revision. */
    revision?: Integer;
    /** At most this many keys. */
    limit?: Integer;
    /** "NONE", "ASCEND" or "DESCEND", or their numbers. */
    sort_order?: string | number;
    /** "KEY", "VERSION", "CREATE", "MOD" or "VALUE", or their numbers. */
    sort_target?: string | number;
    /** Any member may answer from what it has, which may be stale; default false. */
    serializable?: boolean;
    keys_only?: boolean;
    count_only?: boolean;
    min_mod_revision?: Integer;
    max_mod_revision?: Integer;
    min_create_revision?: Integer;
    max_create_revision?: Integer;
}

interface GetOptions extends RangeOptions {
    /** Read all keys from `key` up to this one; "\0": all from `key` on. */
    range_end?: string;
}

interface GetBody extends ErrorBody {
    header: Header;
    /** nil if there are none. */
    kvs?: KeyValue[];
    /** There are more keys than `limit` let through. */
    more?: true;
    /** How many keys there are, whatever `limit` is; nil if none. */
    count?: string;
}

interface SetOptions extends CallOptions {
    /** ID of the lease to attach. */
    lease?: Integer;
    /** Answer what the key was before. */
    prev_kv?: boolean;
    /** Keep the value that is stored. */
    ignore_value?: boolean;
    /** Keep the lease that is attached. */
    ignore_lease?: boolean;
    /** May be sent again when its outcome is unknown, as it is applied once; default false. */
    idempotent?: boolean;
}

interface SetBody extends ErrorBody {
    header: Header;
    prev_kv?: KeyValue;
    /** Of an idempotent one: an earlier try turned out to have been applied. */
    replayed?: true;
}

interface RmdirOptions extends CallOptions {
    /** Answer what was deleted. */
    prev_kv?: boolean;
}

interface DeleteOptions extends RmdirOptions {
    /** Delete all keys from `key` up to this one. */
    range_end?: string;
}

interface DeleteBody extends ErrorBody {
    header: Header;
    /** How many keys were deleted; nil if none. */
    deleted?: string;
    prev_kvs?: KeyValue[];
}

const RANGE_OPTIONS = [
    "revision",
    "limit",
    "sort_order",
    "sort_target",
    "serializable",
    "keys_only",
    "count_only",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision",
];
const PUT_OPTIONS = ["lease", "prev_kv", "ignore_value", "ignore_lease"];

/** A request for a key; or nil and what is wrong with the arguments. */
function key_request(cli: ClientState, key: unknown, opts: unknown): Result<Message> {
    const wrong = checks.check_key(key) ?? checks.check_method_options(opts);
    if (wrong !== undefined) {
        return $multi(undefined, wrong);
    }
    const request: Message = new LuaMap();
    request.set("key", keys.with_prefix(cli.key_prefix, key as string));
    return $multi(request);
}

/** A request for a key, or for all keys from it up to another. */
function range_request(cli: ClientState, key: unknown, opts: { range_end?: string } | undefined): Result<Message> {
    const [request, wrong] = key_request(cli, key, opts);
    if (request === undefined) {
        return $multi(undefined, wrong);
    }
    if (opts?.range_end !== undefined) {
        request.set("range_end", keys.real_range_end(cli.key_prefix, opts.range_end));
    }
    return $multi(request);
}

function range(cli: ClientState, request: Message, opts: RangeOptions | undefined): ApiResult<GetBody> {
    request_options.copy(opts, RANGE_OPTIONS, request);
    const [reply, err, refusal] = call.unary(cli, rpcs.range, request, { timeout: opts?.timeout });
    if (reply !== undefined) {
        result.decode_values(cli.serializer, reply.body.get("kvs") as KeyValue[] | undefined);
    }
    return result.to_result_or_refusal(reply, err, refusal);
}

/**
 * Reads a key.
 * @param key not empty
 * @returns `res.body.kvs` is nil if there is no such key
 */
function get(this: ClientState, key: string, opts?: GetOptions): ApiResult<GetBody> {
    const [request, wrong] = range_request(this, key, opts);
    if (request === undefined) {
        return result.argument_error(wrong);
    }
    return range(this, request, opts);
}

/** Read as it is, in one go: by limit, in another order than that of the keys, or as a mere number. */
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
 * Reads all keys that start with `dir`, which is taken as it is: `/a` also finds `/ab`. A large directory is read
 * in pages at one revision; the result looks like one reply, and `timeout` is for each page.
 * @param dir "" for all keys
 */
function readdir(this: ClientState, dir: string, opts?: RangeOptions): ApiResult<GetBody> {
    const wrong = typeof dir !== "string" ? "key must be string" : checks.check_method_options(opts);
    if (wrong !== undefined) {
        return result.argument_error(wrong);
    }
    const request = keys.prefix_range(this.key_prefix, dir);
    if (opts !== undefined && is_cut_or_sorted(opts)) {
        return range(this, request, opts);
    }
    request_options.copy(opts, RANGE_OPTIONS, request);
    const [reply, err, refusal] = paged_range.read_all(this, request, opts?.timeout, decode_page, this);
    return result.to_result_or_refusal(reply, err, refusal);
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
 * @param val goes through the serializer
 * @returns `res.body.prev_kv` only if it was asked for and there was such a key
 */
function set(this: ClientState, key: string, val: unknown, opts?: SetOptions): ApiResult<SetBody> {
    const [request, wrong] = key_request(this, key, opts);
    if (request === undefined) {
        return result.argument_error(wrong);
    }
    if (opts?.ignore_value !== true) {
        const [value, value_err] = serializer.serialize(this.serializer, val);
        if (value === undefined) {
            return result.argument_error(value_err);
        }
        request.set("value", value);
    }
    request_options.copy(opts, PUT_OPTIONS, request);
    const [reply, err, refusal] = put(this, request, opts);
    if (reply !== undefined) {
        result.decode_value(this.serializer, reply.body.get("prev_kv") as KeyValue | undefined);
    }
    return result.to_result_or_refusal(reply, err, refusal);
}

function delete_range(cli: ClientState, request: Message, opts: RmdirOptions | undefined): ApiResult<DeleteBody> {
    request_options.copy(opts, ["prev_kv"], request);
    const [reply, err, refusal] = call.unary(cli, rpcs.delete_range, request, { timeout: opts?.timeout });
    if (reply !== undefined) {
        result.decode_values(cli.serializer, reply.body.get("prev_kvs") as KeyValue[] | undefined);
    }
    return result.to_result_or_refusal(reply, err, refusal);
}

/**
 * Deletes a key.
 * @param key not empty
 * @returns `res.body.deleted` is nil if there was no such key
 */
function delete_key(this: ClientState, key: string, opts?: DeleteOptions): ApiResult<DeleteBody> {
    const [request, wrong] = range_request(this, key, opts);
    if (request === undefined) {
        return result.argument_error(wrong);
    }
    return delete_range(this, request, opts);
}

/**
 * Deletes all keys that start with `dir`. Together with the client's `key_prefix` it must not be empty: nobody
 * empties a whole etcd by mistake.
 */
function rmdir(this: ClientState, dir: string, opts?: RmdirOptions): ApiResult<DeleteBody> {
    const wrong =
        typeof dir !== "string"
            ? "key must be string"
            : (checks.check_method_options(opts) ?? checks.check_key(keys.with_prefix(this.key_prefix, dir)));
    if (wrong !== undefined) {
        return result.argument_error(wrong);
    }
    return delete_range(this, keys.prefix_range(this.key_prefix, dir), opts);
}

export {
    RANGE_OPTIONS,
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
