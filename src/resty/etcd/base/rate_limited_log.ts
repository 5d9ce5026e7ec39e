import * as clock from "./clock";
import * as printable from "./printable";

const min = math.min;

/** Lines that can be written in a burst. */
const BURST = 20;
const LINES_PER_SECOND = 1;

/** The log lines of one object: a burst of them, then one line per second. */
interface RateLimitedLog {
    /** What each line starts with: `mirror of /routes/`. */
    readonly subject: Printable;
    /** Lines that can be written at `refilled_at`. */
    tokens: number;
    refilled_at: number;
    /** Lines dropped since the last one that was written. */
    withheld: number;
}

function create(subject: string): RateLimitedLog {
    return { subject: printable.key(subject), tokens: BURST, refilled_at: clock.now(), withheld: 0 };
}

/** Logs a warning. The next line that is written counts those that the limit withheld. */
function warn(log: RateLimitedLog, text: string): void {
    const time = clock.now();
    log.tokens = min(BURST, log.tokens + (time - log.refilled_at) * LINES_PER_SECOND);
    log.refilled_at = time;
    if (log.tokens < 1) {
        log.withheld = log.withheld + 1;
        return;
    }
    log.tokens = log.tokens - 1;
    const others = log.withheld > 0 ? ` (and ${log.withheld} others)` : "";
    log.withheld = 0;
    ngx.log(ngx.WARN, log.subject, ": ", printable.of(text), others);
}

export { create as new, warn, type RateLimitedLog };
