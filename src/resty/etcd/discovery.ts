import type { ClientState } from "./call/client_state";
import * as lease_grant from "./call/lease_grant";
import * as keys from "./protocol/keys";
import * as cjson from "./base/private_cjson";
import type { OptionTable } from "./base/checks";
import * as checks from "./base/checks";
import * as glued_prefix from "./base/glued_prefix";
import * as errors from "./protocol/errors";
import type { MethodResult } from "./protocol/errors";
import * as mirrors from "./mirror/mirror";
import * as facade from "./mirror/facade";
import type { Decode, Invalid } from "./mirror/types";
import * as instances from "./discovery/instance";
import type { Encode, Instance } from "./discovery/instance";
import * as listeners from "./discovery/listeners";
import type { State } from "./discovery/listeners";
import * as peer_lists from "./discovery/peers";
import type { Peer } from "./discovery/peers";
import * as registrations from "./discovery/registration";
import type { Registration } from "./discovery/registration";

const floor = math.floor;
const match = string.match;

const PREFIX = "/services/";
const TTL = 10;

interface Options {
    /** Prefix of the keys of all services; default `/services/`. */
    prefix?: string;
    /** Accept host names. balancer_by_lua accepts addresses only. */
    allow_hostnames?: boolean;
    /** Makes an instance from bytes; default JSON. Its fields `service` and `id` replace those of the key. */
    decode?: Decode;
}

interface RegisterOptions {
    /** As for `new`. */
    prefix?: string;
    /** As for `new`. */
    allow_hostnames?: boolean;
    /** Seconds until etcd removes the instance if its worker stops renewing the lease; default 10. */
    ttl?: number;
    /** Makes the value of the key from the instance; default JSON. */
    encode?: Encode;
}

/** The instances of services. */
interface Discovery extends State, Methods {}

const OPTIONS: OptionTable = {
    rules: [
        { name: "prefix", type: "string" },
        { name: "allow_hostnames", type: "boolean" },
        { name: "decode", type: "function" },
    ],
};
const REGISTER_OPTIONS: OptionTable = {
    rules: [
        { name: "prefix", type: "string" },
        { name: "allow_hostnames", type: "boolean" },
        { name: "ttl", type: "number" },
        { name: "encode", type: "function" },
    ],
};

function is_ttl(ttl: number): boolean {
    return floor(ttl) === ttl && ttl >= 1 && ttl <= lease_grant.LONGEST_TTL;
}

/**
 * Registers an instance of a service until the registration is closed or the worker exits.
 * @returns a registration, which writes its key in the background; nil, an error text and the details
 */
function register(
    cli: ClientState,
    service: string,
    instance: Instance,
    opts?: RegisterOptions,
): MethodResult<Registration> {
    const problem =
        checks.check_client(cli) ?? peer_lists.check_service(service) ?? checks.check_options(opts, REGISTER_OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const { prefix = PREFIX, allow_hostnames, ttl = TTL, encode = instances.encode_json } = opts ?? {};
    const [checked, instance_err] = instances.of_program(instance, allow_hostnames === true);
    if (checked === undefined) {
        return errors.bad_request(instance_err);
    }
    if (!is_ttl(ttl)) {
        return errors.bad_request("opts.ttl must be a whole number of seconds");
    }
    const [value, err] = instances.encode(checked, encode);
    if (value === undefined) {
        return errors.bad_request(err);
    }
    glued_prefix.warn("service discovery", prefix);
    const key = `${prefix}${service}/${checked.id ?? `${checked.host}:${checked.port}`}`;
    return registrations.new(cli, keys.with_prefix(cli.key_prefix, key), value, ttl, checked, encode);
}

/** As `m:invalid()`. */
function invalid(this: State): Record<string, Invalid> {
    return this.mirror.invalid();
}

const methods = {
    age: facade.age,
    close: facade.close,
    invalid,
    on_change: listeners.on_change,
    peers: peer_lists.peers,
    ready: facade.ready,
    services: peer_lists.services,
    state: facade.state_of,
    wait_ready: facade.wait_ready,
};
type Methods = typeof methods;
const mt: LuaMetatable<Discovery, Methods> = { __index: methods };

/**
 * Returns the peer for an instance in etcd.
 * @param service_start position in the key of the name of its service
 */
function make_peer(value: unknown, key: string, service_start: number, opts: Options): Result<Peer> {
    const [instance, err] = instances.read(value, opts.allow_hostnames === true);
    if (instance === undefined) {
        return $multi(undefined, err);
    }
    let [service, id] = match(key, "^([^/]+)/(.+)$", service_start);
    if (opts.decode !== undefined) {
        const decoded = (value as { service?: unknown }).service;
        service = instances.is_name(decoded) ? decoded : service;
        id = instance.id ?? id;
    }
    if (service === undefined || id === undefined) {
        return $multi(undefined, "the key is not PREFIX/SERVICE/ID");
    }
    const { host, port, weight, meta } = instance;
    return $multi({ service, id, host, port, weight: weight ?? 1, meta });
}

/**
 * Creates a discovery, which follows all services below a prefix.
 * @returns the discovery; nil, an error text and the details
 */
function create(cli: ClientState, opts?: Options): MethodResult<Discovery> {
    const problem = checks.check_client(cli) ?? checks.check_options(opts, OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const given = opts ?? {};
    const allow_hostnames = given.allow_hostnames === true;
    const prefix = given.prefix ?? PREFIX;
    const service_start = prefix.length + 1;
    const [mirror, err, details] = mirrors.new(cli, prefix, {
        decode: given.decode ?? (bytes => cjson.decode(bytes)),
        validate: value => {
            const [instance, invalid_reason] = instances.read(value, allow_hostnames);
            return $multi(instance !== undefined, invalid_reason);
        },
        transform: (value, kv) => make_peer(value, kv.key, service_start, given),
        index: { service: (peer: Peer) => peer.service },
    });
    if (mirror === undefined) {
        return $multi(undefined, err, details);
    }
    glued_prefix.warn("service discovery", prefix);
    const state: State = {
        mirror,
        prefix,
        cache: setmetatable(new LuaMap(), { __mode: "k" }),
        listed: undefined,
        listed_services: [],
        listeners: new LuaMap(),
        is_listening: false,
    };
    return $multi(setmetatable(state as Discovery, mt));
}

export { create as new, register, type Discovery, type Instance, type Peer, type Registration };
