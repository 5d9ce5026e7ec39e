import * as checks from "../base/checks";
import type { Message } from "../protocol/message";

/** Checks the options of `watch` and `watchdir`. Returns an error text, or nil if they are valid. */
function check_watch_opts(opts: { start_revision?: unknown; require_leader?: unknown } | undefined): Problem {
    const problem = checks.check_method_options(opts);
    if (problem !== undefined) {
        return problem;
    }
    if (opts?.require_leader !== undefined && typeof opts.require_leader !== "boolean") {
        return "require_leader must be boolean";
    }
    // some versions of etcd reject a negative revision, others create a watch that never delivers an event
    const from = tostring(opts?.start_revision);
    return string.sub(from, 1, 1) === "-" ? "start_revision must not be negative" : undefined;
}

/** Copies the named options that are not nil into a request. */
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
