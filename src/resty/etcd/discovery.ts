import type { ClientState } from "./call/client_state";
import * as keys from "./protocol/keys";
import * as cjson from "cjson.safe";
import type { OptionTable } from "./base/checks";
import * as checks from "./base/checks";
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
/** etcd grants no more. */
const LONGEST_TTL = 9000000000;

/** Where a service can be reached. */
interface Instance {
    /** What tells it from the service's others; default `host:port`. */
    id?: string;
    host: string;
    port: number;
    /** Default 1. */
    weight?: number;
    /** Anything that is to be known of it. */
    meta?: unknown;
}

/** One of a service's instances. */
interface Peer {
    readonly service: string;
    readonly id: string;
    readonly host: string;
    readonly port: number;
    readonly weight: number;
    readonly meta: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
}

interface Options {
    /** Where the services are; default `/services/`. */
    prefix?: string;
    /** Host names are taken too. balancer_by_lua knows addresses only. */
    allow_hostnames?: boolean;
}

interface RegisterOptions extends Options {
    /** Seconds after which the instance is gone when its worker is; default 10. */
    ttl?: number;
}

/** A service's instances, and the kvs that they were made of. */
interface Made {
    readonly kvs: readonly Kv[];
    readonly peers: readonly Peer[];
}

interface State {
    /** Where the instances are read. */
    readonly mirror: Mirror;
    readonly made: LuaMap<string, Made>;
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

/** Something that `set_current_peer` takes: no name, and IPv6 in brackets. */
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

/** What is wrong with an instance; nil if nothing is. */
function check(instance: unknown, may_be_name: boolean): Problem {
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
    if (!may_be_name && !is_address(host)) {
        return "instance.host must be an address, unless opts.allow_hostnames is set";
    }
    if (typeof port !== "number" || floor(port) !== port || port < 1 || port > 65535) {
        return "instance.port must be a port";
    }
    const is_weight = weight === undefined || (typeof weight === "number" && weight >= 0);
    return is_weight ? undefined : "instance.weight must be unsigned number";
}

/** What is wrong with a service's name; nil if nothing is. */
function check_service(service: unknown): Problem {
    const is_name = typeof service === "string" && match(service, "^[^/]+$")[0] !== undefined;
    return is_name ? undefined : "service must be a name without /";
}

/**
 * Lets an instance of a service be found: until it is closed, or its worker ends.
 * @returns a registration, which is made in the background
 */
function register(cli: ClientState, service: string, instance: Instance, opts?: RegisterOptions): Result<Registration> {
    const wrong =
        checks.check_client(cli) ??
        check_service(service) ??
        checks.check_options(opts, REGISTER_OPTIONS) ??
        check(instance, opts?.allow_hostnames === true);
    if (wrong !== undefined) {
        return $multi(undefined, wrong);
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

/** Instances as arrays, made anew only for services that have changed. */
function peers(this: State, service: string): Result<readonly Peer[]> {
    if (typeof service !== "string") {
        return $multi(undefined, "service must be a name without /");
    }
    const [kvs, err] = this.mirror.by("service", service);
    if (kvs === undefined) {
        return $multi(undefined, err);
    }
    let made = this.made.get(service);
    if (made === undefined || made.kvs !== kvs) {
        const list: Peer[] = [];
        for (const kv of kvs) {
            list.push(kv.value as Peer);
        }
        made = { kvs, peers: list };
        if (list.length > 0) {
            this.made.set(service, made);
        } else {
            this.made.delete(service);
        }
    }
    return $multi(made.peers);
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

/** Follows all services below a prefix. */
function create(cli: ClientState, opts?: Options): Result<Discovery> {
    const misuse = checks.check_client(cli) ?? checks.check_options(opts, OPTIONS);
    if (misuse !== undefined) {
        return $multi(undefined, misuse);
    }
    const may_be_name = opts?.allow_hostnames === true;
    const prefix = opts?.prefix ?? PREFIX;
    const skipped = prefix.length + 1;
    const [mirror, err] = mirrors.new(cli, prefix, {
        decode: bytes => cjson.decode(bytes),
        validate: value => {
            const wrong = check(value, may_be_name);
            return $multi(wrong === undefined, wrong);
        },
        transform: (value: Instance, kv) => {
            const [service, id] = match(kv.key, "^([^/]+)/(.+)$", skipped);
            if (service === undefined) {
                return $multi(undefined, "the key is not PREFIX/SERVICE/ID");
            }
            const { host, port, weight, meta } = value;
            return $multi({ service, id, host, port, weight: weight ?? 1, meta });
        },
        index: { service: (peer: Peer) => peer.service },
    });
    if (mirror === undefined) {
        return $multi(undefined, err);
    }
    return $multi(setmetatable({ mirror, made: new LuaMap() } as Discovery, mt));
}

export { create as new, register, type Discovery, type Instance, type Peer, type Registration };
