import * as checks from "../base/checks";
import type { OptionTable } from "../base/checks";
import * as error_text from "../base/error_text";
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

/** A function given to `watch`. */
interface Listener {
    readonly callback: OnDocument;
    /** The first call has not returned: changes are noted, so that calls do not overlap. */
    is_starting: boolean;
    has_changed: boolean;
}

/** Calls a function with the document of a key, or with the default. */
function call(this: void, state: State, name: string, callback: OnDocument, kv: Kv | undefined): void {
    const document: unknown = documents.of(kv);
    if (document !== undefined) {
        callback(document, kv?.mod_revision);
    } else {
        callback(state.defaults[name], undefined);
    }
}

function note_change(listener: Listener): void {
    listener.has_changed = true;
}

/** Reports whether the document has changed since the last call of the function began, and forgets that. */
function take_change(listener: Listener): boolean {
    const has_changed = listener.has_changed;
    listener.has_changed = false;
    return has_changed;
}

/** Calls the function with the current document, and again if that changes before the function returns. */
function start(state: State, key: string, name: string, listener: Listener): void {
    do {
        const [, kv] = state.mirror.get(key);
        const [ok, err] = protected_call(call, state, name, listener.callback, kv);
        if (!ok) {
            ngx.log(ngx.WARN, "configuration store of ", state.dir, ": watch: ", error_text.of(err, "no reason"));
        }
    } while (take_change(listener));
    listener.is_starting = false;
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
    const listener: Listener = { callback, is_starting: opts?.initial === true, has_changed: false };
    const [stop, err, details] = this.mirror.on_change(changes => {
        for (const { key: changed_key, kv } of changes.changes) {
            if (changed_key === key && listener.is_starting) {
                note_change(listener);
            } else if (changed_key === key) {
                call(this, name, callback, kv);
            }
        }
    });
    if (stop === undefined) {
        return $multi(undefined, err, details);
    }
    if (listener.is_starting) {
        start(this, key, name, listener);
    }
    return $multi(stop);
}

export { watch, type OnDocument, type WatchOptions };
