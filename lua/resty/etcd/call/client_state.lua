-- Generated from src/resty/etcd/call/client_state.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- When a client reads the list of members anew.
---@class resty.etcd.call.client_state.SyncPlan
---@field interval number Seconds.
---@field next number
---@field start fun(core: resty.etcd.call.client_state.Core)

--- What the call path needs of a client. Users may write to the fields of the first group.
---@class resty.etcd.call.client_state.Core: resty.etcd.endpoint.balancer.Ring
---@field timeout number Seconds for a call, 0 for nginx's own socket timeouts.
---@field unix_socket_proxy? string `unix:/path` that stands in for the endpoints while it answers.
---@field transport resty.etcd.transport.transport.Transport
---@field auth resty.etcd.call.token.Auth? Nil without user and password.
---@field api_prefix string `/v3`, for endpoints that etcd tells of.
---@field configured resty.etcd.endpoint.endpoint.Endpoint[] The endpoints that the client was made with.
---@field is_cluster boolean More than one endpoint.
---@field sync_plan resty.etcd.call.client_state.SyncPlan? Nil unless the endpoints follow the list of members.
---@field names resty.etcd.endpoint.dns_endpoints.Names? Nil unless names are resolved by the driver.
---@field order resty.etcd.call.monotonic.Order? Nil unless replies must not go back in time.
---@field markers resty.etcd.call.idempotency.Markers
---@field meter resty.etcd.metrics.call_metrics.Meter? Nil unless calls are counted or told of.
---@field extra_json string? The user's own header fields as JSON, for the log; nil if there are none.
---@field hubs? resty.etcd.watch.shared_watch.Hub[] The streams of its watchers and mirrors.

return _M
