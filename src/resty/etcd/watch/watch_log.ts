import * as clock from "../base/clock";
import type { OnRetry } from "../call/call";
import type { Mutable } from "../base/mutable";
import * as printable from "../base/printable";
import * as masked_url from "../endpoint/masked_url";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";

const now = clock.now;

/** Seconds between two log lines about the same kind of failure. */
const LOG_INTERVAL = 10;

/** What a shared watch has logged. Written by this file. */
interface WatchLog {
    /** What each line starts with: `watch of /routes/`. */
    readonly subject: Printable;
    /** Times of the last lines, by the kind of failure. */
    readonly last_logged_at: LuaMap<string, number>;
    /** Time of the first failure that was logged since the watch was well; nil while it is. */
    readonly failing_since: number | undefined;
    /** For the calls of the watch. */
    readonly on_retry: OnRetry;
}

type State = Mutable<WatchLog>;

/** Reports whether a line about a kind of failure is to be written now. */
function is_due(log: WatchLog, kind: string): boolean {
    const time = now();
    const last = log.last_logged_at.get(kind);
    if (last !== undefined && time - last <= LOG_INTERVAL) {
        return false;
    }
    log.last_logged_at.set(kind, time);
    return true;
}

/** Logs that a call for the watch continues at another endpoint. */
function retrying(log: State, rpc: string, err: EtcdError): void {
    log.failing_since ??= now();
    if (is_due(log, `${rpc} ${err.name}`)) {
        const name = printable.key(rpc);
        ngx.log(ngx.WARN, log.subject, ": ", name, ": ", errors.to_text(err), "; retrying on another endpoint");
    }
}

function create(key: string): WatchLog {
    const log: State = {
        subject: printable.key(`watch of ${key}`),
        last_logged_at: new LuaMap(),
        failing_since: undefined,
        on_retry: (rpc, err) => {
            retrying(log, rpc, err);
        },
    };
    return log;
}

/** Logs why a stream has ended, or could not be opened. */
function reopening(log: State, err: EtcdError): void {
    log.failing_since ??= now();
    if (is_due(log, err.name)) {
        ngx.log(ngx.WARN, log.subject, ": ", errors.to_text(err), "; opening another stream");
    }
}

/**
 * Logs a compaction of revisions after the position of the watch.
 * @param reads_state a subscriber needs those revisions, and gets the difference to a full state instead
 */
function compacted(log: State, reads_state: boolean): void {
    if (is_due(log, "compacted")) {
        const step = reads_state ? "reading all keys, and delivering what has changed" : "resuming, no event is lost";
        ngx.log(ngx.NOTICE, log.subject, ": resumed from a revision that is compacted; ", step);
    }
}

/** Logs that etcd has confirmed the watch again after failures that were logged. */
function established(log: State, endpoint: string): void {
    const since = log.failing_since;
    if (since !== undefined) {
        log.failing_since = undefined;
        const seconds = string.format("%.1f", now() - since);
        ngx.log(
            ngx.NOTICE,
            log.subject,
            ": established again at ",
            masked_url.mask(endpoint),
            " after ",
            seconds,
            " s",
        );
    }
}

export { compacted, create as new, established, reopening, type WatchLog };
