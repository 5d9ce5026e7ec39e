-- Generated from src/resty/etcd/transport/transport.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What belongs to one request. Times are those of `clock.now`.
---@class resty.etcd.transport.transport.RequestContext
---@field is_repeatable boolean The request can be sent again if a pooled connection turns out to be dead.
---@field token string?
---@field unix_proxy string? `unix:/path` to connect to instead, while something answers there.
---@field started number
---@field deadline number? nil leaves the time to nginx's own socket timeouts.
---@field connect_deadline number? The connection must stand by then.
---@field handshake_deadline number? And its TLS session by then.
---@field send_timeout_header boolean The server is told how much time there is, so that it gives up a little earlier by itself.
---@field require_leader boolean The server ends the stream when its member has lost the leader.

--- What an RPC was answered with.
---@class resty.etcd.transport.transport.Reply
---@field status number HTTP status; 200 where the wire has none.
---@field headers table
---@field body table

--- One go at a call.
---@class resty.etcd.transport.transport.Attempt: resty.etcd.transport.transport.RequestContext
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint
---@field semantics "read"|"write"|"idempotent"
---@field may_relogin boolean If etcd refuses the token, there will be another attempt with a new one.
---@field received number Bytes of the answer's body; for the transport to tell.

--- Messages of a stream, one by one.
---@class resty.etcd.transport.transport.Stream
---@field endpoint string Where it comes from, as configured.
---@field recv fun(self: resty.etcd.transport.transport.Stream, timeout: number?): table?, resty.etcd.protocol.errors.EtcdError? The next message.
---@field peek fun(self: resty.etcd.transport.transport.Stream, timeout: number?): table? The next message, without taking it: `recv` will give it. An error is nil here, and `recv`'s to give.
---@field try_recv fun(self: resty.etcd.transport.transport.Stream): table? A message that has arrived already, nil if none has.
---@field last_received_at fun(self: resty.etcd.transport.transport.Stream): number When the last byte arrived, by `clock.now`.
---@field allow_cancel fun(self: resty.etcd.transport.transport.Stream) Lets `close` end the stream while another light thread waits in `recv`, at the cost of waking up for it.
---@field close fun(self: resty.etcd.transport.transport.Stream) Ends the stream.

--- A way to reach etcd: the seam between calls and wires.
---@class resty.etcd.transport.transport.Transport
---@field encode fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, request: table): string?, string? Encodes a request, once for all attempts.
---@field unary fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Reply?, resty.etcd.protocol.errors.EtcdError?, resty.etcd.transport.transport.Reply? On an error answer of the server the reply, if there is one, is the third value.
---@field open fun(self: resty.etcd.transport.transport.Transport, rpc: resty.etcd.protocol.rpc.Rpc, payload: string, attempt: resty.etcd.transport.transport.Attempt): resty.etcd.transport.transport.Stream?, resty.etcd.protocol.errors.EtcdError?, resty.etcd.transport.transport.Reply?
---@field close fun(self: resty.etcd.transport.transport.Transport) Frees what the transport holds.

return _M
