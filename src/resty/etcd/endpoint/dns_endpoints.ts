import * as dns from "./dns";
import type { Nameserver } from "./dns";
import * as endpoint from "./endpoint";
import type { Endpoint } from "./endpoint";
import * as log from "../base/log";
import type { Ring } from "./balancer";
import type { SingleFlight } from "../base/single_flight";
import * as printable from "../base/printable";

const concat = table.concat;
const match = string.match;

/** The known addresses of a name. */
interface ResolvedName {
    readonly host: string;
    v4: string[];
    v6: string[];
    /** Addresses in use: the last ones that were not empty. */
    used: string[];
}

/** The endpoints of a client as configured, and the addresses of their names. */
interface DnsEndpoints {
    readonly nameservers: Nameserver[];
    /** What decides to which addresses names are resolved. */
    readonly identity: string;
    /** Seconds between lookups. */
    readonly interval: number;
    readonly ipv6: boolean;
    /** Endpoints from the options, or from etcd's member list. */
    configured: Endpoint[];
    /** By name. */
    resolved: LuaMap<string, ResolvedName>;
    /** Time of the next lookup. */
    next: number;
    /** Time until which calls use the known addresses without waiting for a lookup. */
    fresh_until: number;
    /** Lookups of all names; a run is released when each name has an address or an error. */
    readonly lookups: SingleFlight<true>;
}

/** The endpoints of a client, and the sources that replace them. */
interface EndpointSet extends Ring {
    /** There is more than one endpoint. */
    is_cluster: boolean;
    /** `/v3`, for endpoints from etcd's member list. */
    readonly api_prefix: string;
    /** Nil unless the driver resolves names itself. */
    readonly dns: DnsEndpoints | undefined;
    /** The endpoints that the client was created with. */
    readonly configured: Endpoint[];
    /** The endpoints that the driver has put in their place: from the list of members, or addresses of names. */
    adopted?: Endpoint[];
}

/** Returns the host of an endpoint if it is a name, or nil for addresses and unix sockets. */
function name_of(configured: Endpoint): string | undefined {
    const [v6] = match(configured.host, "^%[");
    const [v4] = match(configured.host, "^%d+%.%d+%.%d+%.%d+$");
    if (configured.port === undefined || v6 !== undefined || v4 !== undefined) {
        return undefined;
    }
    return configured.host;
}

/** Stores configured endpoints and keeps the known addresses of their names. */
function set_configured(names: DnsEndpoints, configured: Endpoint[]): void {
    const resolved = new LuaMap<string, ResolvedName>();
    let has_names = false;
    let has_new = false;
    for (const one of configured) {
        const host = name_of(one);
        if (host !== undefined) {
            const known = names.resolved.get(host);
            resolved.set(host, known ?? { host, v4: [], v6: [], used: [] });
            has_names = true;
            has_new = has_new || known === undefined;
        }
    }
    names.configured = configured;
    names.resolved = resolved;
    if (!has_names) {
        names.next = math.huge;
        names.fresh_until = math.huge;
    } else if (has_new) {
        names.next = 0;
        names.fresh_until = 0;
        names.lookups.latest = undefined; // its questions lack the new names
    }
}

/** Returns one endpoint per address of each name. An endpoint whose name has no addresses stays unresolved. */
function expand(names: DnsEndpoints, api_prefix: string): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const configured of names.configured) {
        const name = names.resolved.get(configured.host);
        if (name === undefined || name.used.length === 0) {
            endpoints.push(configured);
        } else {
            for (const address of name.used) {
                endpoints.push(endpoint.at_address(configured, address, api_prefix));
            }
        }
    }
    return endpoints;
}

/**
 * Replaces the endpoints of a client, but keeps the tables of unchanged ones: users can have written to them. Pooled
 * connections and health state go by URL.
 */
function replace(set: EndpointSet, endpoints: Endpoint[]): void {
    for (const i of $range(1, endpoints.length)) {
        const wanted = endpoints[i - 1]!;
        for (const present of set.endpoints) {
            if (present.http_host === wanted.http_host && present.dns_name === wanted.dns_name) {
                endpoints[i - 1] = present;
            }
        }
    }
    set.endpoints = endpoints;
    set.adopted = endpoints;
    set.is_cluster = endpoints.length > 1;
}

/**
 * Returns the endpoints that the program gave: those of the options, or those that it has written to the client since. They
 * do not change with the list of members and with DNS.
 */
function given(set: EndpointSet): readonly Endpoint[] {
    return set.endpoints === set.adopted ? set.configured : set.endpoints;
}

/** Replaces the configured endpoints of a client, and resolves their names if the driver does so. */
function replace_endpoints(set: EndpointSet, endpoints: Endpoint[]): void {
    const names = set.dns;
    if (names === undefined) {
        replace(set, endpoints);
        return;
    }
    set_configured(names, endpoints);
    replace(set, expand(names, set.api_prefix));
}

/**
 * Stores the result of a DNS query and updates the endpoints. If a name has no addresses any more, the last known ones
 * stay in use.
 * @param qtype `dns.A` or `dns.AAAA`
 */
function update_addresses(
    set: EndpointSet,
    names: DnsEndpoints,
    name: ResolvedName,
    qtype: number,
    addresses: string[],
): void {
    if (qtype === dns.A) {
        name.v4 = addresses;
    } else {
        name.v6 = addresses;
    }
    const all: string[] = [];
    for (const address of name.v4) {
        all.push(address);
    }
    for (const address of name.v6) {
        all.push(address);
    }
    if (all.length === 0 || concat(all, " ") === concat(name.used, " ")) {
        return;
    }
    name.used = all;
    if (log.info_enabled()) {
        ngx.log(ngx.INFO, "addresses of ", printable.key(name.host), ": ", printable.of(concat(all, " ")));
    }
    replace(set, expand(names, set.api_prefix));
}

export {
    given,
    name_of,
    replace_endpoints,
    update_addresses,
    set_configured,
    type EndpointSet,
    type ResolvedName,
    type DnsEndpoints,
};
