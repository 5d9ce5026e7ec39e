import type { ClientState } from "./call/client_state";
import type { RawKv } from "./protocol/message";
import type { CallOptions } from "./call/call";
import * as call from "./call/call";
import * as checks from "./base/checks";
import * as glued_prefix from "./base/glued_prefix";
import * as documents from "./config/documents";
import type { Document } from "./config/documents";
import * as options from "./config/options";
import type { Options } from "./config/options";
import * as watches from "./config/watches";
import type { WatchOptions } from "./config/watches";
import * as writes from "./config/writes";
import type { State, WriteOptions } from "./config/writes";
import * as completeness from "./protocol/completeness";
import type { EtcdError, MethodResult } from "./protocol/errors";
import * as errors from "./protocol/errors";
import * as int64 from "./protocol/int64";
import * as mirrors from "./mirror/mirror";
import * as decode from "./mirror/decode";
import * as facade from "./mirror/facade";
import type { Invalid } from "./mirror/types";
import * as rpcs from "./protocol/rpc";
import * as serializers from "./serializers/serializer";

const sub = string.sub;

/** Documents by name, each with the revision that wrote it. */
interface Config extends State, Methods {}

type LookupResult = LuaMultiReturn<
    [document: Document, revision: string | undefined, newer?: Invalid | EtcdError | undefined]
>;
type ReadResult = LuaMultiReturn<[document: Document, revision: string | undefined, details?: EtcdError]>;

/**
 * Returns a document from the mirror. It works in every phase.
 * @param default_document returned instead of nil, also before the first state; nil: that of the option `defaults`
 * @returns the document and its revision; nil or the default, and nil, if it is absent; nil, an error text and the
 *   details. If etcd has a newer document that is invalid, the third result is its
 *   `{err, mod_revision, create_revision}`
 */
function get(this: State, name: string, default_document?: Document): LookupResult {
    if (typeof name !== "string") {
        return errors.bad_request("key must be string");
    }
    const key = this.dir + name;
    const [, kv, err, details] = this.mirror.get(key);
    const document: unknown = documents.of(kv);
    const newer = this.mirror.store.invalid_items.get(key);
    if (document !== undefined) {
        return $multi(document, kv!.mod_revision, newer);
    }
    let replacement: unknown = default_document;
    if (replacement === undefined) {
        replacement = this.defaults[name];
    }
    if (replacement === undefined && err !== undefined) {
        return $multi(undefined, err, details);
    }
    return $multi(replacement, undefined, newer);
}

/** Returns the names of all documents, sorted, in an array that must not be written to. */
function names(this: State): MethodResult<readonly string[]> {
    const [kvs, err, details] = this.mirror.all();
    if (kvs === undefined) {
        return $multi(undefined, err, details);
    }
    if (this.listed !== kvs) {
        const list: string[] = [];
        for (const kv of kvs) {
            if (documents.of(kv) !== undefined) {
                list.push(sub(kv.key, this.dir.length + 1));
            }
        }
        this.listed = kvs;
        this.listed_names = list;
    }
    return $multi(this.listed_names);
}

/** Returns the invalid documents by name. */
function invalid(this: State): Record<string, Invalid> {
    const by_name: Record<string, Invalid> = {};
    for (const [key, item] of this.mirror.store.invalid_items) {
        by_name[sub(key, this.dir.length + 1)] = item;
    }
    return by_name;
}

/** Checks the arguments of `history`. Returns an error text, or nil. */
function check_history(name: unknown, revision: string | undefined, timeout: unknown): Problem {
    if (revision === undefined || tonumber(revision)! < 1) {
        return "revision must be a revision";
    }
    return checks.check_key(name) ?? checks.check_method_options({ timeout });
}

/**
 * Reads a document as of a revision from etcd. It is decoded, validated and transformed as by the mirror.
 * @returns the document and the revision that wrote it; nil and nil if it was absent; nil, an error text and the
 *   details, named `invalid` if the document is invalid
 */
function history(this: State, name: string, revision: number | string, timeout?: number): ReadResult {
    const at = int64.to_text(revision);
    const problem = check_history(name, at, timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const key = writes.key_of(this, name);
    const call_options: CallOptions = { timeout };
    const [reply, err] = call.unary(this.cli, rpcs.range, { key, revision: at }, call_options);
    if (reply === undefined) {
        return errors.to_result(err);
    }
    const raw = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    if (raw === undefined) {
        return $multi(undefined, undefined);
    }
    const raw_err = completeness.check_read(raw, key, call_options.answered_by);
    if (raw_err !== undefined) {
        return errors.to_result(raw_err);
    }
    const [kv, reason] = decode.make(this.mirror.decoder, raw, this.dir + name);
    if (kv === undefined) {
        const err_invalid = errors.local_error("invalid", reason);
        err_invalid.revision = raw.mod_revision;
        return errors.to_result(err_invalid);
    }
    const document: unknown = documents.of(kv);
    return $multi(document, document !== undefined ? kv.mod_revision : undefined);
}

const methods = {
    age: facade.age,
    close: facade.close,
    delete: writes.remove,
    get,
    history,
    invalid,
    names,
    put: writes.put,
    ready: facade.ready,
    state: facade.state_of,
    wait_ready: facade.wait_ready,
    watch: watches.watch,
};
type Methods = typeof methods;
const mt: LuaMetatable<Config, Methods> = { __index: methods };

/**
 * Creates a configuration store of the documents below a prefix.
 * @returns the store; nil, an error text and the details
 */
function create(cli: ClientState, dir: string, opts?: Options): MethodResult<Config> {
    const problem = checks.check_client(cli) ?? options.check(opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const given = opts ?? {};
    const [mirror, err, details] = mirrors.new(cli, dir, options.of_mirror(cli, given));
    if (mirror === undefined) {
        return $multi(undefined, err, details);
    }
    glued_prefix.warn("configuration store", dir);
    const serializer = serializers.select_serializer(options.serializer_of(cli, given));
    const defaults = given.defaults ?? {};
    return $multi(setmetatable({ cli, dir, mirror, serializer, defaults, listed_names: [] } as unknown as Config, mt));
}

export { create as new, type Config, type Options, type WatchOptions, type WriteOptions };
