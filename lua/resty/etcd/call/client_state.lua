-- Generated from src/resty/etcd/call/client_state.ts by TypeScriptToLua. Do not edit.
local _M = {}

---@class resty.etcd.call.client_state.AuthOptions
---@field is_optional boolean Where authentication is switched off, calls are made without token.
---@field dict table? Where workers share their tokens.
---@field dict_key string The key there.

--- A client's user and the token it holds.
---@class resty.etcd.call.client_state.TokenCache: resty.etcd.call.client_state.AuthOptions
---@field user string
---@field password string
---@field login fun(core: resty.etcd.call.client_state.Core, auth: resty.etcd.call.client_state.TokenCache, timeout: number, deadline: number?): string?, resty.etcd.protocol.errors.EtcdError?
---@field token string?
---@field is_shared boolean It was another worker's login that gave the token.
---@field new_until number Until then, members that are slow may not have heard of the token.
---@field pending_login resty.etcd.call.client_state.PendingLogin? The login under way.

--- One login, and all who wait for it in the order in which they came.
---@class resty.etcd.call.client_state.PendingLogin
---@field waiters table[]
---@field token string?
---@field err resty.etcd.protocol.errors.EtcdError?
---@field ends_by number If it has not ended by then, nobody works on it: its timer was dropped, or its thread was killed.

--- A write that may be sent twice and is applied once carries a marker: a key of its own, written in the same
--- transaction, which only runs if the marker is not there. Markers go away with the lease they hang on.
---@class resty.etcd.call.client_state.IdempotencyMarkers
---@field prefix string
---@field worker string? The worker's own part of the keys.
---@field pid number
---@field count number
---@field lease string?
---@field fresh_until number Until when new markers are hung on it.
---@field granted_by number A call makes a new one, and until then the others wait for it; 0 if none does.
---@field waiting table?

--- When a client reads the list of members anew.
---@class resty.etcd.call.client_state.SyncPlan
---@field interval number Seconds.
---@field next number
---@field start fun(core: resty.etcd.call.client_state.Core)

--- What the call path needs of a client. Users may write to the fields of the first group.
---@class resty.etcd.call.client_state.Core: resty.etcd.endpoint.dns_endpoints.EndpointSet
---@field timeout number Seconds for a call, 0 for nginx's own socket timeouts.
---@field unix_socket_proxy? string `unix:/path` that stands in for the endpoints while it answers.
---@field transport resty.etcd.transport.transport.Transport
---@field auth resty.etcd.call.client_state.TokenCache? Nil without user and password.
---@field configured resty.etcd.endpoint.endpoint.Endpoint[] The endpoints that the client was made with.
---@field sync_plan resty.etcd.call.client_state.SyncPlan? Nil unless the endpoints follow the list of members.
---@field revision_floor resty.etcd.call.monotonic.RevisionFloor? Nil unless replies must not go back in time.
---@field markers resty.etcd.call.client_state.IdempotencyMarkers
---@field meter resty.etcd.metrics.call_metrics.Meter? Nil unless calls are counted or told of.
---@field extra_json string? The user's own header fields as JSON, for the log; nil if there are none.
---@field shared_watches? table[] The streams of its watchers and mirrors: `watch/` alone knows their type.

--- A client as its own methods see it.
---@class resty.etcd.call.client_state.ClientState: resty.etcd.call.client_state.Core
---@field key_prefix string Put in front of every key.
---@field use_grpc boolean False until native gRPC is built.
---@field serializer resty.etcd.serializers.serializer.Serializer

return _M
