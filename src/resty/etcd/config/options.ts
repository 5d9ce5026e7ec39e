import type { OptionRule } from "../base/checks";
import * as checks from "../base/checks";
import type { ClientState } from "../call/client_state";
import * as mirror_options from "../mirror/options";
import type { Options as MirrorOptions } from "../mirror/types";
import * as serializers from "../serializers/serializer";
import * as documents from "./documents";
import type { Document } from "./documents";

/** Options of a configuration store: those of its mirror, and its own. */
interface Options extends MirrorOptions {
    /** What `get` returns for an absent document, by name. */
    defaults?: Record<string, Document>;
}

const RULES: OptionRule[] = [{ name: "defaults", type: "table" }];
for (const rule of mirror_options.RULES) {
    RULES.push(rule);
}

/** Checks the options. Returns an error text, or nil. */
function check(opts: unknown): Problem {
    return checks.check_options(opts, { rules: RULES });
}

/** Returns the choice of the serializer: by default json_exact, or the client's if that is not JSON. */
function serializer_of(cli: ClientState, opts: Options): serializers.Choice {
    return opts.serializer ?? serializers.exact_choice(cli.serializer);
}

/** Returns the options of the mirror. */
function of_mirror(cli: ClientState, opts: Options): MirrorOptions {
    const copy = new LuaMap<string, unknown>();
    for (const [name, value] of pairs(opts as Record<string, unknown>)) {
        if (name !== "defaults") {
            copy.set(name, value);
        }
    }
    copy.set("serializer", opts.decode === undefined ? serializer_of(cli, opts) : undefined);
    const mirror_opts = copy as unknown as MirrorOptions;
    documents.skip_null(mirror_opts);
    return mirror_opts;
}

export { check, of_mirror, serializer_of, type Options };
