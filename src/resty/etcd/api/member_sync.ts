import type { Message } from "../protocol/message";
import * as cluster from "../call/cluster";
import * as clock from "../base/clock";
import type { Core, SyncPlan } from "../call/client_state";
import * as member_probe from "./member_probe";
import * as member_urls from "./member_urls";
import type { Member, Scheme } from "./member_urls";
import type { CallOptions } from "../call/call";
import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as masked_url from "../endpoint/masked_url";
import * as timer_loop from "../base/timer_loop";
import * as printable from "../base/printable";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

const now = clock.now;

/** Seconds for which a list of endpoints is not used again after all of them have failed. */
const FAILED_FOR = 60;

/** Least seconds between two reads of the list, whatever the option says. */
const MIN_INTERVAL = 0.2;

/** Why no member of a list can be used, by the schemes that the client adopts. */
const TOO_MANY_MEMBERS = "malformed reply: list of more than 64 members";
const NO_URL = "no member of the list has a client URL";
const NO_SECURE_URL = "no member of the list has a client URL with https";
const NO_SOCKET = "no member of the list has a unix socket of the client as client URL";

/** Returns the endpoints of a client, with names that the driver has not resolved. */
function current_endpoints(core: Core): readonly Endpoint[] {
    return core.dns !== undefined ? core.dns.configured : core.endpoints;
}

/** Returns the hosts of endpoints as text, without user info. Programs can have replaced the endpoints by other tables. */
function hosts_of(endpoints: readonly Endpoint[]): string {
    const hosts: string[] = [];
    for (const one of endpoints) {
        hosts.push(masked_url.mask(one.http_host));
    }
    table.sort(hosts);
    return table.concat(hosts, " ");
}

/** Restores the configured endpoints after all others have failed. Returns false if they are in use already. */
function restore_configured(core: Core, err: EtcdError): boolean {
    const given = core.configured;
    const current = current_endpoints(core);
    if (current === given || hosts_of(current) === hosts_of(given)) {
        return false;
    }
    core.failed_members = { hosts: hosts_of(current), until: now() + FAILED_FOR };
    const copy: Endpoint[] = [];
    for (const one of given) {
        copy.push(one);
    }
    dns_endpoints.replace_endpoints(core, copy);
    ngx.log(
        ngx.WARN,
        "endpoints: ",
        printable.of(hosts_of(given)),
        ", as configured, because no member responds: ",
        errors.to_text(err),
    );
    return true;
}

/** Returns the configured endpoints that are not among others. */
function unlisted(core: Core, chosen: readonly Endpoint[]): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const one of core.configured) {
        if (!member_urls.has_host(chosen, one.http_host)) {
            endpoints.push(one);
        }
    }
    return endpoints;
}

/** Reports whether several members advertise an address: that of a load balancer, or etcd's default, localhost. */
function is_shared(members: readonly Member[], http_host: string): boolean {
    let count = 0;
    for (const { endpoint: one } of members) {
        count = count + (one.http_host === http_host ? 1 : 0);
    }
    return count > 1;
}

/**
 * Returns the endpoints for a list of members. Those in use or configured stay; others must answer first, because members
 * advertise addresses that are reachable only from where they run. A configured endpoint stays instead of the address of
 * its member that does not answer, or that several members advertise.
 * @returns the endpoints, and why addresses are left out
 */
function choose_endpoints(
    core: Core,
    members: readonly Member[],
    cluster_id: string | undefined,
): LuaMultiReturn<[chosen: Endpoint[], left_out: string[]]> {
    const left_out: string[] = [];
    const current = current_endpoints(core);
    const unknown: Endpoint[] = [];
    for (const { endpoint: one } of members) {
        const host = one.http_host;
        if (
            !member_urls.has_host(current, host) &&
            !member_urls.has_host(core.configured, host) &&
            !member_urls.has_host(unknown, host)
        ) {
            unknown.push(one);
        }
    }
    const silent = new LuaSet<string>();
    for (const probe of member_probe.ask_all(core, unknown, cluster_id)) {
        if (probe.member_id === undefined) {
            silent.add(probe.endpoint.http_host);
            left_out.push(probe.err ?? probe.endpoint.http_host);
        }
    }
    const chosen: Endpoint[] = [];
    const missing = new LuaSet<string>();
    let has_missing = false;
    for (const { id, endpoint: one } of members) {
        const host = one.http_host;
        const is_silent = silent.has(host);
        if (is_silent || is_shared(members, host)) {
            missing.add(id);
            has_missing = true;
        }
        if (!is_silent && !member_urls.has_host(chosen, host)) {
            chosen.push(one);
        }
    }
    if (has_missing) {
        for (const probe of member_probe.ask_all(core, unlisted(core, chosen), cluster_id)) {
            if (probe.member_id !== undefined && missing.has(probe.member_id)) {
                chosen.push(probe.endpoint);
            }
        }
    }
    return $multi(chosen, left_out);
}

/** Logs which addresses are not used, if that has changed. */
function log_left_out(core: Core, silent: string[], weaker: string[]): void {
    table.sort(silent);
    table.sort(weaker);
    const silent_text = table.concat(silent, "; ");
    const weaker_text = table.concat(weaker, " ");
    const all = `${silent_text}|${weaker_text}`;
    if (all === core.left_out_members) {
        return;
    }
    core.left_out_members = all;
    if (silent_text !== "") {
        ngx.log(ngx.WARN, "list of members: addresses that do not answer are not used: ", printable.of(silent_text));
    }
    if (weaker_text !== "") {
        ngx.log(
            ngx.WARN,
            "list of members: addresses that are less protected than the client's endpoints, or unix sockets, are not used: ",
            printable.of(weaker_text),
        );
    }
}

/** Returns the error of a list without an address that the client can use. */
function no_address(schemes: readonly Scheme[], weaker: string[]): EtcdError {
    let text = NO_URL;
    if (schemes.length === 0) {
        text = NO_SOCKET;
    } else if (schemes[0] === "https") {
        text = NO_SECURE_URL;
    }
    const err = errors.local_error("bad_reply", text);
    if (weaker.length > 0) {
        err.hint = printable.of(
            `less protected than the client's endpoints, or unix sockets: ${table.concat(weaker, " ")}`,
        );
    }
    return err;
}

/** Replaces the endpoints by those of a list of members. */
function adopt(core: Core, reply: Reply, asked: string | undefined): Result<true, EtcdError> {
    const list = (reply.body.get("members") as Message[] | undefined) ?? [];
    if (list.length > member_urls.MAX_MEMBERS) {
        return $multi(undefined, errors.local_error("bad_reply", TOO_MANY_MEMBERS));
    }
    const given = dns_endpoints.given(core);
    const schemes = member_urls.schemes_for(given);
    const { members, weaker } = member_urls.offer_of(list, core.api_prefix, schemes, given);
    if (members.length === 0) {
        log_left_out(core, [], weaker);
        return $multi(undefined, no_address(schemes, weaker));
    }
    const [chosen, left_out] = choose_endpoints(core, members, cluster.id_of(reply.body));
    log_left_out(core, left_out, weaker);
    if (chosen.length === 0) {
        const err = errors.local_error("connect_failed", "no client URL of a member answers");
        err.retryable = true;
        err.hint = printable.of(table.concat(left_out, "; "));
        return $multi(undefined, err);
    }
    const hosts = hosts_of(chosen);
    const failed = core.failed_members;
    if (failed?.hosts === hosts && now() < failed.until) {
        return $multi(true); // they answer, but calls to them have failed
    }
    if (hosts !== hosts_of(current_endpoints(core))) {
        const list_of = masked_url.mask(asked);
        ngx.log(ngx.NOTICE, "endpoints: ", printable.of(hosts), ", from the list of members of ", list_of);
    }
    dns_endpoints.replace_endpoints(core, chosen);
    return $multi(true);
}

/** Reports whether a call has failed without a response, at every endpoint that it could use. */
function has_no_response(err: EtcdError): boolean {
    return err.http_status === undefined && err.name !== "bad_request" && err.name !== "not_in_phase";
}

/**
 * Reads the member list and replaces the endpoints by the first client URL of each member that is no learner, as far as
 * it answers. If no endpoint responds, the configured ones are asked.
 * @returns true; or nil and an error. The endpoints are then unchanged, or the configured ones
 */
function read_members(core: Core): Result<true, EtcdError> {
    const options: CallOptions = {};
    let [reply, err] = cluster.read(core, rpcs.member_list, {}, options);
    if (reply === undefined && has_no_response(err!) && restore_configured(core, err!)) {
        [reply, err] = cluster.read(core, rpcs.member_list, {}, options);
    }
    if (reply === undefined) {
        return $multi(undefined, err!);
    }
    return adopt(core, reply, options.answered_by);
}

/** Replaces the endpoints by the current members of the cluster. */
function sync(this: Core): MethodResult<true> {
    const [ok, err] = read_members(this);
    if (ok === undefined) {
        return errors.to_result(err);
    }
    return $multi(ok);
}

function sync_and_log(core: Core): void {
    const [ok, err] = read_members(core);
    if (ok === undefined) {
        ngx.log(ngx.WARN, "list of members: ", errors.to_text(err));
    }
}

/** Reads the member list in a timer. */
function start_sync(this: void, core: Core): void {
    // without a timer, as in some phases, a later call tries again
    timer_loop.run_once("list of members", () => {
        sync_and_log(core);
    });
}

/** Reports whether a client has a watch, a mirror or a reader. */
function has_open_streams(core: Core, sync_plan: SyncPlan): boolean {
    const [reader] = next(sync_plan.readers);
    return reader !== undefined || (core.shared_watches !== undefined && core.shared_watches.length > 0);
}

/** A client that garbage collection can remove. */
interface WeakReference {
    readonly core: Core | undefined;
}

function weak_reference(core: Core): WeakReference {
    return setmetatable({ core }, { __mode: "v" });
}

/**
 * Reads the member list at each interval while a client has streams: these make no calls. The loop ends with the last
 * stream, and keeps no client alive.
 */
function start_loop(this: void, core: Core): void {
    const sync_plan = core.sync_plan!;
    const reference = weak_reference(core);
    sync_plan.loop ??= timer_loop.new(
        "list of members",
        () => {
            const client = reference.core;
            if (client === undefined || ngx.worker.exiting() || !has_open_streams(client, sync_plan)) {
                return undefined;
            }
            const time = now();
            if (time >= sync_plan.next) {
                sync_plan.next = time + sync_plan.interval;
                sync_and_log(client);
            }
            return math.max(0, sync_plan.next - now());
        },
        {},
    );
    timer_loop.start(sync_plan.loop, math.max(0, sync_plan.next - now()));
}

/** Ends the loop of a client that is closed. */
function stop(core: Core): void {
    const loop = core.sync_plan?.loop;
    if (loop !== undefined) {
        timer_loop.stop(loop);
    }
}

/** Returns the plan of a client that reads the member list when it makes a call or has streams, and the interval has passed. */
function plan(wanted: number): SyncPlan {
    const interval = math.max(MIN_INTERVAL, wanted);
    return {
        interval,
        next: now() + interval,
        start: start_sync,
        start_loop,
        loop: undefined,
        readers: setmetatable(new LuaMap<object, true>(), { __mode: "k" }),
    };
}

export { plan, stop, sync };
