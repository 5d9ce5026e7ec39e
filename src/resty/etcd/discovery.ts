import type { ClientState } from "./call/client_state";
import * as keys from "./protocol/keys";
import * as cjson from "cjson.safe";
import type { OptionTable } from "./base/checks";
import * as checks from "./base/checks";
import * as errors from "./protocol/errors";
import type { MethodResult } from "./protocol/errors";
import * as mirrors from "./mirror/mirror";
import type { Kv, Mirror } from "./mirror/mirror";
import * as facade from "./mirror/facade";
import type { Invalid } from "./mirror/types";
import * as registrations from "./discovery/registration";
import type { Registration } from "./discovery/registration";

const floor = math.floor;
const match = string.match;
const max = math.max;

const PREFIX = "/services/";
const TTL = 10;
/** etcd rejects a longer TTL. */
const LONGEST_TTL = 9000000000;

/** An address of a service, as given to `register`. */
interface Instance {
    /** Identifies the instance within its service; default `host:port`. */
    id?: string;
    host: string;
    port: number;
    /** Default 1. */
    weight?: number;
    /** Any JSON value, for the readers of the instance. */
    meta?: unknown;
}

/** An instance of a service, as `peers` returns it. */
interface Peer {
    readonly service: string;
    readonly id: string;
    readonly host: string;
    readonly port: number;
    readonly weight: number;
    readonly meta: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
}

interface Options {
    /** Prefix of the keys of all services; default `/services/`. */
    prefix?: string;
    /** Accept host names. balancer_by_lua accepts addresses only. */
    allow_hostnames?: boolean;
}

interface RegisterOptions extends Options {
    /** Seconds until etcd removes the instance if its worker stops renewing the lease; default 10. */
    ttl?: number;
}

/** The instances of a service, and the kvs that they were made from. */
interface CachedPeers {
    readonly kvs: readonly Kv[];
    readonly peers: readonly Peer[];
}

interface State {
    /** Serves the reads. */
    readonly mirror: Mirror;
    /** By service. */
    readonly cache: LuaMap<string, CachedPeers>;
}

/** The instances of services. */
interface Discovery extends State, Methods {}

const OPTIONS: OptionTable = {
    rules: [
        { name: "prefix", type: "string" },
        { name: "allow_hostnames", type: "boolean" },
    ],
};
const REGISTER_OPTIONS: OptionTable = {
    rules: [
        { name: "prefix", type: "string" },
        { name: "allow_hostnames", type: "boolean" },
        { name: "ttl", type: "number" },
    ],
};

/** Reports whether `set_current_peer` accepts a host: an IPv4 address, or an IPv6 address in brackets. */
function is_address(host: string): boolean {
    if (match(host, "^%[[%x:.]+%]$")[0] !== undefined) {
        return true;
    }
    const [a, b, c, d] = match(host, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$");
    if (a === undefined) {
        return false;
    }
    return max(tonumber(a)!, tonumber(b)!, tonumber(c)!, tonumber(d)!) <= 255;
}

/** Checks an instance. Returns an error text, or nil. */
function check_instance(instance: unknown, allow_hostnames: boolean): Problem {
    if (typeof instance !== "object") {
        return "instance must be table";
    }
    const { id, host, port, weight } = instance as Record<string, unknown>;
    if (id !== undefined && (typeof id !== "string" || id === "")) {
        return "instance.id must be string";
    }
    if (typeof host !== "string" || host === "") {
        return "instance.host must be string";
    }
    if (!allow_hostnames && !is_address(host)) {
        return "instance.host must be an address, unless opts.allow_hostnames is set";
    }
    if (typeof port !== "number" || floor(port) !== port || port < 1 || port > 65535) {
        return "instance.port must be a port";
    }
    const is_weight = weight === undefined || (typeof weight === "number" && weight >= 0);
    return is_weight ? undefined : "instance.weight must be unsigned number";
}

/** Checks the name of a service. Returns an error text, or nil. */
function check_service(service: unknown): Problem {
    const is_name = typeof service === "string" && match(service, "^[^/]+$")[0] !== undefined;
    return is_name ? undefined : "service must be a name without /";
}

/**
 * Registers an instance of a service until the registration is closed or the worker exits.
 * @returns a registration, which writes its key in the background
 */
function register(cli: ClientState, service: string, instance: Instance, opts?: RegisterOptions): Result<Registration> {
    const problem =
        checks.check_client(cli) ??
        check_service(service) ??
        checks.check_options(opts, REGISTER_OPTIONS) ??
        check_instance(instance, opts?.allow_hostnames === true);
    if (problem !== undefined) {
        return $multi(undefined, problem);
    }
    const ttl = opts?.ttl ?? TTL;
    if (floor(ttl) !== ttl || ttl < 1 || ttl > LONGEST_TTL) {
        return $multi(undefined, "opts.ttl must be a whole number of seconds");
    }
    const { host, port, weight, meta } = instance;
    const [value, err] = cjson.encode({ host, port, weight, meta });
    if (value === undefined) {
        return $multi(undefined, err);
    }
    const key = `${opts?.prefix ?? PREFIX}${service}/${instance.id ?? `${host}:${port}`}`;
    return registrations.new(cli, keys.with_prefix(cli.key_prefix, key), value, ttl);
}

/** Returns the instances of a service. The array stays the same table until the service changes. */
function peers(this: State, service: string): MethodResult<readonly Peer[]> {
    if (typeof service !== "string") {
        return errors.bad_request("service must be a name without /");
    }
    const [kvs, err, details] = this.mirror.by("service", service);
    if (kvs === undefined) {
        return $multi(undefined, err, details);
    }
    let cached = this.cache.get(service);
    if (cached === undefined || cached.kvs !== kvs) {
        const list: Peer[] = [];
        for (const kv of kvs) {
            list.push(kv.value as Peer);
        }
        cached = { kvs, peers: list };
        if (list.length > 0) {
            this.cache.set(service, cached);
        } else {
            this.cache.delete(service);
        }
    }
    return $multi(cached.peers);
}

/** As `m:invalid()`. */
function invalid(this: State): Record<string, Invalid> {
    return this.mirror.invalid();
}

const methods = {
    age: facade.age,
    close: facade.close,
    invalid,
    peers,
    ready: facade.ready,
    state: facade.state_of,
    wait_ready: facade.wait_ready,
};
type Methods = typeof methods;
const mt: LuaMetatable<Discovery, Methods> = { __index: methods };

/** Creates a discovery, which follows all services below a prefix. */
function create(cli: ClientState, opts?: Options): MethodResult<Discovery> {
    const problem = checks.check_client(cli) ?? checks.check_options(opts, OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const allow_hostnames = opts?.allow_hostnames === true;
    const prefix = opts?.prefix ?? PREFIX;
    const service_start = prefix.length + 1;
    const [mirror, err, details] = mirrors.new(cli, prefix, {
        decode: bytes => cjson.decode(bytes),
        validate: value => {
            const invalid_reason = check_instance(value, allow_hostnames);
            return $multi(invalid_reason === undefined, invalid_reason);
        },
        transform: (value: Instance, kv) => {
            const [service, id] = match(kv.key, "^([^/]+)/(.+)$", service_start);
            if (service === undefined) {
                return $multi(undefined, "the key is not PREFIX/SERVICE/ID");
            }
            const { host, port, weight, meta } = value;
            return $multi({ service, id, host, port, weight: weight ?? 1, meta });
        },
        index: { service: (peer: Peer) => peer.service },
    });
    if (mirror === undefined) {
        return $multi(undefined, err, details);
    }
    return $multi(setmetatable({ mirror, cache: new LuaMap() } as Discovery, mt));
}

export { create as new, register, type Discovery, type Instance, type Peer, type Registration };
