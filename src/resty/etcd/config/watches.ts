import * as checks from "../base/checks";
import type { OptionTable } from "../base/checks";
import * as error_text from "../base/error_text";
import * as listeners from "../base/listener";
import * as printable from "../base/printable";
import type { MethodResult } from "../protocol/errors";
import type { Kv } from "../mirror/types";
import * as errors from "../protocol/errors";
import * as documents from "./documents";
import type { Document } from "./documents";
import type { State } from "./writes";

/** Called with the document and its revision; with the default or nil, and nil, if it is absent. */
type OnDocument = (this: void, document: Document, revision: string | undefined) => void;

/** Unregisters a function. */
type Stop = (this: void) => void;

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

/** Calls a function after each change of the key, with the document of that revision. */
function follow_changes(state: State, key: string, name: string, callback: OnDocument): MethodResult<Stop> {
    return state.mirror.on_change(changes => {
        for (const { key: changed_key, kv } of changes.changes) {
            if (changed_key === key) {
                call(state, name, callback, kv);
            }
        }
    });
}

/** Calls a function with the current document, and after each change with the document that is current then. */
function follow_document(state: State, key: string, name: string, callback: OnDocument): MethodResult<Stop> {
    const listener = listeners.new(true);
    function show(this: void): void {
        const [, kv] = state.mirror.get(key);
        if (listeners.accepts_state(listener, kv)) {
            call(state, name, callback, kv);
        }
    }
    const [stop, err, details] = state.mirror.on_change(changes => {
        for (const { key: changed_key } of changes.changes) {
            if (changed_key === key && listeners.accepts_change(listener)) {
                show();
            }
        }
    });
    if (stop === undefined) {
        return $multi(undefined, err, details);
    }
    listeners.start(listener, () => {
        const [ok, show_err] = protected_call(show);
        if (!ok) {
            const text = printable.of(error_text.of(show_err, "no reason"));
            ngx.log(ngx.WARN, "configuration store of ", printable.key(state.dir), ": watch: ", text);
        }
    });
    return $multi(stop);
}

/**
 * Registers a function to be called after each change of a document.
 * @returns a function that unregisters it
 */
function watch(this: State, name: string, callback: OnDocument, opts?: WatchOptions): MethodResult<Stop> {
    const problem = checks.check_key(name) ?? checks.check_options(opts, WATCH_OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (typeof callback !== "function") {
        return errors.bad_request("callback must be function");
    }
    const key = this.dir + name;
    if (opts?.initial === true) {
        return follow_document(this, key, name, callback);
    }
    return follow_changes(this, key, name, callback);
}

export { watch, type OnDocument, type WatchOptions };
