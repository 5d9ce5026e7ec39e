import type { Message } from "../protocol/message";
import * as cluster from "../call/cluster";
import * as clock from "../base/clock";
import type { Core, SyncPlan } from "../call/client_state";
import type { Endpoint } from "../endpoint/endpoint";
import * as endpoint from "../endpoint/endpoint";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as timer_loop from "../base/timer_loop";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import * as rpcs from "../protocol/rpc";

const now = clock.now;

const NO_URL = "no member of the list has a client URL";
const NO_SECURE_URL = "no member of the list has a client URL with https";

/** Returns the first URL with the scheme in use, or any URL for http: a client with TLS must not lose its encryption. */
function url_of(urls: string[], scheme: string): string | undefined {
    const beginning = `${scheme}://`;
    for (const url of urls) {
        if (string.sub(url, 1, beginning.length) === beginning) {
            return url;
        }
    }
    return scheme === "http" ? urls[0] : undefined;
}

/** Returns endpoints of the members that serve clients: learners, and members that have not started, are left out. */
function endpoints_of(members: Message[], api_prefix: string, scheme: string): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const member of members) {
        const urls = (member.get("clientURLs") as string[] | undefined) ?? [];
        const url = url_of(urls, scheme);
        if (member.get("isLearner") !== true && url !== undefined) {
            const parsed = endpoint.new(url, api_prefix);
            if (parsed !== undefined) {
                endpoints.push(parsed);
            }
        }
    }
    return endpoints;
}

/** Restores the configured endpoints: the URLs that etcd advertises can be unreachable from here. */
function restore_configured(core: Core): void {
    const given = core.configured;
    const current = core.dns !== undefined ? core.dns.configured : core.endpoints;
    if (current !== given) {
        const copy: Endpoint[] = [];
        for (const one of given) {
            copy.push(one);
        }
        dns_endpoints.replace_endpoints(core, copy);
    }
}

/**
 * Reads the member list and replaces the endpoints by the first client URL of each member that is no learner.
 * @returns true; or nil and an error. After an error response the endpoints are unchanged, and if no endpoint
 *   responded they are the configured ones
 */
function read_members(core: Core): Result<true, EtcdError> {
    const [reply, err] = cluster.read(core, rpcs.member_list, {}, {});
    if (reply === undefined) {
        if (err.http_status === undefined && err.name !== "bad_request" && err.name !== "not_in_phase") {
            restore_configured(core);
        }
        return $multi(undefined, err);
    }
    const members = (reply.body.get("members") as Message[] | undefined) ?? [];
    // programs can replace the endpoints by tables without a scheme
    const first = core.endpoints[0] as Partial<Endpoint> | undefined;
    const scheme = first?.scheme ?? core.configured[0]!.scheme;
    const endpoints = endpoints_of(members, core.api_prefix, scheme);
    if (endpoints.length === 0) {
        return $multi(undefined, errors.local_error("bad_reply", scheme === "http" ? NO_URL : NO_SECURE_URL));
    }
    dns_endpoints.replace_endpoints(core, endpoints);
    return $multi(true);
}

/** Replaces the endpoints by the current members of the cluster. */
function sync(this: Core): MethodResult<true> {
    const [ok, err] = read_members(this);
    if (ok === undefined) {
        return errors.to_result(err);
    }
    return $multi(ok);
}

function sync_in_timer(core: Core): void {
    const [ok, err] = read_members(core);
    if (ok === undefined) {
        ngx.log(ngx.WARN, "list of members: ", errors.to_text(err));
    }
}

/** Reads the member list in a timer. */
function start_sync(this: void, core: Core): void {
    // without a timer, as in some phases, a later call tries again
    timer_loop.run_once("list of members", () => {
        sync_in_timer(core);
    });
}

/** Returns the plan of a client that reads the member list when it makes a call and the interval has passed. */
function plan(interval: number): SyncPlan {
    return { interval, next: now() + interval, start: start_sync };
}

export { plan, sync };
