rockspec_format = "3.0"
package = "lua-resty-etcd"
version = "2.0.0-1"
source = {
    url = "git+https://example.org/lua-resty-etcd.git",
    tag = "v2.0.0",
}
description = {
    summary = "etcd v3 driver for OpenResty",
    detailed = [[
        A driver for etcd's v3 API in OpenResty: a drop-in for code written for lua-resty-etcd 1.10, with
        watches that lose nothing, one deadline per call, and writes that are never sent twice unseen.
    ]],
    license = "Apache-2.0",
}
dependencies = {
    "lua >= 5.1, < 5.2",
    "lua-resty-http >= 0.16",
}
build = {
    type = "builtin",
    modules = {
        ["resty.etcd"] = "lua/resty/etcd.lua",
        ["resty.etcd.attempt"] = "lua/resty/etcd/attempt.lua",
        ["resty.etcd.auth"] = "lua/resty/etcd/auth.lua",
        ["resty.etcd.balancer"] = "lua/resty/etcd/balancer.lua",
        ["resty.etcd.body_stream"] = "lua/resty/etcd/body_stream.lua",
        ["resty.etcd.call"] = "lua/resty/etcd/call.lua",
        ["resty.etcd.client"] = "lua/resty/etcd/client.lua",
        ["resty.etcd.clock"] = "lua/resty/etcd/clock.lua",
        ["resty.etcd.connection"] = "lua/resty/etcd/connection.lua",
        ["resty.etcd.core"] = "lua/resty/etcd/core.lua",
        ["resty.etcd.dropin.args"] = "lua/resty/etcd/dropin/args.lua",
        ["resty.etcd.dropin.kv"] = "lua/resty/etcd/dropin/kv.lua",
        ["resty.etcd.dropin.lease"] = "lua/resty/etcd/dropin/lease.lua",
        ["resty.etcd.dropin.result"] = "lua/resty/etcd/dropin/result.lua",
        ["resty.etcd.dropin.state"] = "lua/resty/etcd/dropin/state.lua",
        ["resty.etcd.dropin.txn"] = "lua/resty/etcd/dropin/txn.lua",
        ["resty.etcd.dropin.watch"] = "lua/resty/etcd/dropin/watch.lua",
        ["resty.etcd.endpoint"] = "lua/resty/etcd/endpoint.lua",
        ["resty.etcd.errors"] = "lua/resty/etcd/errors.lua",
        ["resty.etcd.feed"] = "lua/resty/etcd/feed.lua",
        ["resty.etcd.gateway"] = "lua/resty/etcd/gateway.lua",
        ["resty.etcd.gateway_error"] = "lua/resty/etcd/gateway_error.lua",
        ["resty.etcd.gateway_stream"] = "lua/resty/etcd/gateway_stream.lua",
        ["resty.etcd.health"] = "lua/resty/etcd/health.lua",
        ["resty.etcd.health_check"] = "lua/resty/etcd/health_check.lua",
        ["resty.etcd.hints"] = "lua/resty/etcd/hints.lua",
        ["resty.etcd.http"] = "lua/resty/etcd/http.lua",
        ["resty.etcd.http1"] = "lua/resty/etcd/http1.lua",
        ["resty.etcd.http_client"] = "lua/resty/etcd/http_client.lua",
        ["resty.etcd.int64"] = "lua/resty/etcd/int64.lua",
        ["resty.etcd.json_codec"] = "lua/resty/etcd/json_codec.lua",
        ["resty.etcd.keys"] = "lua/resty/etcd/keys.lua",
        ["resty.etcd.log"] = "lua/resty/etcd/log.lua",
        ["resty.etcd.login"] = "lua/resty/etcd/login.lua",
        ["resty.etcd.members"] = "lua/resty/etcd/members.lua",
        ["resty.etcd.memory_dict"] = "lua/resty/etcd/memory_dict.lua",
        ["resty.etcd.meter"] = "lua/resty/etcd/meter.lua",
        ["resty.etcd.options"] = "lua/resty/etcd/options.lua",
        ["resty.etcd.order"] = "lua/resty/etcd/order.lua",
        ["resty.etcd.pages"] = "lua/resty/etcd/pages.lua",
        ["resty.etcd.pause"] = "lua/resty/etcd/pause.lua",
        ["resty.etcd.random"] = "lua/resty/etcd/random.lua",
        ["resty.etcd.resty_http"] = "lua/resty/etcd/resty_http.lua",
        ["resty.etcd.retry"] = "lua/resty/etcd/retry.lua",
        ["resty.etcd.rpc"] = "lua/resty/etcd/rpc.lua",
        ["resty.etcd.schema"] = "lua/resty/etcd/schema.lua",
        ["resty.etcd.serializer"] = "lua/resty/etcd/serializer.lua",
        ["resty.etcd.serializers.json"] = "lua/resty/etcd/serializers/json.lua",
        ["resty.etcd.serializers.raw"] = "lua/resty/etcd/serializers/raw.lua",
        ["resty.etcd.source"] = "lua/resty/etcd/source.lua",
        ["resty.etcd.target"] = "lua/resty/etcd/target.lua",
        ["resty.etcd.tls"] = "lua/resty/etcd/tls.lua",
        ["resty.etcd.transport"] = "lua/resty/etcd/transport.lua",
        ["resty.etcd.utils"] = "lua/resty/etcd/utils.lua",
    },
}
