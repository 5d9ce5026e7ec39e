import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as dns from "./dns";
import type { Nameserver } from "./dns";
import type { Endpoint } from "./endpoint";
import * as dns_endpoints from "./dns_endpoints";
import type { EndpointSet, PendingLookup, ResolvedName, DnsEndpoints } from "./dns_endpoints";

const now = clock.now;
const min = math.min;

const DEFAULT_INTERVAL = 30;
/** A name that could not be resolved is asked for again after so many seconds, or after the interval if that is shorter. */
const RETRY_AFTER = 5;
/** What is known is used without a wait for so many intervals after it was asked for. */
const FRESH_INTERVALS = 2;
/** A call waits for addresses half of its time, and so many seconds at most. */
const MAX_WAIT = 2;
/** How long the timer of a round may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;
/** No round takes longer: one that has not ended by then is lost. */
const ROUND_TIME = 20;

/** The option `resolve` of `new`. */
interface ResolveOptions {
    /** Default: those of `/etc/resolv.conf`. */
    nameservers?: Nameserver[];
    /** Seconds after which names are resolved anew; default 30. */
    interval?: number;
    /** Asks for IPv6 addresses too; default true. */
    ipv6?: boolean;
}

/** One name in a round. */
interface Question {
    readonly known: ResolvedName;
    /** There are addresses. */
    answered: boolean;
    err: Problem;
}

/** Lets all go on who wait. */
function wake(plan: DnsEndpoints, flight: PendingLookup): void {
    if (!flight.is_over) {
        flight.is_over = true;
        if (plan.pending_lookup === flight) {
            plan.fresh_until = now() + FRESH_INTERVALS * plan.interval;
        }
        if (flight.waiting > 0) {
            flight.waiters.post(flight.waiting);
        }
    }
}

/** Asks for one kind of addresses of one name. Trouble leaves what is known. */
function ask(set: EndpointSet, plan: DnsEndpoints, flight: PendingLookup, question: Question, qtype: number): void {
    const [found, err] = dns.ask(plan.nameservers, question.known.host, qtype);
    if (found === undefined) {
        question.err = err;
        return;
    }
    dns_endpoints.update_addresses(set, plan, question.known, qtype, found);
    if (found.length > 0 && !question.answered) {
        question.answered = true;
        flight.missing = flight.missing - 1;
        if (flight.missing === 0) {
            wake(plan, flight);
        }
    }
}

/** Asks for all names at once. Calls go on as soon as each has an address. */
function resolve_all(set: EndpointSet, plan: DnsEndpoints, flight: PendingLookup): void {
    const questions: Question[] = [];
    for (const [, known] of plan.resolved) {
        questions.push({ known, answered: false, err: undefined });
    }
    flight.missing = questions.length;
    const threads: ngx.thread.Thread[] = [];
    for (const question of questions) {
        threads.push(ngx.thread.spawn(ask, set, plan, flight, question, dns.A));
        if (plan.ipv6) {
            threads.push(ngx.thread.spawn(ask, set, plan, flight, question, dns.AAAA));
        }
    }
    for (const thread of threads) {
        ngx.thread.wait(thread);
    }
    for (const question of questions) {
        if (!question.answered) {
            ngx.log(ngx.WARN, "addresses of ", question.known.host, ": ", question.err ?? "none");
            plan.next = min(plan.next, now() + RETRY_AFTER);
        }
    }
}

function run_lookup(premature: boolean, set: EndpointSet, plan: DnsEndpoints, flight: PendingLookup): void {
    flight.ends_by = now() + ROUND_TIME;
    if (!premature) {
        resolve_all(set, plan, flight);
    }
    wake(plan, flight);
    if (plan.pending_lookup === flight) {
        plan.pending_lookup = undefined;
    }
}

/** Starts a round in a timer of its own; nil where there is none to be had: a later call will. */
function start_lookup(set: EndpointSet, plan: DnsEndpoints, time: number): PendingLookup | undefined {
    const [waiters] = semaphore.new(0);
    if (waiters === undefined) {
        return undefined;
    }
    const flight: PendingLookup = { waiters, waiting: 0, missing: 0, is_over: false, ends_by: time + START_TIME };
    const [may_start, started] = protected_call(ngx.timer.at, 0, run_lookup, set, plan, flight); // throws in init
    if (!may_start || started === undefined) {
        return undefined;
    }
    plan.pending_lookup = flight;
    plan.next = time + plan.interval;
    return flight;
}

/**
 * Has names resolved anew in the background when it is time to. A call waits only where nothing is known, or where
 * it is old because nobody has made a call for long; if that takes too long, it goes on with what there is.
 */
function before_call(set: EndpointSet, plan: DnsEndpoints, time: number, deadline: number | undefined): void {
    if (time < plan.next && time < plan.fresh_until) {
        return;
    }
    let flight = plan.pending_lookup;
    if (flight === undefined || time >= flight.ends_by) {
        flight = start_lookup(set, plan, time);
    }
    if (flight !== undefined && !flight.is_over && time >= plan.fresh_until) {
        const seconds = deadline !== undefined ? min(MAX_WAIT, (deadline - time) / 2) : MAX_WAIT;
        flight.waiting = flight.waiting + 1;
        protected_call(flight.waiters.wait, flight.waiters, seconds); // throws in a phase that cannot wait
    }
}

function nameservers_of(opts: ResolveOptions): Result<Nameserver[]> {
    if (opts.nameservers !== undefined) {
        return dns.check_nameservers(opts.nameservers);
    }
    return dns.system_nameservers();
}

/**
 * Checks the option and makes the plan of a client.
 * @param wanted true or a table
 */
function create(wanted: unknown, endpoints: Endpoint[]): Result<DnsEndpoints> {
    if (wanted !== true && typeof wanted !== "object") {
        return $multi(undefined, "opts.resolve must be boolean or table");
    }
    const opts = (wanted === true ? {} : wanted) as ResolveOptions;
    const interval: unknown = opts.interval ?? DEFAULT_INTERVAL;
    if (typeof interval !== "number" || interval <= 0 || interval !== interval) {
        return $multi(undefined, "opts.resolve.interval must be number of seconds");
    }
    const ipv6: unknown = opts.ipv6 ?? true;
    if (typeof ipv6 !== "boolean") {
        return $multi(undefined, "opts.resolve.ipv6 must be boolean");
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
        interval,
        ipv6,
        configured: endpoints,
        resolved: new LuaMap(),
        next: 0,
        fresh_until: 0,
        pending_lookup: undefined,
    };
    dns_endpoints.set_configured(plan, endpoints);
    return $multi(plan);
}

export { before_call, create as new, type ResolveOptions };
