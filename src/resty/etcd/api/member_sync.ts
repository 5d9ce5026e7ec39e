import type { Message } from "../protocol/message";
import * as call from "../call/call";
import * as clock from "../base/clock";
import type { Core, SyncPlan } from "../call/client_state";
import type { Endpoint } from "../endpoint/endpoint";
import * as endpoint from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import * as rpcs from "../protocol/rpc";

const now = clock.now;

const NO_URL = "no member of the list has a client URL";
const NO_SECURE_URL = "no member of the list has a client URL with https";

/** The first URL of the scheme in use. What went through TLS is not to go without it all of a sudden. */
function url_of(urls: string[], scheme: string): string | undefined {
    const beginning = `${scheme}://`;
    for (const url of urls) {
        if (string.sub(url, 1, beginning.length) === beginning) {
            return url;
        }
    }
    return scheme === "http" ? urls[0] : undefined;
}

/** The members that serve clients: not learners, and not those that have not started yet. */
function endpoints_of(members: Message[], api_prefix: string, scheme: string): Endpoint[] {
    const found: Endpoint[] = [];
    for (const member of members) {
        const urls = (member.get("clientURLs") as string[] | undefined) ?? [];
        const url = url_of(urls, scheme);
        if (member.get("isLearner") !== true && url !== undefined) {
            const made = endpoint.new(url, api_prefix);
            if (made !== undefined) {
                found.push(made);
            }
        }
    }
    return found;
}

/** Back to the endpoints that the client was made with: those that etcd tells of may be out of this client's reach. */
function go_back(core: Core): void {
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
 * Asks etcd for its members and makes the first client URL of each an endpoint, learners left out.
 * @returns true; or nil and an error, and then the endpoints are what they were, or those that the client was made with
 */
function read_members(core: Core): Result<true, EtcdError> {
    const [reply, err] = call.unary(core, rpcs.member_list, {});
    if (reply === undefined) {
        if (err.http_status === undefined && err.name !== "bad_request") {
            go_back(core);
        }
        return $multi(undefined, err);
    }
    const members = (reply.body.get("members") as Message[] | undefined) ?? [];
    // users may have made endpoints of their own, which need not say it
    const first = core.endpoints[0] as Partial<Endpoint> | undefined;
    const scheme = first?.scheme ?? core.configured[0]!.scheme;
    const found = endpoints_of(members, core.api_prefix, scheme);
    if (found.length === 0) {
        return $multi(undefined, errors.local_error("bad_reply", scheme === "http" ? NO_URL : NO_SECURE_URL));
    }
    dns_endpoints.replace_endpoints(core, found);
    return $multi(true);
}

/** The same as a method. */
function sync(this: Core): Result<true, EtcdError> {
    return read_members(this);
}

function sync_in_timer(premature: boolean, core: Core): void {
    if (!premature) {
        const [ok, err] = read_members(core);
        if (ok === undefined) {
            ngx.log(ngx.WARN, "list of members: ", errors.to_text(err));
        }
    }
}

/** Reads the list in the background. */
function start_sync(this: void, core: Core): void {
    protected_call(ngx.timer.at, 0, sync_in_timer, core); // without a timer, as in some phases, a later call will
}

/** The plan of a client that reads the list every so many seconds, when it is used. */
function plan(interval: number): SyncPlan {
    return { interval, next: now() + interval, start: start_sync };
}

export { plan, sync };
