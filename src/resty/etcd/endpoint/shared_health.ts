import type { EtcdError, MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as checks from "../base/checks";
import type { OptionTable } from "../base/checks";
import * as clock from "../base/clock";
import * as dict_bans from "./dict_bans";
import * as foreign_options from "../base/foreign_options";
import type { Habit } from "../base/foreign_options";
import * as log from "../base/log";
import * as masked_url from "./masked_url";
import * as warn_once from "../base/warn_once";
import * as printable from "../base/printable";
import * as half_open from "./half_open";

const now = clock.now;

/** Settings of the shared health check. */
interface Conf {
    /** Name of a shared dict, which shares the state between workers. */
    shm_name?: string;
    /** Seconds of a ban, and the time window in which failures are counted; default 10. */
    fail_timeout: number;
    /** Failures after which an endpoint is banned, with a shared dict; default 1. */
    max_fails: number;
    /** Retries failed calls on other endpoints; default false. */
    retry: boolean;
}

/** Argument of `init`. */
type InitOptions = Partial<Conf>;

/** The module, with one state per process. The driver calls its functions through this table: programs can replace them. */
interface HealthCheck {
    /** Current settings; nil before `init`. */
    conf: Conf | undefined;
    readonly DISABLED_MODE: string;
    readonly ROUND_ROBIN_MODE: string;
    readonly SHARED_DICT_MODE: string;
    disable: (this: void) => void;
    get_check_mode: (this: void) => string;
    get_target_status: (
        this: void,
        http_host: string,
    ) => LuaMultiReturn<[healthy: boolean | undefined, err?: string, details?: EtcdError]>;
    /** @internal */
    is_banned: (this: void, http_host: string) => boolean;
    init: (this: void, opts?: InitOptions) => MethodResult<HealthCheck>;
    report_failure: (this: void, http_host: string) => MethodResult<true>;
}

const ROUND_ROBIN_MODE = "round_robin";
const SHARED_DICT_MODE = "shared_dict";
const DISABLED_MODE = "disabled";

const USE_SHM_NAME: Habit = ["use shm_name", "shm_name"];
const SUBJECT = "health_check.init";
const KNOWN = foreign_options.new(
    SUBJECT,
    { shm: USE_SHM_NAME, dict: USE_SHM_NAME, shared_dict: USE_SHM_NAME, retries: ["use retry = true", "retry"] },
    ["shm_name", "fail_timeout", "max_fails", "retry"],
);
const OPTIONS: OptionTable = {
    rules: [
        { name: "shm_name", check: checks.check_shared_dict },
        { name: "fail_timeout", type: "number", min: 0, expected: "unsigned number" },
        { name: "max_fails", type: "number", min: 0, expected: "unsigned number" },
    ],
    ignores_unknown: true,
};

const health_check = {
    DISABLED_MODE,
    ROUND_ROBIN_MODE,
    SHARED_DICT_MODE,
} as HealthCheck;

let disabled = false;

/** End of the ban by endpoint, if there is no shared dict. */
const banned_until = new LuaMap<string, number>();

/** Returns the current mode. */
function get_check_mode(): string {
    if (disabled) {
        return DISABLED_MODE;
    }
    const conf = health_check.conf;
    return conf !== undefined && conf.shm_name !== undefined ? SHARED_DICT_MODE : ROUND_ROBIN_MODE;
}

/**
 * Configures the health check of this process, for all clients. A further call replaces settings and mode.
 * @returns this module; or nil, an error text and the details
 */
function init(opts?: InitOptions): MethodResult<HealthCheck> {
    const problem = checks.check_options(opts, OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const retry: unknown = opts?.retry;
    if (opts !== undefined) {
        foreign_options.warn_if_similar(opts, KNOWN);
    }
    if (retry !== undefined && typeof retry !== "boolean") {
        warn_once.warn(SUBJECT, `retry ${tostring(retry)} is no boolean: calls are not retried`);
    }
    const shm_name = opts?.shm_name;
    const conf: Conf = {
        fail_timeout: opts?.fail_timeout ?? 10,
        max_fails: opts?.max_fails ?? 1,
        retry: retry === true,
    };
    if (shm_name !== undefined) {
        conf.shm_name = shm_name;
    }
    health_check.conf = conf;
    if (log.info_enabled()) {
        if (shm_name !== undefined) {
            ngx.log(ngx.INFO, "healthy check use ngx.shared dict: ", printable.of(shm_name));
        } else {
            ngx.log(ngx.INFO, "healthy check use round robin");
        }
    }
    return $multi(health_check);
}

/** Removes ended bans, whose endpoints can be gone: DNS records and the member list change. */
function forget_old(time: number): void {
    for (const [http_host, ban_end] of banned_until) {
        if (ban_end <= time) {
            banned_until.delete(http_host);
        }
    }
}

/** Counts a failure of an endpoint. Clients call it for each failed attempt. */
function report_failure(http_host: string): MethodResult<true> {
    if (disabled) {
        return $multi(true);
    }
    const conf = health_check.conf;
    if (conf === undefined) {
        return errors.bad_request("etcd health check uninitialized");
    }
    if (typeof http_host !== "string") {
        return errors.bad_request("etcd host invalid");
    }
    const shm_name = conf.shm_name;
    if (shm_name === undefined) {
        const time = now();
        const banned = (banned_until.get(http_host) ?? 0) > time;
        banned_until.set(http_host, time + conf.fail_timeout);
        if (!banned) {
            forget_old(time);
            ngx.log(ngx.WARN, "update endpoint: ", masked_url.mask(http_host), " to unhealthy");
        }
        return $multi(true);
    }
    const dict = ngx.shared[shm_name]!;
    const [fails, err] = dict_bans.count_failure(dict, http_host, conf.fail_timeout);
    if (fails === undefined) {
        return errors.bad_request(err);
    }
    if (fails >= conf.max_fails && dict_bans.ban(dict, http_host, conf.fail_timeout)) {
        ngx.log(ngx.WARN, "update endpoint: ", masked_url.mask(http_host), " to unhealthy");
    }
    return $multi(true);
}

function has_ban(conf: Conf, http_host: string): boolean {
    const shm_name = conf.shm_name;
    if (shm_name === undefined) {
        const ban_end = banned_until.get(http_host);
        return ban_end !== undefined && ban_end > now();
    }
    return dict_bans.is_banned(ngx.shared[shm_name]!, http_host);
}

/**
 * Reports whether an endpoint can be used.
 * @returns true if it is healthy; false if it is banned, or false and an error text if the host is invalid; nil and an
 * error text before `init`
 */
function get_target_status(
    http_host: string,
): LuaMultiReturn<[healthy: boolean | undefined, err?: string, details?: EtcdError]> {
    if (disabled) {
        return $multi(true);
    }
    const conf = health_check.conf;
    if (conf === undefined) {
        return errors.bad_request("etcd health check uninitialized");
    }
    if (typeof http_host !== "string") {
        return $multi(false, "etcd host invalid", errors.local_error("bad_request", "etcd host invalid"));
    }
    return $multi(!has_ban(conf, http_host));
}

/**
 * Reports whether this health check bans an endpoint. Returns false if a program has replaced `get_target_status`, as
 * that function then decides and no half-open state is kept.
 */
function is_banned(http_host: string): boolean {
    const conf = health_check.conf;
    if (disabled || conf === undefined || health_check.get_target_status !== get_target_status) {
        return false;
    }
    return has_ban(conf, http_host);
}

/** Turns the health check off in this process: every endpoint counts as healthy, and calls are not retried. */
function disable(): void {
    disabled = true;
    half_open.forget_all();
}

health_check.disable = disable;
health_check.get_check_mode = get_check_mode;
health_check.get_target_status = get_target_status;
health_check.init = init;
health_check.is_banned = is_banned;
health_check.report_failure = report_failure;

export = health_check;
