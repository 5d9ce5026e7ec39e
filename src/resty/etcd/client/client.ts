import type { TokenCache, ClientState } from "../call/client_state";
import * as token from "../call/token";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import * as cluster from "../call/cluster";
import * as cosocket from "../transport/http/cosocket";
import * as kv from "../api/kv";
import * as lease from "../api/lease";
import type { ApiResult } from "../api/result";
import * as result from "../api/result";
import * as txn from "../api/txn";
import * as watch from "../api/watch";
import type { MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as guarded_methods from "../protocol/guarded_methods";
import * as gateway from "../transport/gateway/gateway";
import * as grpc from "../transport/grpc/grpc";
import shared_health = require("../endpoint/shared_health");
import * as client_health from "../endpoint/client_health";
import * as authenticate from "../call/authenticate";
import * as idempotency from "../call/idempotency";
import * as identity from "../call/identity";
import * as member_sync from "../api/member_sync";
import type { DnsEndpoints } from "../endpoint/dns_endpoints";
import * as call_metrics from "../metrics/call_metrics";
import * as prometheus from "../metrics/prometheus";
import type { Labels } from "../metrics/prometheus";
import * as mirrors from "../mirror/mirror";
import * as option_warnings from "./option_warnings";
import * as options from "./options";
import type { Options } from "./options";
import * as monotonic from "../call/monotonic";
import * as settings from "./settings";
import type { Settings } from "./settings";
import * as resolver from "../endpoint/resolver";
import * as resty_http from "../transport/http/resty_http";
import type { Transport } from "../transport/transport";
import * as rpcs from "../protocol/rpc";
import * as serializers from "../serializers/serializer";
import * as watchers from "../watcher/watcher";

/** Client of an etcd cluster. Programs can replace its methods. */
interface Client extends ClientState, Methods {}

interface VersionBody {
    /** Version of the member that responded. */
    etcdserver: string;
    /** Version of the cluster. */
    etcdcluster: string;
    error?: string;
}

/** Returns the versions of the chosen member and of its cluster. */
function version(this: ClientState): ApiResult<VersionBody> {
    const [reply, err, error_reply] = call.unary(this, rpcs.version, {});
    return result.to_result_or_error_reply(reply, err, error_reply);
}

/**
 * Returns counters of this client's calls in this worker, by name of the RPC.
 * @returns nil, an error text and the details unless the client was created with `metrics`
 */
function stats(this: ClientState): MethodResult<call_metrics.Stats> {
    const counted = this.meter?.stats;
    if (counted === undefined) {
        return call_metrics.not_counting();
    }
    return $multi(counted);
}

/**
 * Returns the counters of `stats` in Prometheus' text format.
 * @param labels added to every line, to distinguish workers and clients
 * @returns nil, an error text and the details unless the client was created with `metrics`
 */
function metrics(this: ClientState, labels?: Labels): MethodResult<string> {
    const counted = this.meter?.stats;
    if (counted === undefined) {
        return call_metrics.not_counting();
    }
    const problem = prometheus.check_labels(labels);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    return $multi(prometheus.format_stats(counted, labels ?? {}));
}

/** Frees the client's resources. Its idle connections stay in nginx's pools, which it shares with other clients. */
function close(this: ClientState): true {
    this.transport.close();
    member_sync.stop(this);
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
const mt: LuaMetatable<Client, Methods> = { __index: guarded_methods.new(methods, "transport") };

function make_token_cache(opts: Options): TokenCache | undefined {
    if (opts.user === undefined) {
        return undefined;
    }
    return token.new(opts.user, opts.password ?? "", authenticate.LOGIN, opts.auth_optional === true);
}

/** Lets a client share what its options name a shared dict for, with all clients of the same identity. */
function share_state(state: ClientState, opts: Options): void {
    if (state.auth !== undefined && opts.auth_shm_name !== undefined) {
        token.share(state.auth, ngx.shared[opts.auth_shm_name]!, identity.of_client(state));
    }
    if (state.health !== undefined && opts.health?.shm_name !== undefined) {
        client_health.set_scope(state.health, identity.of_health(state));
    }
}

function make_meter(opts: Options): call_metrics.Meter | undefined {
    if (opts.on_call === undefined && opts.metrics !== true) {
        return undefined;
    }
    return call_metrics.new(opts.on_call, opts.metrics === true);
}

/** How the HTTP client connects and sends. */
const CONNECTORS = { cosocket: cosocket.pick, resty_http: resty_http.pick };
type ConnectorName = keyof typeof CONNECTORS;

/** Chooses how the HTTP client connects and sends: with lua-resty-http if it is installed and not ruled out. */
function choose_connector(opts: Options): Result<ConnectorName> {
    const transport = opts.transport;
    if (transport !== "cosocket" && resty_http.is_installed()) {
        return $multi("resty_http");
    }
    if (transport === "resty_http") {
        return $multi(undefined, "lua-resty-http is not installed");
    }
    return $multi("cosocket");
}

/** Reports whether the options choose native gRPC. */
function wants_grpc(opts: Options): boolean {
    return opts.use_grpc === true || opts.transport === "grpc";
}

/** Returns why the endpoints cannot be used by native gRPC, or nil. */
function check_grpc(derived: Settings): Problem {
    for (const endpoint of derived.endpoints) {
        if (endpoint.scheme !== "http") {
            return `opts.transport: "grpc" needs http:// endpoints, use "cosocket" or "resty_http" for TLS`;
        }
        if (endpoint.api_prefix !== "/v3") {
            return `opts.transport: "grpc" needs endpoints without a path and without api_prefix, use "cosocket" or "resty_http"`;
        }
    }
    return undefined;
}

function make_transport(opts: Options, connector: ConnectorName, derived: Settings): Transport {
    const { connection_options, extra_headers } = derived;
    const http = gateway.new(connector, CONNECTORS[connector], connection_options, extra_headers);
    return wants_grpc(opts) ? grpc.new(http, extra_headers.fields, extra_headers.host) : http;
}

function make_state(
    opts: Options,
    connector: ConnectorName,
    derived: Settings,
    dns: DnsEndpoints | undefined,
): ClientState {
    const { endpoints, extra_json, api_prefix } = derived;
    const state: ClientState = {
        endpoints,
        configured: endpoints,
        is_cluster: endpoints.length > 1,
        init_count: opts.init_count ?? balancer.random_start(),
        start_pid: opts.init_count === undefined ? ngx.worker.pid() : undefined,
        timeout: opts.timeout ?? 5,
        key_prefix: opts.key_prefix ?? "",
        use_grpc: wants_grpc(opts),
        transport: make_transport(opts, connector, derived),
        max_response_size: opts.max_response_size ?? options.MAX_RESPONSE_SIZE,
        auth: make_token_cache(opts),
        health: opts.health !== undefined ? client_health.new(opts.health) : undefined,
        revision_floor: opts.monotonic === true ? monotonic.new() : undefined,
        cluster: cluster.new(),
        meter: make_meter(opts),
        markers: idempotency.new(opts.idempotency_prefix ?? "/resty.etcd/applied/"),
        sync_plan: opts.sync_interval !== undefined ? member_sync.plan(opts.sync_interval) : undefined,
        dns,
        api_prefix,
        serializer: serializers.select_serializer(opts.serializer),
        extra_json,
    };
    if (opts.unix_socket_proxy !== undefined) {
        state.unix_socket_proxy = opts.unix_socket_proxy;
    }
    share_state(state, opts);
    return state;
}

/**
 * Creates a client. It connects at its first call.
 * @returns the client; or nil, an error text and the details, of a `bad_request`
 */
function create(opts?: Options): MethodResult<Client> {
    const problem = options.check(opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const wanted = opts ?? {};
    option_warnings.warn_about(wanted);
    const [derived, err, hint] = settings.new(wanted);
    if (derived === undefined) {
        return errors.bad_request(err, hint);
    }
    const [connector, connector_err] = choose_connector(wanted);
    if (connector === undefined) {
        return errors.bad_request(connector_err);
    }
    const grpc_problem = wants_grpc(wanted) ? check_grpc(derived) : undefined;
    if (grpc_problem !== undefined) {
        return errors.bad_request(grpc_problem);
    }
    let dns: DnsEndpoints | undefined;
    if (wanted.resolve !== undefined && wanted.resolve !== false) {
        const [resolved, resolve_err] = resolver.new(wanted.resolve, derived.endpoints);
        if (resolved === undefined) {
            return errors.bad_request(resolve_err);
        }
        dns = resolved;
    }
    if (wanted.health === undefined && shared_health.conf === undefined) {
        shared_health.init();
    }
    return $multi(setmetatable(make_state(wanted, connector, derived, dns) as Client, mt));
}

export { create as new, type Client, type VersionBody };
