-- Generated from src/resty/etcd/transport/http/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A client's own header fields, in the shapes that the two HTTP clients want.
---@class resty.etcd.transport.http.types.ExtraHeaders
---@field fields table
---@field block string The same as text, each line with its line end, without `Host`.
---@field host string? Takes the place of the endpoint's own.

--- What stays the same in all requests of one RPC to one endpoint.
---@class resty.etcd.transport.http.types.RequestTemplate
---@field method "GET"|"POST"
---@field target resty.etcd.endpoint.url.Target
---@field path string Path with everything in front of it.
---@field extra resty.etcd.transport.http.types.ExtraHeaders
---@field connection_options resty.etcd.transport.http.types.ConnectionOptions
---@field pool table The pool of its connections.
---@field head string Request line and header fields, as far as they are the same in all requests.

---@class resty.etcd.transport.http.types.Response
---@field status number
---@field headers table
---@field body string
---@field sock table The connection that it came on; to be given back with `settle`.
---@field keepalive boolean Another request may go out on it.

--- The connections of one client: what decides which of them may be shared.
---@class resty.etcd.transport.http.types.ConnectionOptions
---@field tls resty.etcd.transport.tls.types.TlsOptions
---@field keepalive_ms number How long an idle connection is kept, in milliseconds; 0 keeps none.
---@field pool_size number Idle connections per endpoint and worker.

--- Bytes of a streamed body.
---@class resty.etcd.transport.http.types.Body
---@field read fun(self: resty.etcd.transport.http.types.Body, timeout: number?): string?, string? The next bytes.
---@field peek fun(self: resty.etcd.transport.http.types.Body): string? What has arrived already; nil if nothing has.
---@field last_received_at fun(self: resty.etcd.transport.http.types.Body): number When the last bytes arrived, by `clock.now`.
---@field allow_cancel fun(self: resty.etcd.transport.http.types.Body) Lets `close` end a read of another light thread.
---@field close fun(self: resty.etcd.transport.http.types.Body) Frees the connection; if another light thread reads from it now, that one will.

---@class resty.etcd.transport.http.types.StreamResponse
---@field status number
---@field headers table
---@field body resty.etcd.transport.http.types.Body

--- A way to connect and to send: all that the HTTP clients differ in.
---@class resty.etcd.transport.http.types.Connector
---@field connect fun(route: resty.etcd.transport.http.types.RequestTemplate, delivery: resty.etcd.transport.transport.RequestContext, time: number): table?, string?, boolean?, any? Connects and makes the TLS session.
---@field send fun(link: any, route: resty.etcd.transport.http.types.RequestTemplate, delivery: resty.etcd.transport.transport.RequestContext, body: string): string? Sends a request; returns an error text or nil.

return _M
