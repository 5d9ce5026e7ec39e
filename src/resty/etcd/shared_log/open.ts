import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Feed } from "../watch/feed";
import * as log_feed from "./log_feed";
import type { Coordinator, OpenSource } from "./coordinator";
import type { NodeDict } from "./records";
import * as poll_timers from "./poll_timer";

/** Of keys and values in the dict: another layout has other names. */
const LAYOUT = 1;
/** Seconds between two looks at the head of the log. */
const POLL_INTERVAL = 0.005;
/** Seconds after which a log that was given up is tried anew. */
const RETRY = 60;

/** Looks around for all logs of this worker. */
const poll_timer = poll_timers.new(POLL_INTERVAL);
/** By the dict and what all keys begin with: what this worker has. */
const coordinators: LuaMap<NodeDict, LuaMap<string, Coordinator>> = new LuaMap();

/**
 * A feed for this worker out of a log that is in a shared dict, and that one worker of the machine writes for all.
 * @param dict where the log is
 * @param identity what the log is of: the same for all workers that share it, and for no others
 * @param open_source opens a feed out of etcd itself, for the worker that writes, and for all where the dict fails
 */
function open(dict: NodeDict, identity: string, open_source: OpenSource): Result<Feed, EtcdError> {
    if (ngx.get_phase() === "init") {
        return $multi(undefined, errors.local_error("bad_request", "not in init: workers are not there yet"));
    }
    const base = `etcd log ${LAYOUT}|${string.sub(ngx.md5(identity), 1, 20)}|`;
    let of_dict = coordinators.get(dict);
    if (of_dict === undefined) {
        of_dict = new LuaMap();
        coordinators.set(dict, of_dict);
    }
    let coordinator = of_dict.get(base);
    if (coordinator === undefined) {
        coordinator = log_feed.new_coordinator(dict, base, open_source, RETRY);
        of_dict.set(base, coordinator);
    }
    return log_feed.attach(poll_timer, coordinator);
}

export { open };
