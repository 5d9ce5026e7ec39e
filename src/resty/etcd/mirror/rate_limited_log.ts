import * as clock from "../base/clock";
import type { State } from "./types";

const min = math.min;

/** Lines in a burst, and how many more a second. */
const BURST = 20;
const PER_SECOND = 1;

/** What a user's function says was wrong, whatever it is. */
function text_of(err: unknown, otherwise: string): string {
    if (err === undefined) {
        return otherwise;
    }
    const [ok, text] = protected_call(tostring, err);
    return ok ? (text as string) : otherwise;
}

/** Says what a user's function or item is not right at, in one line; of very many, not each. */
function warn(state: State, text: string): void {
    const time = clock.now();
    state.log_tokens = min(BURST, state.log_tokens + (time - state.log_refilled) * PER_SECOND);
    state.log_refilled = time;
    if (state.log_tokens < 1) {
        state.log_withheld = state.log_withheld + 1;
        return;
    }
    state.log_tokens = state.log_tokens - 1;
    const [printable] = string.gsub(text, "%c", "?");
    const others = state.log_withheld > 0 ? ` (and ${state.log_withheld} others)` : "";
    state.log_withheld = 0;
    ngx.log(ngx.WARN, "mirror of ", state.dir, ": ", printable, others);
}

export { BURST, warn, text_of };
