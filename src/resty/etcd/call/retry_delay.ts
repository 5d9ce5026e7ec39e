import * as random from "../base/random";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import * as phase from "../base/phase";

const min = math.min;

/** Seconds before a second round of tries; it doubles with each round. */
const FIRST_DELAY = 0.025;
const MAX_DELAY = 1;

/** Seconds that a member is given to hear of a token; they double with each refusal. */
const FIRST_TOKEN_DELAY = 0.01;
/** How often it is asked again. */
const TOKEN_TRIES = 6;

/**
 * Lets some time pass before an endpoint is asked once more. A client under the health check that all share goes
 * on at once, as such clients always did.
 * @param tries how often the call was tried
 * @returns false if there is no time for another try
 */
function before_try(core: Core, tries: number, deadline: number | undefined): boolean {
    const n = core.endpoints.length;
    let seconds = 0;
    // up to the last endpoint, the next one is another
    if (tries >= n && (core.health !== undefined || core.revision_floor !== undefined)) {
        const round = math.floor(tries / n) - 1;
        seconds = random.jittered(min(MAX_DELAY, FIRST_DELAY * 2 ** min(round, 10)));
    }
    if (deadline !== undefined && clock.now() + seconds >= deadline) {
        return false;
    }
    if (seconds > 0 && phase.can_wait()) {
        protected_call(ngx.sleep, seconds); // throws in a phase that cannot wait
    }
    return true;
}

/**
 * Lets some time pass before a token is sent again that the other members may not have heard of.
 * @param tries how often that was done
 * @returns false if it is no use to go on
 */
function before_token(tries: number, deadline: number | undefined): boolean {
    const seconds = FIRST_TOKEN_DELAY * 2 ** tries;
    if (tries >= TOKEN_TRIES || (deadline !== undefined && clock.now() + seconds >= deadline)) {
        return false;
    }
    if (!phase.can_wait()) {
        return false;
    }
    const [ok] = protected_call(ngx.sleep, seconds); // throws in a phase that cannot wait
    return ok;
}

export { before_token, before_try, TOKEN_TRIES };
