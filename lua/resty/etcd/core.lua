-- Generated from src/resty/etcd/core.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- When a client reads the list of members anew.
---@class resty.etcd.core.SyncPlan
---@field interval number Seconds.
---@field next number
---@field start fun(core: resty.etcd.core.Core)

--- What the call path needs of a client. Users may write to the fields of the first group.
---@class resty.etcd.core.Core: resty.etcd.balancer.Ring
---@field timeout number Seconds for a call, 0 for nginx's own socket timeouts.
---@field unix_socket_proxy? string `unix:/path` that stands in for the endpoints while it answers.
---@field transport resty.etcd.transport.Transport
---@field auth resty.etcd.auth.Auth? Nil without user and password.
---@field api_prefix string `/v3`, for endpoints that etcd tells of.
---@field configured resty.etcd.endpoint.Endpoint[] The endpoints that the client was made with.
---@field is_cluster boolean More than one endpoint.
---@field sync_plan resty.etcd.core.SyncPlan? Nil unless the endpoints follow the list of members.
---@field names resty.etcd.names.Names? Nil unless names are resolved by the driver.
---@field order resty.etcd.order.Order? Nil unless replies must not go back in time.
---@field markers resty.etcd.markers.Markers
---@field meter resty.etcd.meter.Meter? Nil unless calls are counted or told of.
---@field extra_json string? The user's own header fields as JSON, for the log; nil if there are none.
---@field hubs? resty.etcd.watch_hub.Hub[] The streams of its watchers and mirrors.

return _M
