import type { TokenCache, ClientState } from "../call/client_state";
import * as token from "../call/token";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import * as cosocket from "../transport/http/cosocket";
import type { Endpoint } from "../endpoint/endpoint";
import * as kv from "../api/kv";
import * as lease from "../api/lease";
import type { ApiResult } from "../api/result";
import * as result from "../api/result";
import * as txn from "../api/txn";
import * as watch from "../api/watch";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as gateway from "../transport/gateway/gateway";
import shared_health = require("../endpoint/shared_health");
import * as client_health from "../endpoint/client_health";
import * as authenticate from "../call/authenticate";
import * as idempotency from "../call/idempotency";
import * as member_sync from "../api/member_sync";
import type { Dict } from "../base/memory_dict";
import * as call_metrics from "../metrics/call_metrics";
import * as prometheus from "../metrics/prometheus";
import type { Labels } from "../metrics/prometheus";
import * as mirrors from "../mirror/mirror";
import type { DnsEndpoints } from "../endpoint/dns_endpoints";
import * as options from "./options";
import type { Options } from "./options";
import * as monotonic from "../call/monotonic";
import * as resolver from "../endpoint/resolver";
import * as resty_http from "../transport/http/resty_http";
import * as rpcs from "../protocol/rpc";
import * as serializers from "../serializers/serializer";
import * as watchers from "../watcher/watcher";

/** A client of etcd. Its methods may be replaced. */
interface Client extends ClientState, Methods {}

interface VersionBody {
    /** Version of the member that answered. */
    etcdserver: string;
    /** Version of the cluster. */
    etcdcluster: string;
    error?: string;
}

/** Asks the member for its version. */
function version(this: ClientState): ApiResult<VersionBody> {
    const [reply, err, refusal] = call.unary(this, rpcs.version, {});
    return result.to_result_or_refusal(reply, err, refusal);
}

/**
 * What calls of this client have come to in this worker, by name of the RPC.
 * @returns nil and an error unless the client was made with `metrics`
 */
function stats(this: ClientState): Result<call_metrics.Stats, EtcdError> {
    const counted = this.meter?.stats;
    if (counted === undefined) {
        return $multi(undefined, call_metrics.not_counting());
    }
    return $multi(counted);
}

/**
 * The same in Prometheus' text format.
 * @param labels more labels for every line, to tell workers and clients from each other
 * @returns nil and an error unless the client was made with `metrics`
 */
function metrics(this: ClientState, labels?: Labels): Result<string, EtcdError> {
    const counted = this.meter?.stats;
    if (counted === undefined) {
        return $multi(undefined, call_metrics.not_counting());
    }
    const wrong = prometheus.check_labels(labels);
    if (wrong !== undefined) {
        return $multi(undefined, errors.local_error("bad_request", wrong));
    }
    return $multi(prometheus.format_stats(counted, labels ?? {}));
}

/** Frees what the client holds. Its connections stay in their pools, which it shares with others. */
function close(this: ClientState): true {
    this.transport.close();
    return true;
}

const methods = {
    close,
    delete: kv.delete_key,
    get: kv.get,
    grant: lease.grant,
    keepalive: lease.keepalive,
    leases: lease.leases,
    metrics,
    mirror: mirrors.mirror,
    readdir: kv.readdir,
    revoke: lease.revoke,
    rmdir: kv.rmdir,
    set: kv.set,
    setnx: txn.setnx,
    setx: txn.setx,
    stats,
    sync: member_sync.sync,
    timetolive: lease.timetolive,
    txn: txn.txn,
    version,
    watch: watch.watch,
    watchcancel: watch.watchcancel,
    watchdir: watch.watchdir,
    watcher: watchers.open,
};
type Methods = typeof methods;
const mt: LuaMetatable<Client, Methods> = { __index: methods };

function make_auth(opts: Options, endpoints: readonly Endpoint[]): TokenCache | undefined {
    if (opts.user === undefined) {
        return undefined;
    }
    const password = opts.password ?? "";
    let identity = `${opts.user}\0${password}`;
    for (const endpoint of endpoints) {
        identity = `${identity}\0${endpoint.full_prefix}`;
    }
    let dict: Dict | undefined;
    if (opts.auth_shm_name !== undefined) {
        dict = ngx.shared[opts.auth_shm_name];
    }
    const dict_key = `resty.etcd|token|${ngx.md5(identity)}`;
    return token.new(opts.user, password, authenticate.login, {
        is_optional: opts.auth_optional === true,
        dict,
        dict_key,
    });
}

function make_meter(opts: Options): call_metrics.Meter | undefined {
    if (opts.on_call === undefined && opts.metrics !== true) {
        return undefined;
    }
    return call_metrics.new(opts.on_call, opts.metrics === true);
}

/**
 * Makes a client. It connects when it is used.
 * @returns the client
 */
function create(opts?: Options): Result<Client> {
    if (opts !== undefined && typeof opts !== "object") {
        return $multi(undefined, "opts must be table");
    }
    const wanted = opts ?? {};
    const [settings, err] = options.read(wanted);
    if (settings === undefined) {
        return $multi(undefined, err);
    }
    const kind = wanted.use_grpc === true ? "grpc" : wanted.transport;
    if (kind === "grpc") {
        return $multi(undefined, "the grpc transport is not available yet");
    }
    const has_library = kind !== "cosocket" && resty_http.is_installed();
    if (kind === "resty_http" && !has_library) {
        return $multi(undefined, "lua-resty-http is not installed");
    }
    const endpoints = settings.endpoints;
    let resolved: DnsEndpoints | undefined;
    if (wanted.resolve !== undefined && wanted.resolve !== false) {
        const [made, resolve_err] = resolver.new(wanted.resolve, endpoints);
        if (made === undefined) {
            return $multi(undefined, resolve_err);
        }
        resolved = made;
    }
    if (wanted.health === undefined && shared_health.conf === undefined) {
        shared_health.init();
    }
    const state: ClientState = {
        endpoints,
        configured: endpoints,
        is_cluster: endpoints.length > 1,
        init_count: wanted.init_count ?? balancer.random_start(),
        rolled_in: wanted.init_count === undefined ? ngx.worker.pid() : undefined,
        timeout: wanted.timeout ?? 5,
        key_prefix: wanted.key_prefix ?? "",
        use_grpc: false,
        transport: gateway.new(has_library ? resty_http.pick : cosocket.pick, settings.peer, settings.extra),
        auth: make_auth(wanted, endpoints),
        health: wanted.health !== undefined ? client_health.new(wanted.health) : undefined,
        revision_floor: wanted.monotonic === true ? monotonic.new() : undefined,
        meter: make_meter(wanted),
        markers: idempotency.new(wanted.idempotency_prefix ?? "/resty.etcd/applied/"),
        sync_plan: wanted.sync_interval !== undefined ? member_sync.plan(wanted.sync_interval) : undefined,
        dns: resolved,
        api_prefix: settings.api_prefix,
        serializer: serializers.select_serializer(wanted.serializer),
        extra_json: settings.extra_json,
    };
    if (wanted.unix_socket_proxy !== undefined) {
        state.unix_socket_proxy = wanted.unix_socket_proxy;
    }
    return $multi(setmetatable(state as Client, mt));
}

export { create as new, type Client, type VersionBody };
