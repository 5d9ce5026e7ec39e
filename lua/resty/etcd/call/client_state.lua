-- Generated from src/resty/etcd/call/client_state.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Requests a token from etcd, in two parts.
---@class resty.etcd.call.client_state.Login
---@field begin fun(core: resty.etcd.call.client_state.Core, timeout: number): resty.etcd.endpoint.balancer.Choice? Logs the line of the login and chooses its first endpoint, without waiting.
---@field finish fun(core: resty.etcd.call.client_state.Core, auth: resty.etcd.call.client_state.TokenCache, timeout: number, deadline: number?, first: resty.etcd.endpoint.balancer.Choice?): string?, resty.etcd.protocol.errors.EtcdError? Sends the request. Does not wait if no endpoint was available.

--- User, password and current token of a client.
---@class resty.etcd.call.client_state.TokenCache
---@field user string
---@field password string
---@field login resty.etcd.call.client_state.Login
---@field is_optional boolean If etcd has authentication disabled, calls are made without a token instead of failing.
---@field dict table? Shared dict through which workers share their tokens; nil for none.
---@field dict_key string Key of the token in the shared dict.
---@field token string?
---@field is_shared boolean The token is from the shared dict, not from a login of this worker.
---@field new_until number Time until which slow members can reject the token as unknown.
---@field logins resty.etcd.base.single_flight.SingleFlight A login counts as lost if its timer was dropped, or if its light thread was killed.

--- What calls receive that wait for a login: either a token or an error.
---@class resty.etcd.call.client_state.LoginResult
---@field token string?
---@field err resty.etcd.protocol.errors.EtcdError?

--- Markers of idempotent writes. Each write puts a marker, a unique key, in the same transaction, which runs only if the
--- marker does not exist. Thus a write that is sent twice is applied once. Markers are attached to a lease and expire with it.
---@class resty.etcd.call.client_state.IdempotencyMarkers
---@field prefix string
---@field worker string? The part of the keys that is unique to the worker; nil before the first write.
---@field pid number
---@field count number
---@field lease string?
---@field fresh_until number Time until which new markers are attached to the lease.
---@field grants resty.etcd.base.single_flight.SingleFlight Leases that calls are being granted. The result is the field `lease`.

--- The cluster that a client follows: its watches, mirrors and registrations accept replies of no other. Written by cluster.ts.
---@class resty.etcd.call.client_state.FollowedCluster
---@field id string? Nil before the first reply that counts.
---@field member string? The endpoint that was last seen to be of it.
---@field missing_since number? When endpoints were first asked and none of them was of it; nil after one is.
---@field next_poll_at number Earliest time to ask all endpoints again.
---@field polls resty.etcd.base.single_flight.SingleFlight
---@field next_log_at table Earliest times of the next log line, by its subject.

--- When a client reads the list of members again.
---@class resty.etcd.call.client_state.SyncPlan
---@field interval number Seconds.
---@field next number
---@field start fun(core: resty.etcd.call.client_state.Core) Reads it once, in a timer.
---@field start_loop fun(core: resty.etcd.call.client_state.Core) Reads it at each interval while the client has streams.
---@field loop resty.etcd.base.timer_types.TimerLoop?
---@field readers table Readers of watches that have not ended. Weak: a reader that is garbage does not count.

--- A list of endpoints that has failed, and how long it is not used again.
---@class resty.etcd.call.client_state.FailedMembers
---@field hosts string Sorted.
---@field until number

--- The part of a client that the call path needs. Programs write to the fields of the first group.
---@class resty.etcd.call.client_state.Core: resty.etcd.endpoint.dns_endpoints.EndpointSet
---@field timeout number Seconds for a call, 0 for nginx's own socket timeouts.
---@field unix_socket_proxy? string `unix:/path` to connect to instead of the endpoints, while a server accepts connections there.
---@field transport resty.etcd.transport.transport.Transport
---@field max_response_size number Bytes of the longest response.
---@field auth resty.etcd.call.client_state.TokenCache? Nil without user and password.
---@field sync_plan resty.etcd.call.client_state.SyncPlan? Nil unless the endpoints follow the list of members.
---@field revision_floor resty.etcd.call.monotonic.RevisionFloor? Nil unless the client was created with `monotonic`.
---@field cluster resty.etcd.call.client_state.FollowedCluster
---@field markers resty.etcd.call.client_state.IdempotencyMarkers
---@field meter resty.etcd.metrics.call_metrics.Meter? Nil without `metrics` and `on_call`.
---@field extra_json string? `extra_headers` as JSON, for the log; nil if there are none.
---@field failed_members? resty.etcd.call.client_state.FailedMembers The last list of members of which no endpoint has responded.
---@field left_out_members? string The addresses of members that are not used, as they were last logged.
---@field shared_watches? table[] The shared watches of the client; only `watch/` knows their type.
---@field reopen_limit? resty.etcd.base.token_bucket.TokenBucket Limits how often the watches of the client open streams that fail. Written by watch/reopen_limit.ts.

--- A client as its methods see it.
---@class resty.etcd.call.client_state.ClientState: resty.etcd.call.client_state.Core
---@field key_prefix string Prepended to every key.
---@field use_grpc boolean The transport is native gRPC.
---@field serializer resty.etcd.serializers.serializer.Serializer

return _M
