import * as clock from "../base/clock";
import * as dict_values from "../base/dict_values";

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
/** Maximum bytes of the text of an end: two times. */
const MAX_END_LENGTH = 64;
/** Largest difference in seconds between two ways to compute an expiry time: shared dicts round to milliseconds. */
const MAX_ROUNDING = 0.01;

/** The end of a key that this driver has set. */
interface End {
    readonly monotonic: number;
    readonly wall: number;
}

function set_end(dict: ngx.SharedDict, key: string, seconds: number): void {
    const text = string.format("%.3f %.3f", now() + seconds, ngx.now() + seconds);
    dict.safe_set(END + key, text, seconds + EXTRA_EXPIRY); // evicts nothing: the dict can hold data of others
}

function end_of(dict: ngx.SharedDict, key: string): End | undefined {
    const text = dict_values.get_line(dict, END + key, MAX_END_LENGTH);
    const [monotonic, wall] = string.match(text ?? "", "^(%d+%.%d%d%d) (%d+%.%d%d%d)$");
    if (monotonic === undefined) {
        return undefined;
    }
    return { monotonic: tonumber(monotonic)!, wall: tonumber(wall)! };
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
    const has_flag = dict_values.has(dict, key);
    const end = end_of(dict, key);
    if (end === undefined) {
        return has_flag;
    }
    if (!has_flag) {
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
    if (dict_values.has(dict, host) && dict_values.get_number(dict, host) === undefined) {
        dict.delete(host); // another program has written something else there
    }
    dict.safe_add(host, 0, seconds); // unlike `incr`, it evicts nothing
    const fails = dict_values.increment(dict, host, 1);
    if (fails === undefined) {
        return $multi(undefined, "no memory");
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
    const [added] = dict.safe_add(key, 1, duration);
    return added;
}

export { ban, count_failure, is_banned };
