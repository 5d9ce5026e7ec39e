import type { MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Kv, Mirror } from "../mirror/mirror";

const match = string.match;
const sort = table.sort;

/** An instance of a service, as `peers` returns it. */
interface Peer {
    readonly service: string;
    readonly id: string;
    readonly host: string;
    readonly port: number;
    readonly weight: number;
    readonly meta: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
}

/** What the methods of a discovery read. */
interface Lists {
    /** Serves the reads. */
    readonly mirror: Mirror;
    /** Instances by the kvs that they were made from. Weak: an entry lasts as long as the mirror keeps these kvs. */
    readonly cache: LuaMap<readonly Kv[], readonly Peer[]>;
    /** The kvs that `listed_services` was made from. */
    listed: readonly Kv[] | undefined;
    listed_services: readonly string[];
}

/** The instances of a service that has none. */
const NO_PEERS: readonly Peer[] = [];

/** Checks the name of a service. Returns an error text, or nil. */
function check_service(service: unknown): Problem {
    const is_name = typeof service === "string" && match(service, "^[^/]+$")[0] !== undefined;
    return is_name ? undefined : "service must be a name without /";
}

/** Returns the instances of a service. The array stays the same table until the service changes. */
function peers(this: Lists, service: string): MethodResult<readonly Peer[]> {
    if (typeof service !== "string") {
        return errors.bad_request("service must be a name without /");
    }
    const [kvs, err, details] = this.mirror.by("service", service);
    if (kvs === undefined) {
        return $multi(undefined, err, details);
    }
    if (kvs.length === 0) {
        return $multi(NO_PEERS);
    }
    let list = this.cache.get(kvs) as Peer[] | undefined;
    if (list === undefined) {
        list = [];
        for (const kv of kvs) {
            list.push(kv.value as Peer);
        }
        this.cache.set(kvs, list);
    }
    return $multi(list);
}

/** Returns the names of all services that have instances, sorted, in an array that must not be written to. */
function services(this: Lists): MethodResult<readonly string[]> {
    const [kvs, err, details] = this.mirror.all();
    if (kvs === undefined) {
        return $multi(undefined, err, details);
    }
    if (this.listed !== kvs) {
        const names: string[] = [];
        const known = new LuaMap<string, true>();
        for (const kv of kvs) {
            const service = (kv.value as Peer).service;
            if (known.get(service) !== true) {
                known.set(service, true);
                names.push(service);
            }
        }
        sort(names);
        this.listed = kvs;
        this.listed_services = names;
    }
    return $multi(this.listed_services);
}

export { check_service, peers, services, type Lists, type Peer };
