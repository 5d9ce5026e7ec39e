import * as phase from "../base/phase";
import * as call from "../call/call";
import type { Core } from "../call/client_state";
import * as cluster from "../call/cluster";
import * as dns from "../endpoint/dns";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import type { Endpoint } from "../endpoint/endpoint";
import * as endpoints from "../endpoint/endpoint";
import * as errors from "../protocol/errors";
import type { Message } from "../protocol/message";
import * as rpcs from "../protocol/rpc";

type Thread = ngx.thread.Thread;

/** Seconds within which an address must answer. */
const ANSWER_TIME = 2;

/** What an address has answered. */
interface Probe {
    readonly endpoint: Endpoint;
    /** ID of the member that has answered; nil if none has. */
    member_id: string | undefined;
    /** Why the address cannot be used. */
    err: Problem;
}

/** Returns the endpoint to connect to. If the driver resolves names, nginx possibly cannot. */
function resolved(core: Core, candidate: Endpoint): Result<Endpoint> {
    const names = core.dns;
    const name = names !== undefined ? dns_endpoints.name_of(candidate) : undefined;
    if (names === undefined || name === undefined) {
        return $multi(candidate);
    }
    let problem: Problem;
    for (const qtype of names.ipv6 ? [dns.A, dns.AAAA] : [dns.A]) {
        const [addresses, err] = dns.query(names.nameservers, name, qtype);
        problem = err;
        if (addresses !== undefined && addresses.length > 0) {
            return $multi(endpoints.at_address(candidate, addresses[0]!, core.api_prefix));
        }
    }
    return $multi(undefined, `${candidate.http_host}: ${problem ?? "no address"}`);
}

/** Asks an address which member it belongs to. The health check is not concerned. */
function ask(core: Core, probe: Probe, cluster_id: string | undefined): void {
    const [at, problem] = resolved(core, probe.endpoint);
    if (at === undefined) {
        probe.err = problem;
        return;
    }
    const [reply, err] = call.unary(core, rpcs.status, {}, { timeout: ANSWER_TIME, quiet: true, at });
    if (reply === undefined) {
        probe.err = errors.to_text(err);
        return;
    }
    const id = cluster.id_of(reply.body);
    if (cluster_id !== undefined && id !== undefined && id !== cluster_id) {
        probe.err = `${at.http_host}: of cluster ${id}, not of ${cluster_id}`;
        return;
    }
    const header = reply.body.get("header") as Message | undefined;
    probe.member_id = (header?.get("member_id") as string | undefined) ?? "";
}

/**
 * Asks addresses which member each belongs to, concurrently where that is possible.
 * @param cluster_id of the members; nil if it is not known
 */
function ask_all(core: Core, candidates: readonly Endpoint[], cluster_id: string | undefined): Probe[] {
    const probes: Probe[] = [];
    const threads: Thread[] = [];
    for (const candidate of candidates) {
        const probe: Probe = { endpoint: candidate, member_id: undefined, err: undefined };
        probes.push(probe);
        if (phase.can_wait()) {
            threads.push(ngx.thread.spawn(ask, core, probe, cluster_id));
        } else {
            ask(core, probe, cluster_id);
        }
    }
    for (const thread of threads) {
        ngx.thread.wait(thread);
    }
    return probes;
}

export { ask_all, type Probe };
