import * as masked_url from "../endpoint/masked_url";
import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import type { Mutable } from "../base/mutable";
import * as phases from "../base/phase";
import * as single_flight from "../base/single_flight";
import * as waits from "../base/wait";
import * as printable from "../base/printable";
import * as balancer from "../endpoint/balancer";
import type { Endpoint } from "../endpoint/endpoint";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Message } from "../protocol/message";
import type { Rpc } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";
import type { CallOptions, Outcome } from "./call";
import * as call from "./call";
import type { Core, FollowedCluster } from "./client_state";
import * as monotonic from "./monotonic";

type Thread = ngx.thread.Thread;

const now = clock.now;

/** Seconds within which endpoints answer of which cluster they are. */
const POLL_TIME = 1;
/** Seconds between two polls of all endpoints: a client whose endpoints disagree must not ask them all the time. */
const MIN_POLL_INTERVAL = 1;
/**
 * Seconds for which no endpoint must have been of the followed cluster, before a cluster of fewer than half of the
 * endpoints replaces it. An outage of all members of the followed cluster, with a stray one that answers, is shorter.
 */
const MINORITY_TIME = 300;
/** Seconds between two log lines about the same endpoint or cluster. */
const LOG_INTERVAL = 10;

/** What the endpoints have answered so far. */
interface Answers {
    /** ID of the cluster by host. */
    readonly ids: LuaMap<string, string>;
    /** Number of endpoints by ID of their cluster. */
    readonly votes: LuaMap<string, number>;
    /** Endpoints that have not answered yet. */
    pending: number;
    /** Posted to with each answer. */
    readonly answered: Semaphore;
}

type State = Mutable<FollowedCluster>;

/** Returns the ID of the cluster that a reply is of; nil if a proxy has answered without one. */
function id_of(body: Message): string | undefined {
    return (body.get("header") as Message | undefined)?.get("cluster_id") as string | undefined;
}

function note_answer(answers: Answers, http_host: string, id: string): void {
    answers.ids.set(http_host, id);
    answers.votes.set(id, (answers.votes.get(id) ?? 0) + 1);
}

function ask(core: Core, endpoint: Endpoint, answers: Answers): void {
    const [reply] = call.unary(core, rpcs.status, {}, { timeout: POLL_TIME, quiet: true, at: endpoint });
    const id = reply !== undefined ? id_of(reply.body) : undefined;
    if (id !== undefined) {
        note_answer(answers, endpoint.http_host, id);
    }
    answers.pending = answers.pending - 1;
    answers.answered.post(1);
}

/** Returns the cluster with the most endpoints; the preferred one if others have no more. */
function largest(votes: Answers["votes"], preferred: string): string {
    let best = preferred;
    for (const [id, count] of votes) {
        const most = votes.get(best) ?? 0;
        if (count > most || (count === most && best !== preferred && id < best)) {
            best = id;
        }
    }
    return best;
}

/** Reports whether more than half of the client's endpoints are of a cluster. */
function is_majority(core: Core, votes: Answers["votes"], id: string): boolean {
    return (votes.get(id) ?? 0) * 2 > core.endpoints.length;
}

/**
 * Asks all endpoints of which cluster they are, until more than half of them agree. Members answer that without quorum
 * and without a token.
 * @param seen_id what `seen_host` has answered already
 */
function ask_all(core: Core, seen_id: string, seen_host: string): Answers | undefined {
    const [answered] = semaphore.new(0);
    if (answered === undefined) {
        return undefined;
    }
    const answers: Answers = { ids: new LuaMap(), votes: new LuaMap(), pending: 0, answered };
    note_answer(answers, seen_host, seen_id);
    const threads: Thread[] = [];
    for (const endpoint of core.endpoints) {
        const host = endpoint.http_host as unknown; // programs can have written anything to it
        if (typeof host === "string" && host !== seen_host) {
            answers.pending = answers.pending + 1;
            threads.push(ngx.thread.spawn(ask, core, endpoint, answers));
        }
    }
    const deadline = now() + POLL_TIME;
    let left = POLL_TIME;
    while (answers.pending > 0 && left > 0 && !is_majority(core, answers.votes, largest(answers.votes, seen_id))) {
        waits.wait(answered, left);
        left = deadline - now();
    }
    for (const thread of threads) {
        ngx.thread.kill(thread);
    }
    return answers;
}

/** Reports whether a line about something is due, and counts it as logged. */
function is_log_due(followed: FollowedCluster, subject: string): boolean {
    const time = now();
    if (time < (followed.next_log_at.get(subject) ?? 0)) {
        return false;
    }
    followed.next_log_at.set(subject, time + LOG_INTERVAL);
    return true;
}

function host_of(answers: Answers, id: string): string | undefined {
    for (const [host, other] of answers.ids) {
        if (other === id) {
            return host;
        }
    }
    return undefined;
}

/**
 * Decides which cluster to follow: that of more than half of the endpoints; else the one followed so far, if an endpoint
 * is of it; else, at first, the one that most endpoints are of. A smaller one replaces the one followed so far only
 * after that was gone for a long time: its members can be unreachable for a while, next to a stray one.
 * @returns its ID; nil if that is undecided
 */
function choose(core: Core, answers: Answers, seen_id: string): string | undefined {
    const followed: State = core.cluster;
    const before = followed.id;
    const votes = answers.votes;
    const best = largest(votes, before ?? seen_id);
    if (before === undefined || is_majority(core, votes, best)) {
        return best;
    }
    if ((votes.get(before) ?? 0) > 0) {
        return before;
    }
    const time = now();
    followed.missing_since ??= time;
    return time - followed.missing_since >= MINORITY_TIME ? largest(votes, seen_id) : undefined;
}

/** Follows a cluster from now on. */
function follow(core: Core, id: string, http_host: string): void {
    const followed: State = core.cluster;
    const floor = core.revision_floor;
    if (followed.id !== undefined && followed.id !== id) {
        if (is_log_due(followed, "")) {
            ngx.log(
                ngx.WARN,
                "cluster ",
                printable.key(followed.id),
                ": replaced by cluster ",
                printable.key(id),
                " of ",
                masked_url.mask(http_host),
            );
        }
        if (floor !== undefined) {
            monotonic.reset(floor);
        }
    }
    followed.id = id;
    followed.member = http_host;
    followed.missing_since = undefined;
}

/** Takes the endpoints of other clusters out of use for a while. */
function report_strays(core: Core, answers: Answers): void {
    const followed = core.cluster;
    for (const [host, id] of answers.ids) {
        if (id !== followed.id) {
            balancer.report_other_cluster(core, host);
            if (is_log_due(followed, host)) {
                const err = errors.other_cluster(id, masked_url.mask(host), followed);
                ngx.log(ngx.WARN, "endpoint ", errors.to_text(err), "; not used for the time being");
            }
        }
    }
}

/** Asks all endpoints of which cluster they are, and decides which cluster to follow. */
function poll(core: Core, seen_id: string, seen_host: string): void {
    const followed: State = core.cluster;
    const run = single_flight.start(followed.polls, POLL_TIME * 2);
    const answers = ask_all(core, seen_id, seen_host);
    if (answers !== undefined) {
        const chosen = choose(core, answers, seen_id);
        if (chosen !== undefined) {
            follow(core, chosen, host_of(answers, chosen)!);
            report_strays(core, answers);
        } else if (is_log_due(followed, followed.id!)) {
            const other = printable.of(`${masked_url.mask(seen_host)} is of cluster ${seen_id}`);
            const id = printable.key(followed.id);
            ngx.log(ngx.WARN, "cluster ", id, ": no endpoint is of it, but ", other, "; asking again");
        }
        followed.next_poll_at = now() + MIN_POLL_INTERVAL;
    }
    single_flight.finish(followed.polls, run, true);
}

/** Reports whether a reply is of the cluster that the client follows. In doubt all endpoints are asked. */
function accepts(core: Core, id: string, http_host: string): boolean {
    const followed: State = core.cluster;
    if (followed.id === id) {
        followed.member = http_host;
        followed.missing_since = undefined;
        return true;
    }
    if (core.endpoints.length < 2) {
        follow(core, id, http_host); // there is no other endpoint that could contradict
        return true;
    }
    if (!phases.can_wait()) {
        return followed.id === undefined;
    }
    const running = single_flight.running(followed.polls);
    if (running !== undefined) {
        single_flight.wait_for(running, undefined);
    } else if (followed.id === undefined || now() >= followed.next_poll_at) {
        poll(core, id, http_host);
    }
    return core.cluster.id === undefined || core.cluster.id === id;
}

/** Reports whether a reply is of the cluster that the client follows. One that does not say so counts as such. */
function accepts_reply(core: Core, reply: Reply, options: CallOptions): boolean {
    const id = id_of(reply.body);
    return id === undefined || accepts(core, id, options.answered_by!);
}

/** Returns the error for a reply that `accepts_reply` does not accept. */
function error_of(core: Core, reply: Reply, options: CallOptions): EtcdError {
    return errors.other_cluster(id_of(reply.body)!, options.answered_by!, core.cluster);
}

/**
 * Performs a read at the cluster that the client follows: the reply of another one is dropped, and a member of the
 * followed one is asked.
 * @param options `prefer` can be changed; `answered_by` is the endpoint of the reply
 */
function read(core: Core, rpc: Rpc, request: object, options: CallOptions): Outcome<Reply> {
    let left = core.endpoints.length;
    while (true) {
        const [reply, err, error_reply] = call.unary(core, rpc, request, options);
        if (reply === undefined) {
            return $multi(undefined, err, error_reply);
        }
        if (accepts_reply(core, reply, options)) {
            return $multi(reply);
        }
        left = left - 1;
        if (left < 1) {
            return $multi(undefined, error_of(core, reply, options));
        }
        options.prefer = core.cluster.member;
    }
}

/**
 * Reports whether an endpoint is of another cluster than the one that the client follows. It is asked for that: error
 * responses do not say it.
 */
function is_stray(core: Core, http_host: string | undefined): boolean {
    for (const endpoint of core.endpoints) {
        if (endpoint.http_host === http_host && core.endpoints.length > 1) {
            const options: CallOptions = { timeout: POLL_TIME, quiet: true, at: endpoint };
            const [reply] = call.unary(core, rpcs.status, {}, options);
            return reply !== undefined && !accepts_reply(core, reply, options);
        }
    }
    return false;
}

function create(): FollowedCluster {
    return {
        id: undefined,
        member: undefined,
        missing_since: undefined,
        next_poll_at: 0,
        polls: single_flight.new(),
        next_log_at: new LuaMap(),
    };
}

export { accepts, accepts_reply, create as new, error_of, id_of, is_stray, read };
