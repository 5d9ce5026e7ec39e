-- Generated from src/resty/etcd/transport.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What an RPC was answered with.
---@class resty.etcd.transport.Reply
---@field status number HTTP status; 200 where the wire has none.
---@field headers table
---@field body table

--- One go at a call.
---@class resty.etcd.transport.Attempt: resty.etcd.http.Delivery
---@field endpoint resty.etcd.endpoint.Endpoint
---@field may_relogin boolean If etcd refuses the token, there will be another attempt with a new one.
---@field received number Bytes of the answer's body; for the transport to tell.

--- Messages of a stream, one by one.
---@class resty.etcd.transport.Stream
---@field endpoint string Where it comes from, as configured.
---@field recv fun(self: resty.etcd.transport.Stream, timeout: number?): table?, resty.etcd.errors.EtcdError? The next message.
---@field peek fun(self: resty.etcd.transport.Stream, timeout: number?): table? The next message, without taking it: `recv` will give it. An error is nil here, and `recv`'s to give.
---@field try_recv fun(self: resty.etcd.transport.Stream): table? A message that has arrived already, nil if none has.
---@field heard_at fun(self: resty.etcd.transport.Stream): number When the last byte arrived, by `clock.now`.
---@field allow_cancel fun(self: resty.etcd.transport.Stream) Lets `close` end the stream while another light thread waits in `recv`, at the cost of waking up for it.
---@field close fun(self: resty.etcd.transport.Stream) Ends the stream.

--- A way to reach etcd: the seam between calls and wires.
---@class resty.etcd.transport.Transport
---@field encode fun(self: resty.etcd.transport.Transport, rpc: resty.etcd.rpc.Rpc, request: table): string?, string? Encodes a request, once for all attempts.
---@field unary fun(self: resty.etcd.transport.Transport, rpc: resty.etcd.rpc.Rpc, payload: string, attempt: resty.etcd.transport.Attempt): resty.etcd.transport.Reply?, resty.etcd.errors.EtcdError?, resty.etcd.transport.Reply? On an error answer of the server the reply, if there is one, is the third value.
---@field open fun(self: resty.etcd.transport.Transport, rpc: resty.etcd.rpc.Rpc, payload: string, attempt: resty.etcd.transport.Attempt): resty.etcd.transport.Stream?, resty.etcd.errors.EtcdError?, resty.etcd.transport.Reply?
---@field close fun(self: resty.etcd.transport.Transport) Frees what the transport holds.

return _M
