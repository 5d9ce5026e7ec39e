import * as auth from "./auth";
import * as balancer from "./balancer";
import * as call from "./call";
import * as connection from "./connection";
import * as kv from "./dropin/kv";
import * as lease from "./dropin/lease";
import type { Result3 } from "./dropin/result";
import * as result from "./dropin/result";
import type { State } from "./dropin/state";
import * as txn from "./dropin/txn";
import * as watch from "./dropin/watch";
import * as gateway from "./gateway";
import health_check = require("./health_check");
import * as login from "./login";
import * as options from "./options";
import type { Options } from "./options";
import * as resty_http from "./resty_http";
import * as rpcs from "./rpc";
import * as serializers from "./serializer";

/** A client of etcd. Its methods may be replaced. */
interface Client extends State, Methods {}

interface VersionBody {
    /** Version of the member that answered. */
    etcdserver: string;
    /** Version of the cluster. */
    etcdcluster: string;
    error?: string;
}

/** Asks the member for its version. */
function version(this: State): Result3<VersionBody> {
    const [reply, err, refusal] = call.unary(this, rpcs.version, {});
    return result.lenient(reply, err, refusal);
}

/** Frees what the client holds. Its connections stay in their pools, which it shares with others. */
function close(this: State): true {
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
    readdir: kv.readdir,
    revoke: lease.revoke,
    rmdir: kv.rmdir,
    set: kv.set,
    setnx: txn.setnx,
    setx: txn.setx,
    timetolive: lease.timetolive,
    txn: txn.txn,
    version,
    watch: watch.watch,
    watchcancel: watch.watchcancel,
    watchdir: watch.watchdir,
};
type Methods = typeof methods;
const mt: LuaMetatable<Client, Methods> = { __index: methods };

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
    if (health_check.conf === undefined) {
        health_check.init();
    }
    const endpoints = settings.endpoints;
    const state: State = {
        endpoints,
        is_cluster: endpoints.length > 1,
        init_count: wanted.init_count ?? balancer.roll(),
        rolled_in: wanted.init_count === undefined ? ngx.worker.pid() : undefined,
        timeout: wanted.timeout ?? 5,
        key_prefix: wanted.key_prefix ?? "",
        use_grpc: false,
        transport: gateway.new(has_library ? resty_http.pick : connection.pick, settings.peer, settings.extra),
        auth: wanted.user !== undefined ? auth.new(wanted.user, wanted.password ?? "", login.login) : undefined,
        serializer: serializers.select_serializer(wanted.serializer),
        extra_json: settings.extra_json,
    };
    if (wanted.unix_socket_proxy !== undefined) {
        state.unix_socket_proxy = wanted.unix_socket_proxy;
    }
    return $multi(setmetatable(state as Client, mt));
}

export { create as new, type Client, type VersionBody };
