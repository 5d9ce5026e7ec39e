-- Generated from src/resty/etcd/transport/http/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Header fields of the option `extra_headers`, in the forms that the two connectors need.
---@class resty.etcd.transport.http.types.ExtraHeaders
---@field fields table
---@field block string The fields as text, each line with its line break, without `Host`.
---@field host string? Replaces the host of the endpoint in `Host`; nil if not given.

--- The part that all requests of one RPC to one endpoint have in common.
---@class resty.etcd.transport.http.types.RequestTemplate
---@field method "GET"|"POST"
---@field target resty.etcd.endpoint.url.Target
---@field path string Path, with the prefix of the API.
---@field extra resty.etcd.transport.http.types.ExtraHeaders
---@field connection_options resty.etcd.transport.http.types.ConnectionOptions
---@field pool table Options of the connection pool.
---@field head string Request line and the header fields that are equal in all requests.

---@class resty.etcd.transport.http.types.Response
---@field status number
---@field headers table
---@field body string
---@field sock table The connection; the caller passes it to `release_connection`.
---@field keepalive boolean The connection can be reused.

--- Options of the connections of a client. Connections with equal options share pools.
---@class resty.etcd.transport.http.types.ConnectionOptions
---@field tls resty.etcd.transport.tls.types.TlsOptions
---@field keepalive_ms number Milliseconds after which an idle connection is closed; 0 keeps none.
---@field pool_size number Largest number of idle connections per endpoint and worker.

--- A response body that is read as it arrives.
---@class resty.etcd.transport.http.types.Body
---@field read fun(self: resty.etcd.transport.http.types.Body, timeout: number?): string?, resty.etcd.transport.fault.Fault? Returns the next bytes.
---@field peek fun(self: resty.etcd.transport.http.types.Body): string? Returns bytes that have arrived already, or nil.
---@field last_received_at fun(self: resty.etcd.transport.http.types.Body): number Returns the time at which the last bytes arrived, by `clock.now`.
---@field allow_cancel fun(self: resty.etcd.transport.http.types.Body) Lets `close` end a read of another light thread.
---@field end_at_exit fun(self: resty.etcd.transport.http.types.Body) Lets a read return `closed` when the worker is exiting.
---@field close fun(self: resty.etcd.transport.http.types.Body) Closes the connection; if another light thread is reading from it, that one closes it.

---@class resty.etcd.transport.http.types.StreamResponse
---@field status number
---@field headers table
---@field body resty.etcd.transport.http.types.Body

--- Connects and sends: the difference between the two HTTP clients.
---@class resty.etcd.transport.http.types.Connector
---@field connect fun(template: resty.etcd.transport.http.types.RequestTemplate, context: resty.etcd.transport.transport.RequestContext, time: number): table?, resty.etcd.transport.fault.Fault?, boolean?, any? Connects and performs the TLS handshake.
---@field send fun(link: any, template: resty.etcd.transport.http.types.RequestTemplate, context: resty.etcd.transport.transport.RequestContext, body: string): resty.etcd.transport.fault.Fault? Sends a request; returns a fault or nil.

return _M
