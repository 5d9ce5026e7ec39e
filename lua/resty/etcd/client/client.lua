-- Generated from src/resty/etcd/client/client.ts by TypeScriptToLua. Do not edit.
local _M = {}
local token = require("resty.etcd.call.token")
local balancer = require("resty.etcd.endpoint.balancer")
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local cosocket = require("resty.etcd.transport.http.cosocket")
local kv = require("resty.etcd.api.kv")
local lease = require("resty.etcd.api.lease")
local result = require("resty.etcd.api.result")
local txn = require("resty.etcd.api.txn")
local watch = require("resty.etcd.api.watch")
local errors = require("resty.etcd.protocol.errors")
local guarded_methods = require("resty.etcd.protocol.guarded_methods")
local gateway = require("resty.etcd.transport.gateway.gateway")
local grpc = require("resty.etcd.transport.grpc.grpc")
local client_health = require("resty.etcd.endpoint.client_health")
local authenticate = require("resty.etcd.call.authenticate")
local idempotency = require("resty.etcd.call.idempotency")
local identity = require("resty.etcd.call.identity")
local member_sync = require("resty.etcd.api.member_sync")
local call_metrics = require("resty.etcd.metrics.call_metrics")
local prometheus = require("resty.etcd.metrics.prometheus")
local mirrors = require("resty.etcd.mirror.mirror")
local option_warnings = require("resty.etcd.client.option_warnings")
local options = require("resty.etcd.client.options")
local monotonic = require("resty.etcd.call.monotonic")
local settings = require("resty.etcd.client.settings")
local resolver = require("resty.etcd.endpoint.resolver")
local resty_http = require("resty.etcd.transport.http.resty_http")
local rpcs = require("resty.etcd.protocol.rpc")
local serializers = require("resty.etcd.serializers.serializer")
local watchers = require("resty.etcd.watcher.watcher")
local shared_health = require("resty.etcd.endpoint.shared_health")

--- Client of an etcd cluster. Programs can replace its methods.
---@class resty.etcd.client.client.Client: resty.etcd.call.client_state.ClientState
---@field close fun(self: resty.etcd.call.client_state.ClientState): true
---@field delete fun(self: resty.etcd.call.client_state.ClientState, key: string, opts?: resty.etcd.api.kv.DeleteOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field get fun(self: resty.etcd.call.client_state.ClientState, key: string, opts?: resty.etcd.api.kv.GetOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field grant fun(self: resty.etcd.call.client_state.ClientState, ttl: number, id?: (string|number), opts?: resty.etcd.api.lease.LeaseOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field keepalive fun(self: resty.etcd.call.client_state.ClientState, id: string|number, opts?: resty.etcd.api.lease.LeaseOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field leases fun(self: resty.etcd.call.client_state.ClientState, opts?: resty.etcd.api.lease.LeaseOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field metrics fun(self: resty.etcd.call.client_state.ClientState, labels?: table<string, string|number>): string?, string?, resty.etcd.protocol.errors.EtcdError?
---@field mirror fun(self: resty.etcd.call.client_state.ClientState, dir: string, opts?: resty.etcd.mirror.types.Options): resty.etcd.mirror.mirror.Mirror?, string?, resty.etcd.protocol.errors.EtcdError?
---@field readdir fun(self: resty.etcd.call.client_state.ClientState, dir: string, opts?: resty.etcd.api.kv.RangeOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field revoke fun(self: resty.etcd.call.client_state.ClientState, id: string|number, opts?: resty.etcd.api.lease.LeaseOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field rmdir fun(self: resty.etcd.call.client_state.ClientState, dir: string, opts?: resty.etcd.api.kv.RmdirOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field set fun(self: resty.etcd.call.client_state.ClientState, key: string, val: any, opts?: resty.etcd.api.kv.SetOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field setnx fun(self: resty.etcd.call.client_state.ClientState, key: string, val: any, opts?: resty.etcd.api.txn.SetIfOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field setx fun(self: resty.etcd.call.client_state.ClientState, key: string, val: any, opts?: resty.etcd.api.txn.SetIfOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field stats fun(self: resty.etcd.call.client_state.ClientState): table<string, resty.etcd.metrics.call_metrics.RpcStats>?, string?, resty.etcd.protocol.errors.EtcdError?
---@field sync fun(self: resty.etcd.call.client_state.Core): true?, string?, resty.etcd.protocol.errors.EtcdError?
---@field timetolive fun(self: resty.etcd.call.client_state.ClientState, id: string|number, keys?: boolean, opts?: resty.etcd.api.lease.LeaseOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field txn fun(self: resty.etcd.call.client_state.ClientState, compare: table<string, any>[], success?: table<string, any>[], failure?: table<string, any>[], opts?: resty.etcd.api.txn.TxnOptions): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field version fun(self: resty.etcd.call.client_state.ClientState): resty.etcd.api.result.Response?, string?, resty.etcd.protocol.errors.EtcdError?
---@field watch fun(self: resty.etcd.call.client_state.ClientState, key: string, opts?: resty.etcd.api.watch.WatchOptions): (fun(): resty.etcd.api.watch.WatchReply?, string?, resty.etcd.protocol.errors.EtcdError?)?, string?, (resty.etcd.protocol.errors.EtcdError|resty.etcd.api.watch.WatchHandle)?
---@field watchcancel fun(self: resty.etcd.call.client_state.ClientState, http_cli: resty.etcd.api.watch.WatchHandle): number?, string?, resty.etcd.protocol.errors.EtcdError?
---@field watchdir fun(self: resty.etcd.call.client_state.ClientState, dir: string, opts?: resty.etcd.api.watch.WatchOptions): (fun(): resty.etcd.api.watch.WatchReply?, string?, resty.etcd.protocol.errors.EtcdError?)?, string?, (resty.etcd.protocol.errors.EtcdError|resty.etcd.api.watch.WatchHandle)?
---@field watcher fun(self: resty.etcd.call.client_state.ClientState, key: string, opts?: resty.etcd.watcher.options.WatcherOptions): resty.etcd.watcher.watcher.Watcher?, string?, resty.etcd.protocol.errors.EtcdError?

---@class resty.etcd.client.client.VersionBody
---@field etcdserver string Version of the member that responded.
---@field etcdcluster string Version of the cluster.
---@field error? string

--- Returns the versions of the chosen member and of its cluster.
---@param self resty.etcd.call.client_state.ClientState
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function version(self)
    local reply, err, error_reply = call.unary(self, rpcs.version, {})
    return result.to_result_or_error_reply(reply, err, error_reply)
end

--- Returns counters of this client's calls in this worker, by name of the RPC.
---@param self resty.etcd.call.client_state.ClientState
---@return table<string, resty.etcd.metrics.call_metrics.RpcStats>? res # nil, an error text and the details unless the client was created with `metrics`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function stats(self)
    local ____opt_0 = self.meter
    local counted = ____opt_0 and ____opt_0.stats
    if counted == nil then
        return call_metrics.not_counting()
    end
    return counted
end

--- Returns the counters of `stats` in Prometheus' text format.
---@param self resty.etcd.call.client_state.ClientState
---@param labels? table<string, string|number> added to every line, to distinguish workers and clients
---@return string? res # nil, an error text and the details unless the client was created with `metrics`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function metrics(self, labels)
    local ____opt_2 = self.meter
    local counted = ____opt_2 and ____opt_2.stats
    if counted == nil then
        return call_metrics.not_counting()
    end
    local problem = prometheus.check_labels(labels)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    return prometheus.format_stats(counted, labels or ({}))
end

--- Frees the client's resources. Its idle connections stay in nginx's pools, which it shares with other clients.
---@param self resty.etcd.call.client_state.ClientState
---@return true
local function close(self)
    self.transport:close()
    member_sync.stop(self)
    return true
end
local methods = {
    close = close,
    delete = kv.delete_key,
    get = kv.get,
    grant = lease.grant,
    keepalive = lease.keepalive,
    leases = lease.leases,
    metrics = metrics,
    mirror = mirrors.mirror,
    readdir = kv.readdir,
    revoke = lease.revoke,
    rmdir = kv.rmdir,
    set = kv.set,
    setnx = txn.setnx,
    setx = txn.setx,
    stats = stats,
    sync = member_sync.sync,
    timetolive = lease.timetolive,
    txn = txn.txn,
    version = version,
    watch = watch.watch,
    watchcancel = watch.watchcancel,
    watchdir = watch.watchdir,
    watcher = watchers.open
}
local mt = {__index = guarded_methods.new(methods, "transport")}

local function make_token_cache(opts)
    if opts.user == nil then
        return nil
    end
    return token.new(opts.user, opts.password or "", authenticate.LOGIN, opts.auth_optional == true)
end

--- Lets a client share what its options name a shared dict for, with all clients of the same identity.
---@param state resty.etcd.call.client_state.ClientState
---@param opts resty.etcd.client.options.Options
local function share_state(state, opts)
    if state.auth ~= nil and opts.auth_shm_name ~= nil then
        token.share(
            state.auth,
            ngx.shared[opts.auth_shm_name],
            identity.of_client(state)
        )
    end
    local ____temp_6 = state.health ~= nil
    if ____temp_6 then
        local ____opt_4 = opts.health
        ____temp_6 = (____opt_4 and ____opt_4.shm_name) ~= nil
    end
    if ____temp_6 then
        client_health.set_scope(
            state.health,
            identity.of_health(state)
        )
    end
end

local function make_meter(opts)
    if opts.on_call == nil and opts.metrics ~= true then
        return nil
    end
    return call_metrics.new(opts.on_call, opts.metrics == true)
end

--- How the HTTP client connects and sends.
local CONNECTORS = {cosocket = cosocket.pick, resty_http = resty_http.pick}

--- Chooses how the HTTP client connects and sends: with lua-resty-http if it is installed and not ruled out.
---@param opts resty.etcd.client.options.Options
---@return "resty_http"|"cosocket"? res
---@return string? err
local function choose_connector(opts)
    local transport = opts.transport
    if transport ~= "cosocket" and resty_http.is_installed() then
        return "resty_http"
    end
    if transport == "resty_http" then
        return nil, "lua-resty-http is not installed"
    end
    return "cosocket"
end

--- Reports whether the options choose native gRPC.
---@param opts resty.etcd.client.options.Options
---@return boolean
local function wants_grpc(opts)
    return opts.use_grpc == true or opts.transport == "grpc"
end

--- Returns why the endpoints cannot be used by native gRPC, or nil.
---@param derived resty.etcd.client.settings.Settings
---@return string?
local function check_grpc(derived)
    for ____, endpoint in ipairs(derived.endpoints) do
        if endpoint.scheme ~= "http" then
            return "opts.transport: \"grpc\" needs http:// endpoints, use \"cosocket\" or \"resty_http\" for TLS"
        end
        if endpoint.api_prefix ~= "/v3" then
            return "opts.transport: \"grpc\" needs endpoints without a path and without api_prefix, use \"cosocket\" or \"resty_http\""
        end
    end
    return nil
end

local function make_transport(opts, connector, derived)
    local ____derived_7 = derived
    local connection_options = ____derived_7.connection_options
    local extra_headers = ____derived_7.extra_headers
    local http = gateway.new(connector, CONNECTORS[connector], connection_options, extra_headers)
    return wants_grpc(opts) and grpc.new(http, extra_headers.fields, extra_headers.host) or http
end

local function make_state(opts, connector, derived, dns)
    local ____derived_8 = derived
    local endpoints = ____derived_8.endpoints
    local extra_json = ____derived_8.extra_json
    local api_prefix = ____derived_8.api_prefix
    local state = {
        endpoints = endpoints,
        configured = endpoints,
        is_cluster = #endpoints > 1,
        init_count = opts.init_count or balancer.random_start(),
        start_pid = opts.init_count == nil and ngx.worker.pid() or nil,
        timeout = opts.timeout or 5,
        key_prefix = opts.key_prefix or "",
        use_grpc = wants_grpc(opts),
        transport = make_transport(opts, connector, derived),
        max_response_size = opts.max_response_size or options.MAX_RESPONSE_SIZE,
        auth = make_token_cache(opts),
        health = opts.health ~= nil and client_health.new(opts.health) or nil,
        revision_floor = opts.monotonic == true and monotonic.new() or nil,
        cluster = cluster.new(),
        meter = make_meter(opts),
        markers = idempotency.new(opts.idempotency_prefix or "/resty.etcd/applied/"),
        sync_plan = opts.sync_interval ~= nil and member_sync.plan(opts.sync_interval) or nil,
        dns = dns,
        api_prefix = api_prefix,
        serializer = serializers.select_serializer(opts.serializer),
        extra_json = extra_json
    }
    if opts.unix_socket_proxy ~= nil then
        state.unix_socket_proxy = opts.unix_socket_proxy
    end
    share_state(state, opts)
    return state
end

--- Creates a client. It connects at its first call.
---@param opts? resty.etcd.client.options.Options
---@return resty.etcd.client.client.Client? res # the client; or nil, an error text and the details, of a `bad_request`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(opts)
    local problem = options.check(opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local wanted = opts or ({})
    option_warnings.warn_about(wanted)
    local derived, err, hint = settings.new(wanted)
    if derived == nil then
        return errors.bad_request(err, hint)
    end
    local connector, connector_err = choose_connector(wanted)
    if connector == nil then
        return errors.bad_request(connector_err)
    end
    local ____wants_grpc_result_9
    if wants_grpc(wanted) then
        ____wants_grpc_result_9 = check_grpc(derived)
    else
        ____wants_grpc_result_9 = nil
    end
    local grpc_problem = ____wants_grpc_result_9
    if grpc_problem ~= nil then
        return errors.bad_request(grpc_problem)
    end
    local dns
    if wanted.resolve ~= nil and wanted.resolve ~= false then
        local resolved, resolve_err = resolver.new(wanted.resolve, derived.endpoints)
        if resolved == nil then
            return errors.bad_request(resolve_err)
        end
        dns = resolved
    end
    if wanted.health == nil and shared_health.conf == nil then
        shared_health.init()
    end
    return setmetatable(
        make_state(wanted, connector, derived, dns),
        mt
    )
end
_M.new = create

return _M
