import type { Endpoint } from "../endpoint/endpoint";
import * as endpoints from "../endpoint/endpoint";
import type { Message } from "../protocol/message";
import * as urls from "../endpoint/url";

/*
 * Which client URLs of a list of members a client can use. The list is data of a server: it must not lead requests, with
 * their credentials, to an address that is less protected than the endpoints that the program gave. A unix socket of a
 * list is used only if the program gave it: it would be a socket of this machine that a server chooses.
 */

const min = math.min;

type Scheme = "http" | "https";

/** Maximum members of a list: clusters of etcd have 3 to 7, and each unknown address is asked by a separate connection. */
const MAX_MEMBERS = 64;
/** Maximum client URLs of a member that are looked at. */
const MAX_URLS = 16;

/** A member that serves clients. */
interface Member {
    readonly id: string;
    readonly endpoint: Endpoint;
}

/** What a list of members offers to a client. */
interface Offer {
    readonly members: Member[];
    /** Client URLs of the other members: none of them is protected well enough. */
    readonly weaker: string[];
}

/**
 * Returns the schemes of network addresses that a client can adopt, the preferred one first: only https if the program
 * gave an endpoint with TLS, and none if it gave unix sockets only.
 */
function schemes_for(given: readonly Endpoint[]): readonly Scheme[] {
    let has_plain = false;
    for (const one of given) {
        const target = typeof one.full_prefix === "string" ? urls.parse(one.full_prefix) : undefined;
        if (target?.port !== undefined) {
            if (target.scheme === "https") {
                return ["https"];
            }
            has_plain = true;
        }
    }
    return has_plain ? ["http", "https"] : [];
}

function has_host(given: readonly Endpoint[], http_host: string): boolean {
    for (const one of given) {
        if (one.http_host === http_host) {
            return true;
        }
    }
    return false;
}

/** Returns the endpoint for a member: its first URL with the preferred scheme, or else an endpoint that the program gave. */
function choose(
    candidates: readonly Endpoint[],
    schemes: readonly Scheme[],
    given: readonly Endpoint[],
): Endpoint | undefined {
    for (const scheme of schemes) {
        for (const one of candidates) {
            if (one.scheme === scheme && one.port !== undefined) {
                return one;
            }
        }
    }
    for (const one of candidates) {
        if (has_host(given, one.http_host)) {
            return one;
        }
    }
    return undefined;
}

function parse_all(texts: readonly string[], api_prefix: string): Endpoint[] {
    const parsed: Endpoint[] = [];
    for (const i of $range(1, min(texts.length, MAX_URLS))) {
        const one = endpoints.new(texts[i - 1]!, api_prefix);
        if (one !== undefined) {
            parsed.push(one);
        }
    }
    return parsed;
}

/**
 * Returns what a list of members offers. Learners, and members that have not started, are left out.
 * @param schemes of `schemes_for`
 * @param given the endpoints that the program gave
 */
function offer_of(
    list: readonly Message[],
    api_prefix: string,
    schemes: readonly Scheme[],
    given: readonly Endpoint[],
): Offer {
    const members: Member[] = [];
    const weaker: string[] = [];
    for (const member of list) {
        if (member.get("isLearner") !== true) {
            const candidates = parse_all((member.get("clientURLs") as string[] | undefined) ?? [], api_prefix);
            const chosen = choose(candidates, schemes, given);
            if (chosen !== undefined) {
                members.push({ id: tostring(member.get("ID")), endpoint: chosen });
            } else {
                for (const one of candidates) {
                    weaker.push(one.http_host);
                }
            }
        }
    }
    return { members, weaker };
}

export { MAX_MEMBERS, has_host, offer_of, schemes_for, type Member, type Scheme };
