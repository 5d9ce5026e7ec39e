import * as phase from "../base/phase";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Feed } from "../watch/feed";
import * as log_feed from "./log_feed";
import type { Coordinator, OpenSource } from "./coordinator";
import type { LogDict } from "./records";
import * as poll_timers from "./poll_timer";

/** Version of the keys and values in the dict. It is part of each key, so that versions can share a dict in a reload. */
const LAYOUT = 1;
/** Seconds between two polls of the head of the log: the latency that the log adds at most. */
const POLL_INTERVAL = 0.005;
/** Seconds before an abandoned log is replaced. */
const RETRY_AFTER = 60;

/** Polls all logs of this worker. */
const poll_timer = poll_timers.new(POLL_INTERVAL);
/** By dict and by key prefix. Those of closed mirrors are collected as garbage: feeds and the poll timer hold the others. */
const coordinators: LuaMap<LogDict, LuaMap<string, Coordinator>> = new LuaMap();

/**
 * Opens a feed for this worker from a log in a shared dict, which one worker writes for all workers of the nginx.
 * @param identity names the content of the log: the same for all workers that share it, and for no others
 * @param range_key first key of the range, for log lines
 * @param open_source opens a feed straight from etcd: for the worker that writes, and for all workers if the log fails
 */
function open(dict: LogDict, identity: string, range_key: string, open_source: OpenSource): Result<Feed, EtcdError> {
    if (phase.is_init()) {
        return $multi(
            undefined,
            errors.local_error("not_in_phase", "shared watch log: not available in init: no worker is running yet"),
        );
    }
    const namespace = `etcd log ${LAYOUT}|${string.sub(ngx.md5(identity), 1, 20)}|`;
    let of_dict = coordinators.get(dict);
    if (of_dict === undefined) {
        of_dict = setmetatable(new LuaMap<string, Coordinator>(), { __mode: "v" });
        coordinators.set(dict, of_dict);
    }
    let coordinator = of_dict.get(namespace);
    if (coordinator === undefined) {
        coordinator = log_feed.new_coordinator(dict, namespace, range_key, open_source, RETRY_AFTER);
        of_dict.set(namespace, coordinator);
    }
    return log_feed.attach(poll_timer, coordinator);
}

export { open };
