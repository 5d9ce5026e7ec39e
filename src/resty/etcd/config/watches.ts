import * as checks from "../base/checks";
import type { OptionTable } from "../base/checks";
import * as error_text from "../base/error_text";
import * as listeners from "../base/listener";
import type { MethodResult } from "../protocol/errors";
import type { Kv } from "../mirror/types";
import * as errors from "../protocol/errors";
import * as documents from "./documents";
import type { Document } from "./documents";
import type { State } from "./writes";

/** Called with the document and its revision; with the default or nil, and nil, if it is absent. */
type OnDocument = (this: void, document: Document, revision: string | undefined) => void;

interface WatchOptions {
    /** Call the function immediately with what `get` returns. */
    initial?: boolean;
}

const WATCH_OPTIONS: OptionTable = { rules: [{ name: "initial", type: "boolean" }] };

/** Calls a function with the document of a key, or with the default. */
function call(this: void, state: State, name: string, callback: OnDocument, kv: Kv | undefined): void {
    const document: unknown = documents.of(kv);
    if (document !== undefined) {
        callback(document, kv?.mod_revision);
    } else {
        callback(state.defaults[name], undefined);
    }
}

/** Calls the function with the current document. Its errors are logged. */
function call_first(state: State, key: string, name: string, callback: OnDocument): void {
    const [, kv] = state.mirror.get(key);
    const [ok, err] = protected_call(call, state, name, callback, kv);
    if (!ok) {
        ngx.log(ngx.WARN, "configuration store of ", state.dir, ": watch: ", error_text.of(err, "no reason"));
    }
}

/**
 * Registers a function to be called after each change of a document.
 * @returns a function that unregisters it
 */
function watch(
    this: State,
    name: string,
    callback: OnDocument,
    opts?: WatchOptions,
): MethodResult<(this: void) => void> {
    const problem = checks.check_key(name) ?? checks.check_options(opts, WATCH_OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (typeof callback !== "function") {
        return errors.bad_request("callback must be function");
    }
    const key = this.dir + name;
    const is_starting = opts?.initial === true;
    const listener = listeners.new(is_starting);
    const [stop, err, details] = this.mirror.on_change(changes => {
        for (const { key: changed_key, kv } of changes.changes) {
            if (changed_key === key && listeners.accepts_change(listener)) {
                call(this, name, callback, kv);
            }
        }
    });
    if (stop === undefined) {
        return $multi(undefined, err, details);
    }
    if (is_starting) {
        listeners.start(listener, () => {
            call_first(this, key, name, callback);
        });
    }
    return $multi(stop);
}

export { watch, type OnDocument, type WatchOptions };
