import type { ClientState } from "./call/client_state";
import type { RawKv } from "./protocol/message";
import * as call from "./call/call";
import * as checks from "./base/checks";
import * as writes from "./config/writes";
import type { State, WriteOptions } from "./config/writes";
import type { EtcdError, MethodResult } from "./protocol/errors";
import * as errors from "./protocol/errors";
import * as int64 from "./protocol/int64";
import * as mirrors from "./mirror/mirror";
import type { Options } from "./mirror/mirror";
import * as decode from "./mirror/decode";
import * as facade from "./mirror/facade";
import type { Invalid } from "./mirror/types";
import * as rpcs from "./protocol/rpc";

const sub = string.sub;

/** Any value that the serializer supports. */
type Document = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/** Called with the new document and its revision; with nil and nil after a deletion. */
type OnDocument = (this: void, document: Document, revision: string | undefined) => void;

/** Documents by name, each with the revision that wrote it. */
interface Config extends State, Methods {}

type LookupResult = LuaMultiReturn<
    [document: Document, revision: string | undefined, newer?: Invalid | EtcdError | undefined]
>;
type ReadResult = LuaMultiReturn<[document: Document, revision: string | EtcdError | undefined]>;

/**
 * Returns a document from the mirror. It works in every phase.
 * @returns the document and its revision; nil and nil if it is absent; nil and an error. The third result is
 *   `{err, mod_revision, create_revision}` of the revision in etcd if that is invalid
 */
function get(this: State, name: string): LookupResult {
    if (typeof name !== "string") {
        return $multi(undefined, "key must be string");
    }
    const key = this.dir + name;
    const newer = this.mirror.store.invalid_items.get(key);
    const [document, kv, err, details] = this.mirror.get(key);
    if (err !== undefined) {
        return $multi(undefined, err, details);
    }
    if (kv === undefined) {
        return $multi(undefined, undefined, newer);
    }
    return $multi(document, kv.mod_revision, newer);
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
            list.push(sub(kv.key, this.dir.length + 1));
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

/**
 * Registers a function to be called after each change of a document.
 * @returns a function that unregisters it
 */
function watch(this: State, name: string, callback: OnDocument): MethodResult<(this: void) => void> {
    const problem = checks.check_key(name);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (typeof callback !== "function") {
        return errors.bad_request("callback must be function");
    }
    const key = this.dir + name;
    return this.mirror.on_change(changes => {
        for (const change of changes.changes) {
            const kv = change.kv;
            if (change.key === key) {
                callback(kv?.value, kv?.mod_revision);
            }
        }
    });
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
 * @returns the document and the revision that wrote it; nil and nil if it was absent; nil and an error, named
 *   `invalid` if the document is invalid
 */
function history(this: State, name: string, revision: number | string, timeout?: number): ReadResult {
    const at = int64.to_text(revision);
    const problem = check_history(name, at, timeout);
    if (problem !== undefined) {
        return $multi(undefined, errors.local_error("bad_request", problem));
    }
    const [reply, err] = call.unary(
        this.cli,
        rpcs.range,
        { key: writes.key_of(this, name), revision: at },
        { timeout },
    );
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    const raw = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    if (raw === undefined) {
        return $multi(undefined, undefined);
    }
    const [kv, reason] = decode.make(this.mirror.decoder, raw, this.dir + name);
    if (kv === undefined) {
        const err_invalid = errors.local_error("invalid", reason);
        err_invalid.revision = raw.mod_revision;
        return $multi(undefined, err_invalid);
    }
    return $multi(kv.value, kv.mod_revision);
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
    watch,
};
type Methods = typeof methods;
const mt: LuaMetatable<Config, Methods> = { __index: methods };

/**
 * Creates a configuration store of the documents below a prefix.
 * @param opts as for mirrors
 */
function create(cli: ClientState, dir: string, opts?: Options): MethodResult<Config> {
    const problem = checks.check_client(cli);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const [mirror, err, details] = mirrors.new(cli, dir, opts);
    if (mirror === undefined) {
        return $multi(undefined, err, details);
    }
    return $multi(setmetatable({ cli, dir, mirror, listed_names: [] } as unknown as Config, mt));
}

export { create as new, type Config, type WriteOptions };
