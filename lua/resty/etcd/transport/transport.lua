-- Generated from src/resty/etcd/transport/transport.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- How far an attempt has come. Written by the transport; times are those of `clock.now`.
---@class resty.etcd.transport.transport.AttemptProgress
---@field dialed_at? number When connecting began: before that, a call can wait for a login, and for names that the driver resolves.
---@field connected_at? number When the connection was established. nginx resolves a name before that, without a timeout of the call.

--- What belongs to one request. Times are those of `clock.now`.
---@class resty.etcd.transport.transport.RequestContext
---@field is_repeatable boolean The request can be sent again if a pooled connection turns out to be dead.
---@field token string?
---@field unix_proxy string? `unix:/path` to connect to instead, while a server accepts connections there.
---@field started number
---@field deadline number? Nil leaves the time to the socket timeouts of nginx.
---@field connect_deadline number? Time by which the connection must be established.
---@field handshake_deadline number? Time by which the TLS handshake must be finished.
---@field max_response_size number Bytes of the longest response, and of the longest message of a stream.
---@field send_timeout_header boolean Tell the server how much time is left, so that it returns its own error a little earlier.
---@field require_leader boolean The server ends the stream when its member has no leader.
---@field progress resty.etcd.transport.transport.AttemptProgress? Nil unless the caller observes the attempt.

--- The reply to an RPC.
---@class resty.etcd.transport.transport.Reply
---@field status number HTTP status; 200 if the protocol has none.
---@field headers table
---@field body table

--- One attempt at a call.
---@class resty.etcd.transport.transport.Attempt: resty.etcd.transport.transport.RequestContext
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint
---@field can_survive_rejection boolean If etcd rejects the token, another attempt with a new token follows.
---@field received number Bytes of the response body; written by the transport.
---@field failure? (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure) Why the attempt failed.

--- A failure other than an error of the server.
---@class resty.etcd.transport.transport.LocalFailure
---@field kind "full"|"timeout"|"lost"|"closed"|"url"|"connect"|"malformed"|"undecodable"|"too_large"|"config"|"phase"
---@field text string The cause, without the endpoint.
---@field sent boolean False if the server has provably not processed the request: no byte of it was sent, or the server said so (as HTTP/2 does with GOAWAY and REFUSED_STREAM). Such a request can always be sent again.
---@field is_closed_by_server boolean The server closed the connection.
---@field is_tls? true There is no TLS session, or the server has ended it with an alert.
---@field is_ca_ignored? true The platform has ignored the option `trusted_ca` of the client.
---@field http_status? number HTTP status of an undecodable or too long response.

--- An error that the server returned.
---@class resty.etcd.transport.transport.StatusFailure
---@field kind "status"
---@field text string
---@field http_status number
---@field code number? gRPC status code; nil if the response contains none.
---@field reply resty.etcd.transport.transport.Reply? The error response; nil if the error is a message of a stream.

--- The messages of a stream, one by one.
---@class resty.etcd.transport.transport.Stream
---@field endpoint string The endpoint, as configured.
---@field recv fun(self: resty.etcd.transport.transport.Stream, timeout: number?): table?, resty.etcd.protocol.errors.EtcdError? Returns the next message.
---@field peek fun(self: resty.etcd.transport.transport.Stream, timeout: number?): table? Returns the next message and keeps it for `recv`. Returns nil after an error, which `recv` returns.
---@field try_recv fun(self: resty.etcd.transport.transport.Stream): table? Returns a message that has arrived already, or nil.
---@field last_received_at fun(self: resty.etcd.transport.transport.Stream): number Returns the time at which the last byte arrived, by `clock.now`.
---@field allow_cancel fun(self: resty.etcd.transport.transport.Stream) Lets `close` end the stream while another light thread waits in `recv`, at the cost of periodic wake-ups.
---@field end_at_exit fun(self: resty.etcd.transport.transport.Stream) Lets `recv` end the stream when the worker is exiting, at the cost of wake-ups every few seconds.
---@field close fun(self: resty.etcd.transport.transport.Stream) Ends the stream.

--- The interface between calls, whose messages are plain tables, and a wire format.
---@class resty.etcd.transport.transport.Transport
---@field identity string Digest of what decides which server is reached, besides its address, and what it answers: TLS and header fields.
---@field encode fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, request: table): string?, string? Encodes a request, once for all attempts.
---@field unary fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@field open fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Stream?, resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure?
---@field close fun(self: resty.etcd.transport.transport.Transport) Frees what the transport holds.

return _M
