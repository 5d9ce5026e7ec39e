import * as backoff from "../base/backoff";
import * as clock from "../base/clock";

const now = clock.now;

/** The TLS failures of an endpoint, as one client sees it. */
interface TlsFailure {
    /** Consecutive failures. */
    count: number;
    /** Time until which the client uses other endpoints first. */
    avoided_until: number;
}

/**
 * Endpoints with which a client gets no TLS session, by host. The cause can be the client's own: `sni`, the CA, its
 * certificate. So they are not ejected, and the state is not shared: the client only uses others first, if there are any.
 */
type TlsFailures = LuaMap<string, TlsFailure>;

/** Seconds after which another call can try an endpoint, because the one that tries it can be killed. */
const TRIAL_TIME = 5;
/** Number of failed endpoints above which old ones are removed: addresses of names change. */
const MAX_KEPT = 100;
/** Seconds after the last failure after which an endpoint is removed. */
const FORGET_AFTER = 600;

function create(): TlsFailures {
    return new LuaMap();
}

function forget_old(failures: TlsFailures, time: number): void {
    let count = 0;
    for (const [host, failure] of failures) {
        count = count + 1;
        if (count > MAX_KEPT || time > failure.avoided_until + FORGET_AFTER) {
            failures.delete(host);
        }
    }
}

/**
 * Records a failure.
 * @param first seconds for which the endpoint is avoided after the first one; doubled with each further one
 */
function note(failures: TlsFailures, host: string, first: number, longest: number): void {
    const time = now();
    const known = failures.get(host);
    if (known === undefined) {
        forget_old(failures, time);
    }
    const count = known !== undefined ? known.count + 1 : 1;
    failures.set(host, { count, avoided_until: time + backoff.exponential(first, longest, count - 1) });
}

/** Reports whether a call must use other endpoints first. When the time is over, one call tries the endpoint. */
function must_avoid(failures: TlsFailures, host: string): boolean {
    const failure = failures.get(host);
    if (failure === undefined) {
        return false;
    }
    const time = now();
    if (time < failure.avoided_until) {
        return true;
    }
    failure.avoided_until = time + TRIAL_TIME;
    return false;
}

/** Removes an endpoint that has responded. */
function forget(failures: TlsFailures, host: string): void {
    failures.delete(host);
}

export { create as new, forget, must_avoid, note, type TlsFailures };
