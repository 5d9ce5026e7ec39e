import * as error_text from "../base/error_text";
import * as nearest_name from "../base/nearest_name";
import * as json_exact from "../serializers/json_exact";
import * as cjson from "cjson.safe";
import * as address from "./address";

const floor = math.floor;

/** An address of a service, as given to `register`. */
interface Instance {
    /** Identifies the instance within its service; default `host:port`. */
    id?: string | undefined;
    host: string;
    port: number;
    /** Default 1. */
    weight?: number | undefined;
    /** Any JSON value, for the readers of the instance. */
    meta?: unknown;
}

/** Makes the value of a key from an instance. Returns nil and an error if it cannot. */
type Encode = (this: void, instance: Instance) => LuaMultiReturn<[value: string | undefined, err?: unknown]>;

/** Greatest weight: the sum of the weights of a service must remain exact, and finite. */
const MAX_WEIGHT = 1000000;

const FIELDS = ["id", "host", "port", "weight", "meta"];

/** Returns a field that is not JSON's null, which counts as absent. */
function present(value: unknown): unknown {
    return value !== cjson.null ? value : undefined;
}

function is_weight(value: unknown): boolean {
    return typeof value === "number" && value >= 0 && value <= MAX_WEIGHT;
}

/** Reports whether a value can identify an instance or a service. */
function is_name(value: unknown): value is string {
    return typeof value === "string" && value !== "";
}

/** Returns a host for balancers: an address as nginx accepts it, or a name if names are allowed; otherwise nil. */
function host_of(host: string, allow_hostnames: boolean): string | undefined {
    return address.normalize(host) ?? (allow_hostnames && address.is_hostname(host) ? host : undefined);
}

/**
 * Returns a copy of an instance with its known fields: those that are null are absent, and an IPv6 address has brackets.
 * An `id` that is no string is absent, because other programs use other types.
 * @returns nil and an error text if the instance is invalid
 */
function read(value: unknown, allow_hostnames: boolean): Result<Instance> {
    if (typeof value !== "object") {
        return $multi(undefined, "instance must be table");
    }
    const given = value as Record<string, unknown>;
    const host = present(given.host);
    const port = present(given.port);
    const weight = present(given.weight);
    if (typeof host !== "string" || host === "") {
        return $multi(undefined, "instance.host must be string");
    }
    const peer_host = host_of(host, allow_hostnames);
    if (peer_host === undefined) {
        return $multi(
            undefined,
            allow_hostnames
                ? "instance.host must be an address or a host name"
                : "instance.host must be an address, unless opts.allow_hostnames is set",
        );
    }
    if (typeof port !== "number" || floor(port) !== port || port < 1 || port > 65535) {
        return $multi(undefined, "instance.port must be a port");
    }
    if (weight !== undefined && !is_weight(weight)) {
        return $multi(undefined, "instance.weight must be number from 0 to 1000000");
    }
    const id = is_name(given.id) ? given.id : undefined;
    return $multi({ id, host: peer_host, port, weight: weight as number | undefined, meta: present(given.meta) });
}

/** Checks that an instance of the program has only known fields. Returns an error text, or nil. */
function check_fields(instance: Record<string, unknown>): Problem {
    const known = new LuaMap<string, true>();
    for (const name of FIELDS) {
        known.set(name, true);
    }
    for (const [key] of pairs(instance)) {
        const name = tostring(key);
        if (known.get(name) !== true) {
            const nearest = nearest_name.nearest(name, FIELDS);
            return nearest !== undefined
                ? `instance: unknown field ${name}; did you mean ${nearest}?`
                : `instance: unknown field ${name}; known are id, host, port, weight, meta`;
        }
    }
    return undefined;
}

/** As `read`, for an instance of the program: unknown fields are errors, because they would not be stored. */
function of_program(value: unknown, allow_hostnames: boolean): Result<Instance> {
    if (typeof value !== "object") {
        return $multi(undefined, "instance must be table");
    }
    const given = value as Record<string, unknown>;
    const problem = check_fields(given);
    if (problem !== undefined) {
        return $multi(undefined, problem);
    }
    const id = present(given.id);
    if (id !== undefined && !is_name(id)) {
        return $multi(undefined, "instance.id must be string");
    }
    return read(value, allow_hostnames);
}

/** The default `encode`. */
const encode_json: Encode = ({ host, port, weight, meta }) => json_exact.serialize({ host, port, weight, meta });

/** Returns the value of an instance's key; nil and an error text. */
function encode(instance: Instance, encoder: Encode): Result<string> {
    const [ok, value, err] = protected_call(encoder, instance);
    if (!ok || typeof value !== "string") {
        return $multi(undefined, `encode: ${error_text.of(ok ? err : value, "no string")}`);
    }
    return $multi(value);
}

export { encode, encode_json, is_name, of_program, read, type Encode, type Instance };
