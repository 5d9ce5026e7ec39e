/** Header blocks of requests. Each is encoded once for an endpoint, an RPC and a token. */
import * as masked_url from "../../endpoint/masked_url";
import * as urls from "../../endpoint/url";
import * as failures from "../failure";
import * as hpack from "./hpack";
import * as peers from "./peer";
import type { Endpoint } from "../../endpoint/endpoint";
import type { Rpc } from "../../protocol/rpc";
import type { Attempt, Headers, LocalFailure } from "../transport";
import type { Peer } from "./types";

const find = string.find as StringFind;
const lower = string.lower;

/** Endpoints that are kept before all are forgotten. */
const MAX_ENDPOINTS = 100;
/** The only path prefix that gRPC can have: its methods are no paths of the gateway. */
const PREFIX = "/v3";

/** Names of metadata that HTTP/2, gRPC or the driver set. */
const RESERVED: Record<string, true> = {
    authorization: true,
    connection: true,
    "content-length": true,
    "content-type": true,
    hasleader: true,
    host: true,
    "keep-alive": true,
    "proxy-connection": true,
    te: true,
    token: true,
    "transfer-encoding": true,
    upgrade: true,
};

interface Block {
    readonly token: string | undefined;
    readonly require_leader: boolean;
    readonly bytes: string;
}

/** An endpoint as calls need it. */
interface Target {
    readonly peer: Peer;
    readonly authority: string;
    /** The latest block of each RPC. */
    readonly blocks: LuaMap<Rpc, Block>;
}

/** The endpoints of a client. */
interface Targets {
    /** Extra header fields, as each block contains them. */
    readonly metadata: string;
    /** Replaces the host of the endpoint; nil if not given. */
    readonly host: string | undefined;
    by_url: LuaMap<string, Target>;
    count: number;
}

/** @param fields extra header fields, by name */
function create(fields: Headers, host: string | undefined): Targets {
    let metadata = "";
    for (const [name, value] of fields) {
        const key = lower(name);
        const [is_grpc] = find(key, "^grpc%-");
        if (RESERVED[key] === undefined && is_grpc === undefined) {
            metadata = metadata + hpack.encode_field(key, value, true);
        }
    }
    return { metadata, host, by_url: new LuaMap(), count: 0 };
}

/** Forgets all endpoints. */
function clear(targets: Targets): void {
    targets.by_url = new LuaMap();
    targets.count = 0;
}

function new_target(targets: Targets, url: string, dns_name: string | undefined): Result<Target> {
    const parsed = urls.parse(url, dns_name);
    if (parsed === undefined) {
        return $multi(undefined, `invalid http host: ${masked_url.mask(url)}, err: not matched`);
    }
    if (parsed.scheme !== "http") {
        return $multi(
            undefined,
            'the transport "grpc" needs http:// endpoints: use "cosocket" or "resty_http" for TLS',
        );
    }
    if (parsed.path !== PREFIX) {
        return $multi(undefined, 'the transport "grpc" needs endpoints without a path: use "cosocket" or "resty_http"');
    }
    return $multi({
        peer: peers.at(parsed.host, parsed.port),
        authority: targets.host ?? parsed.authority,
        blocks: new LuaMap(),
    });
}

/** Returns an endpoint as calls need it; or nil and a failure. */
function target_of(targets: Targets, endpoint: Endpoint, url: string): Result<Target, LocalFailure> {
    const dns_name = endpoint.dns_name;
    const key = dns_name !== undefined ? `${url} ${dns_name}` : url;
    let target = targets.by_url.get(key);
    if (target === undefined) {
        const [created, problem] = new_target(targets, tostring(url), dns_name);
        if (created === undefined) {
            return $multi(undefined, failures.local_failure("url", problem, false));
        }
        if (targets.count >= MAX_ENDPOINTS) {
            clear(targets);
        }
        target = created;
        targets.by_url.set(key, target);
        targets.count = targets.count + 1;
    }
    return $multi(target);
}

/** Returns the header block of a request. */
function block_of(targets: Targets, target: Target, rpc: Rpc, attempt: Attempt): string {
    const { token, require_leader } = attempt;
    const latest = target.blocks.get(rpc);
    if (latest !== undefined && latest.token === token && latest.require_leader === require_leader) {
        return latest.bytes;
    }
    let metadata = targets.metadata;
    if (token !== undefined) {
        metadata = metadata + hpack.encode_field("token", token, true);
    }
    if (require_leader) {
        metadata = metadata + hpack.encode_field("hasleader", "true", false);
    }
    const bytes = hpack.encode_request(rpc.method, target.authority, metadata);
    target.blocks.set(rpc, { token, require_leader, bytes });
    return bytes;
}

export { block_of, clear, create as new, target_of, type Target, type Targets };
