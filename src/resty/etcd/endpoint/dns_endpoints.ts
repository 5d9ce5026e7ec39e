import * as dns from "./dns";
import type { Nameserver } from "./dns";
import * as endpoint from "./endpoint";
import type { Endpoint } from "./endpoint";
import * as log from "../base/log";
import type { Ring } from "./balancer";
import type { SingleFlight } from "../base/single_flight";

const concat = table.concat;
const match = string.match;

/** What is known of a name. */
interface ResolvedName {
    readonly host: string;
    v4: string[];
    v6: string[];
    /** The last addresses that were any. */
    used: string[];
}

/** A client's endpoints by name, and the addresses that take their place. */
interface DnsEndpoints {
    readonly nameservers: Nameserver[];
    /** Seconds. */
    readonly interval: number;
    readonly ipv6: boolean;
    /** As they were configured, or as etcd told of them. */
    configured: Endpoint[];
    /** By name. */
    resolved: LuaMap<string, ResolvedName>;
    /** When the next round is due. */
    next: number;
    /** Until then calls do not wait. */
    fresh_until: number;
    /** Lookups of all names; a run is released when each name has an address or an error. */
    readonly lookups: SingleFlight<true>;
}

/** A client's endpoints, and what makes others take their place. */
interface EndpointSet extends Ring {
    /** More than one endpoint. */
    is_cluster: boolean;
    /** `/v3`, for endpoints that etcd tells of. */
    readonly api_prefix: string;
    /** Nil unless names are resolved by the driver. */
    readonly dns: DnsEndpoints | undefined;
}

/** The host of an endpoint if it is a name; nil for addresses and sockets. */
function name_of(one: Endpoint): string | undefined {
    const [v6] = match(one.host, "^%[");
    const [v4] = match(one.host, "^%d+%.%d+%.%d+%.%d+$");
    if (one.port === undefined || v6 !== undefined || v4 !== undefined) {
        return undefined;
    }
    return one.host;
}

/** Takes over endpoints as they are configured, with what is known of their names. */
function set_configured(names: DnsEndpoints, configured: Endpoint[]): void {
    const known = new LuaMap<string, ResolvedName>();
    let has_names = false;
    let has_new = false;
    for (const one of configured) {
        const name = name_of(one);
        if (name !== undefined) {
            const old = names.resolved.get(name);
            known.set(name, old ?? { host: name, v4: [], v6: [], used: [] });
            has_names = true;
            has_new = has_new || old === undefined;
        }
    }
    names.configured = configured;
    names.resolved = known;
    if (!has_names) {
        names.next = math.huge;
        names.fresh_until = math.huge;
    } else if (has_new) {
        names.next = 0;
        names.fresh_until = 0;
        names.lookups.latest = undefined; // its questions lack the new names
    }
}

/** An endpoint for each address of each name; a name without addresses stays what it is. */
function expand(names: DnsEndpoints, api_prefix: string): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const one of names.configured) {
        const known = names.resolved.get(one.host);
        if (known === undefined || known.used.length === 0) {
            endpoints.push(one);
        } else {
            for (const address of known.used) {
                endpoints.push(endpoint.at_address(one, address, api_prefix));
            }
        }
    }
    return endpoints;
}

/** Leaves alone what has not changed: connections and what is known of an endpoint go by its URL. */
function replace(set: EndpointSet, found: Endpoint[]): void {
    for (const i of $range(1, found.length)) {
        const one = found[i - 1]!;
        for (const old of set.endpoints) {
            if (old.http_host === one.http_host && old.dns_name === one.dns_name) {
                found[i - 1] = old;
            }
        }
    }
    set.endpoints = found;
    set.is_cluster = found.length > 1;
}

/** Makes these the endpoints of a client. */
function replace_endpoints(set: EndpointSet, found: Endpoint[]): void {
    const names = set.dns;
    if (names === undefined) {
        replace(set, found);
        return;
    }
    set_configured(names, found);
    replace(set, expand(names, set.api_prefix));
}

/**
 * Notes what a nameserver has answered, and lets the endpoints follow. The last address of a name stays in use.
 * @param qtype `dns.A` or `dns.AAAA`
 */
function update_addresses(
    set: EndpointSet,
    names: DnsEndpoints,
    known: ResolvedName,
    qtype: number,
    found: string[],
): void {
    if (qtype === dns.A) {
        known.v4 = found;
    } else {
        known.v6 = found;
    }
    const all: string[] = [];
    for (const address of known.v4) {
        all.push(address);
    }
    for (const address of known.v6) {
        all.push(address);
    }
    if (all.length === 0 || concat(all, " ") === concat(known.used, " ")) {
        return;
    }
    known.used = all;
    if (log.info_enabled()) {
        ngx.log(ngx.INFO, "addresses of ", known.host, ": ", concat(all, " "));
    }
    replace(set, expand(names, set.api_prefix));
}

export { replace_endpoints, update_addresses, set_configured, type EndpointSet, type ResolvedName, type DnsEndpoints };
