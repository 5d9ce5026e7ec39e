import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import * as clock from "../base/clock";
import * as digest from "../base/digest";
import * as single_flight from "../base/single_flight";
import type { Run } from "../base/single_flight";
import * as timer_loop from "../base/timer_loop";
import * as printable from "../base/printable";
import * as dns from "./dns";
import type { Nameserver } from "./dns";
import type { Endpoint } from "./endpoint";
import * as dns_endpoints from "./dns_endpoints";
import type { EndpointSet, ResolvedName, DnsEndpoints } from "./dns_endpoints";

const now = clock.now;
const min = math.min;

const DEFAULT_INTERVAL = 30;
/** Seconds after which a failed lookup is repeated, unless the interval is shorter. */
const RETRY_AFTER = 5;
/** Intervals after a lookup during which calls use its addresses without waiting for the next lookup. */
const FRESH_INTERVALS = 2;
/** Longest wait of a call for addresses, in seconds; also at most half of its remaining time. */
const MAX_WAIT = 2;
/** Seconds for the timer of a lookup to start: nginx drops timers when too many of them run. */
const START_TIME = 1;
/** Time limit of a lookup in seconds, after which it counts as lost. Three attempts of 1 s each are usual. */
const MAX_LOOKUP_TIME = 20;

type Lookup = Run<true>;

/** The option `resolve` of `new`. */
interface ResolveOptions {
    /** Default: the nameservers of `/etc/resolv.conf`. */
    nameservers?: Nameserver[];
    /** Seconds between lookups; default 30. */
    interval?: number;
    /** Also queries IPv6 addresses; default true. */
    ipv6?: boolean;
}

/** `nameservers` is checked by `dns.check_nameservers`. */
const OPTIONS: OptionTable = {
    subject: "opts.resolve",
    rules: [
        { name: "nameservers" },
        { name: "interval", type: "number", above: 0, expected: "number of seconds" },
        { name: "ipv6", type: "boolean" },
    ],
};

/** The lookup of one name, which has one or two queries. */
interface Question {
    readonly name: ResolvedName;
    /** Set when a query has returned addresses. */
    is_answered: boolean;
    err: Problem;
}

/** Lets the calls that wait for a lookup proceed. */
function release(plan: DnsEndpoints, lookup: Lookup): void {
    if (!lookup.is_released && plan.lookups.latest === lookup) {
        plan.fresh_until = now() + FRESH_INTERVALS * plan.interval;
    }
    single_flight.release(lookup, true);
}

function all_answered(questions: Question[]): boolean {
    for (const question of questions) {
        if (!question.is_answered) {
            return false;
        }
    }
    return true;
}

/** Sends one query of a question. An error leaves the known addresses in use. */
function query(
    set: EndpointSet,
    plan: DnsEndpoints,
    lookup: Lookup,
    questions: Question[],
    question: Question,
    qtype: number,
): void {
    const [addresses, err] = dns.query(plan.nameservers, question.name.host, qtype);
    if (addresses === undefined) {
        question.err = err;
        return;
    }
    dns_endpoints.update_addresses(set, plan, question.name, qtype, addresses);
    if (addresses.length > 0) {
        question.is_answered = true;
        if (all_answered(questions)) {
            release(plan, lookup);
        }
    }
}

/** Resolves all names concurrently. Waiting calls proceed as soon as each name has an address. */
function resolve_all(set: EndpointSet, plan: DnsEndpoints, lookup: Lookup): void {
    const questions: Question[] = [];
    for (const [, name] of plan.resolved) {
        questions.push({ name, is_answered: false, err: undefined });
    }
    const threads: ngx.thread.Thread[] = [];
    for (const question of questions) {
        threads.push(ngx.thread.spawn(query, set, plan, lookup, questions, question, dns.A));
        if (plan.ipv6) {
            threads.push(ngx.thread.spawn(query, set, plan, lookup, questions, question, dns.AAAA));
        }
    }
    for (const thread of threads) {
        ngx.thread.wait(thread);
    }
    for (const question of questions) {
        if (!question.is_answered) {
            const next = question.name.used.length > 0 ? "; keeping the last ones" : "; nginx resolves the name";
            const host = printable.key(question.name.host);
            ngx.log(ngx.WARN, "addresses of ", host, ": ", printable.of(question.err ?? "none"), next);
            plan.next = min(plan.next, now() + RETRY_AFTER);
        }
    }
}

function run_lookup(set: EndpointSet, plan: DnsEndpoints, lookup: Lookup): void {
    single_flight.extend(lookup, MAX_LOOKUP_TIME);
    if (!ngx.worker.exiting()) {
        resolve_all(set, plan, lookup);
    }
    release(plan, lookup);
    single_flight.finish(plan.lookups, lookup, true);
}

/** Starts a lookup in a timer, or returns nil where no timer can be created; a later call then starts it. */
function start_lookup(set: EndpointSet, plan: DnsEndpoints, time: number): Lookup | undefined {
    const lookup = single_flight.start(plan.lookups, START_TIME);
    const loop = timer_loop.run_once("addresses of endpoints", () => {
        run_lookup(set, plan, lookup);
    });
    if (loop === undefined) {
        single_flight.finish(plan.lookups, lookup, true);
        return undefined;
    }
    plan.next = time + plan.interval;
    return lookup;
}

/**
 * Starts a lookup in the background when one is due. The call waits only if no addresses are known, or if they are old
 * because no call was made for several intervals. After that wait it uses the addresses that are there.
 */
function before_call(set: EndpointSet, plan: DnsEndpoints, time: number, deadline: number | undefined): void {
    if (time < plan.next && time < plan.fresh_until) {
        return;
    }
    const lookup = single_flight.running(plan.lookups) ?? start_lookup(set, plan, time);
    if (lookup !== undefined && time >= plan.fresh_until) {
        const seconds = deadline !== undefined ? min(MAX_WAIT, (deadline - time) / 2) : MAX_WAIT;
        single_flight.wait_for(lookup, time + seconds);
    }
}

function nameservers_of(opts: ResolveOptions): Result<Nameserver[]> {
    if (opts.nameservers !== undefined) {
        return dns.check_nameservers(opts.nameservers);
    }
    return dns.system_nameservers();
}

/** Returns what decides to which addresses names are resolved. Nameservers of the system can change: they count as one. */
function identity_of(opts: ResolveOptions, nameservers: readonly Nameserver[]): string {
    let identity = digest.field("ipv6", tostring(opts.ipv6 !== false));
    if (opts.nameservers !== undefined) {
        for (const nameserver of nameservers) {
            const [host, port] = nameserver as [host: string, port?: number];
            identity = identity + digest.field("nameserver", `${host} ${port}`);
        }
    }
    return identity;
}

/**
 * Checks the option and creates the resolver state of a client.
 * @param wanted the option: true or a table
 */
function create(wanted: unknown, endpoints: Endpoint[]): Result<DnsEndpoints> {
    if (wanted !== true && typeof wanted !== "object") {
        return $multi(undefined, "opts.resolve must be boolean or table");
    }
    const opts = (wanted === true ? {} : wanted) as ResolveOptions;
    const problem = checks.check_options(opts, OPTIONS);
    if (problem !== undefined) {
        return $multi(undefined, problem);
    }
    if (!dns.is_installed()) {
        return $multi(undefined, "opts.resolve: lua-resty-dns is not installed");
    }
    const [nameservers, err] = nameservers_of(opts);
    if (nameservers === undefined) {
        return $multi(undefined, err);
    }
    const plan: DnsEndpoints = {
        nameservers,
        identity: identity_of(opts, nameservers),
        interval: opts.interval ?? DEFAULT_INTERVAL,
        ipv6: opts.ipv6 !== false,
        configured: endpoints,
        resolved: new LuaMap(),
        next: 0,
        fresh_until: 0,
        lookups: single_flight.new(),
    };
    dns_endpoints.set_configured(plan, endpoints);
    return $multi(plan);
}

export { before_call, create as new, type ResolveOptions };
