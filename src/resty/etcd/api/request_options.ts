import * as checks from "../base/checks";
import type { Message } from "../protocol/message";

/** What is wrong with a watch's options; nil if nothing is. */
function check_watch_opts(opts: { start_revision?: unknown; require_leader?: unknown } | undefined): Problem {
    const wrong = checks.check_method_options(opts);
    if (wrong !== undefined) {
        return wrong;
    }
    if (opts?.require_leader !== undefined && typeof opts.require_leader !== "boolean") {
        return "require_leader must be boolean";
    }
    // some versions of etcd refuse it, others keep a watch that never tells anything
    const from = tostring(opts?.start_revision);
    return string.sub(from, 1, 1) === "-" ? "start_revision must not be negative" : undefined;
}

/** Copies the named options that are set. */
function copy(from: object | undefined, names: readonly string[], to: Message): void {
    if (from !== undefined) {
        for (const name of names) {
            const value = (from as Record<string, unknown>)[name];
            if (value !== undefined) {
                to.set(name, value);
            }
        }
    }
}

export { check_watch_opts, copy };
