import * as call from "./call";
import * as args from "./dropin/args";
import type { State as ClientState } from "./dropin/state";
import type { EtcdError } from "./errors";
import * as errors from "./errors";
import type { RawKv } from "./feed";
import * as int64 from "./int64";
import * as mirrors from "./mirror";
import type { Mirror, Options } from "./mirror";
import * as rpcs from "./rpc";
import * as serializer from "./serializer";
import type { Message } from "./transport";
import * as utils from "./utils";

/** A document of any kind that the serializer takes. */
type Document = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/** Called with a document's new state; nil and nil when it is deleted. */
type OnDocument = (this: void, document: Document, revision: string | undefined) => void;

interface PutOptions {
    /** Write only if the document is at this revision; 0: only if there is none. */
    if_revision?: number | string;
    /** Seconds for the call. */
    timeout?: number;
}

interface State {
    readonly cli: ClientState;
    readonly dir: string;
    /** Where the documents are read. */
    readonly mirror: Mirror;
}

/** Documents by name, each with the revision that wrote it. */
interface Config extends State, Methods {}

type Found = LuaMultiReturn<[document: Document, revision: string | undefined]>;
type Told = LuaMultiReturn<[document: Document, revision: string | EtcdError | undefined]>;

function bad_request(message: string): EtcdError {
    return errors.failure("bad_request", message);
}

function key_of(state: State, name: string): string {
    return utils.get_real_key(state.cli.key_prefix, state.dir + name);
}

/**
 * Reads a document; in every phase.
 * @returns the document and its revision; nil and nil if there is none; nil and "not ready"
 */
function get(this: State, name: string): Found {
    const [document, kv] = this.mirror.get(this.dir + name);
    if (document === undefined) {
        return $multi(undefined, kv as string | undefined);
    }
    return $multi(document, (kv as mirrors.Kv).mod_revision);
}

/**
 * Has a function called after each change of a document.
 * @returns a function that ends it
 */
function watch(this: State, name: string, callback: OnDocument): Result<(this: void) => void> {
    if (typeof callback !== "function") {
        return $multi(undefined, "callback must be function");
    }
    const key = this.dir + name;
    return this.mirror.on_change(told => {
        for (const change of told.changes) {
            const kv = change.kv;
            if (change.key === key) {
                callback(kv?.value, kv?.mod_revision);
            }
        }
    });
}

/**
 * Writes a document. The mirror shows it as soon as etcd tells of it.
 * @returns its revision; nil and an error, named `conflict` if another has changed it
 */
function put(this: State, name: string, document: Document, opts?: PutOptions): Result<string, EtcdError> {
    const wrong = args.check_key(name) ?? args.check_opts(opts);
    if (wrong !== undefined) {
        return $multi(undefined, bad_request(wrong));
    }
    const [value, value_err] = serializer.serialize(this.cli.serializer, document);
    if (value === undefined) {
        return $multi(undefined, bad_request(value_err));
    }
    const key = key_of(this, name);
    const message: Message = new LuaMap();
    message.set("success", [{ request_put: { key, value } }]);
    let wanted: string | undefined;
    if (opts?.if_revision !== undefined) {
        wanted = int64.to_text(opts.if_revision);
        if (wanted === undefined) {
            return $multi(undefined, bad_request("opts.if_revision must be a revision"));
        }
        message.set("compare", [{ key, target: "MOD", result: "EQUAL", mod_revision: wanted }]);
    }
    const [reply, err] = call.unary(this.cli, rpcs.txn, message, opts?.timeout);
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    if (reply.body.get("succeeded") !== true) {
        return $multi(undefined, errors.failure("conflict", `the document is not at revision ${wanted}`));
    }
    return $multi((reply.body.get("header") as Message).get("revision") as string);
}

/**
 * Reads a document as it was at a revision, from etcd.
 * @returns the document and the revision that wrote it; nil and nil if there was none; nil and an error
 */
function history(this: State, name: string, revision: number | string, timeout?: number): Told {
    const at = int64.to_text(revision);
    const wrong = args.check_key(name) ?? (at === undefined ? "revision must be a revision" : undefined);
    if (wrong !== undefined) {
        return $multi(undefined, bad_request(wrong));
    }
    const [reply, err] = call.unary(this.cli, rpcs.range, { key: key_of(this, name), revision: at }, timeout);
    if (reply === undefined) {
        return $multi(undefined, err);
    }
    const kv = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    if (kv === undefined) {
        return $multi(undefined, undefined);
    }
    const [document] = this.cli.serializer.deserialize(kv.value ?? "");
    return $multi(document, kv.mod_revision);
}

/** Waits for the first full state; as for mirrors. */
function wait_ready(this: State, timeout?: number): Result<true, EtcdError> {
    return this.mirror.wait_ready(timeout);
}

/** Ends following etcd. */
function close(this: State): true {
    return this.mirror.close();
}

const methods = { close, get, history, put, wait_ready, watch };
type Methods = typeof methods;
const mt: LuaMetatable<Config, Methods> = { __index: methods };

/**
 * Documents below a prefix.
 * @param opts those of mirrors
 */
function create(cli: ClientState, dir: string, opts?: Options): Result<Config> {
    const [mirror, err] = mirrors.new(cli, dir, opts);
    if (mirror === undefined) {
        return $multi(undefined, err);
    }
    return $multi(setmetatable({ cli, dir, mirror } as Config, mt));
}

export { create as new, type Config, type PutOptions };
