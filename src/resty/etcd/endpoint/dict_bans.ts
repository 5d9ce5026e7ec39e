import * as clock from "../base/clock";

const now = clock.now;
const max = math.max;

/*
 * Failures and bans of the shared health check in a shared dict. A shared dict expires keys by the wall clock: if that is
 * set back by an hour, a ban of 10 s would last an hour. So the monotonic end of a key is stored next to it. Programs know
 * the keys themselves, and can set and remove them.
 */

/** Prefix of the key that exists during a ban. The key of the number of failures is the host. */
const UNHEALTHY = "unhealthy-";
/** Prefix of the end of a key, which is stored as text: by the monotonic clock, and by `ngx.now`. */
const END = "resty.etcd|end|";
/** Seconds by which the end of a key outlasts the key: the wall clock can be set forward. */
const EXTRA_EXPIRY = 86400;
/** Largest difference in seconds between two ways to compute an expiry time: shared dicts round to milliseconds. */
const MAX_ROUNDING = 0.01;

/** The end of a key that this driver has set. */
interface End {
    readonly monotonic: number;
    readonly wall: number;
}

function set_end(dict: ngx.SharedDict, key: string, seconds: number): void {
    const text = string.format("%.3f %.3f", now() + seconds, ngx.now() + seconds);
    dict.set(END + key, text, seconds + EXTRA_EXPIRY);
}

function end_of(dict: ngx.SharedDict, key: string): End | undefined {
    const [text] = dict.get(END + key);
    if (typeof text !== "string") {
        return undefined;
    }
    const [monotonic, wall] = string.match(text, "^(%S+) (%S+)$");
    return { monotonic: tonumber(monotonic) ?? 0, wall: tonumber(wall) ?? 0 };
}

/** Reports whether a key exists after its end, because the wall clock was set back. False for keys of other programs. */
function is_overdue(dict: ngx.SharedDict, key: string, end: End): boolean {
    if (end.monotonic > now()) {
        return false;
    }
    const [seconds] = dict.ttl(key);
    return seconds !== undefined && math.abs(ngx.now() + seconds - end.wall) < MAX_ROUNDING;
}

/** Reports whether an endpoint is banned. */
function is_banned(dict: ngx.SharedDict, host: string): boolean {
    const key = UNHEALTHY + host;
    const [flag] = dict.get(key);
    const end = end_of(dict, key);
    if (end === undefined) {
        return flag !== undefined;
    }
    if (flag === undefined) {
        // a program has removed the flag, unless the wall clock was set forward and has ended it early
        return end.monotonic > now() && end.wall <= ngx.now();
    }
    if (is_overdue(dict, key, end)) {
        dict.delete(key);
        return false;
    }
    return true;
}

/**
 * Counts a failure.
 * @param seconds time window in which failures are counted together; 0 has no end
 * @returns the number of failures in the time window; or nil and an error text
 */
function count_failure(dict: ngx.SharedDict, host: string, seconds: number): Result<number> {
    const end = end_of(dict, host);
    if (end !== undefined && is_overdue(dict, host, end)) {
        dict.delete(host);
    }
    const [fails, err] = dict.incr(host, 1, 0, seconds);
    if (fails === undefined) {
        return $multi(undefined, err ?? "no memory");
    }
    if (fails === 1 && seconds > 0) {
        set_end(dict, host, seconds);
    }
    return $multi(fails);
}

/**
 * Bans an endpoint for some seconds.
 * @returns true unless it is banned already
 */
function ban(dict: ngx.SharedDict, host: string, seconds: number): boolean {
    if (is_banned(dict, host)) {
        return false;
    }
    const key = UNHEALTHY + host;
    const duration = max(seconds, 0.001); // an expiry of 0 means never
    set_end(dict, key, duration);
    const [added] = dict.add(key, 1, duration);
    return added;
}

export { ban, count_failure, is_banned };
