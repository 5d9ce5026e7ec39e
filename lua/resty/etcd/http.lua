-- Generated from src/resty/etcd/http.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A client's own header fields, in the shapes that the two HTTP clients want.
---@class resty.etcd.http.Extra
---@field fields table
---@field block string The same as text, each line with its line end, without `Host`.
---@field host string? Takes the place of the endpoint's own.

---@class resty.etcd.http.Request
---@field method "GET"|"POST"
---@field target resty.etcd.target.Target
---@field via string? `unix:/path` to connect to instead, while something answers there.
---@field path string Path with everything in front of it.
---@field extra resty.etcd.http.Extra
---@field token string?
---@field body string?
---@field repeatable boolean The request may be sent again if a pooled connection turns out to be dead.

---@class resty.etcd.http.Reply
---@field status number
---@field headers table
---@field body string

--- The connections of one client: what decides which of them may be shared.
---@class resty.etcd.http.Peer
---@field tls resty.etcd.tls.Tls
---@field keepalive_ms number How long an idle connection is kept, in milliseconds; 0 keeps none.
---@field pool_size number Idle connections per endpoint and worker.

--- Times are those of `clock.now`; nil leaves it to nginx's own socket timeouts.
---@class resty.etcd.http.Budget
---@field deadline number?
---@field connect_by number? The connection must stand by then.

--- Bytes of a streamed body.
---@class resty.etcd.http.Body
---@field read fun(timeout: number): string?, string? The next bytes.
---@field peek fun(): string? What has arrived already; nil if nothing has.
---@field close fun() Frees the connection; if another light thread reads from it now, that one will.

---@class resty.etcd.http.Opening
---@field status number
---@field headers table
---@field body resty.etcd.http.Body

--- An HTTP client. Beside the result and the error text it tells whether some of the request
--- may have left.
---@class resty.etcd.http.HttpClient
---@field exchange fun(peer: resty.etcd.http.Peer, request: resty.etcd.http.Request, budget: resty.etcd.http.Budget): resty.etcd.http.Reply?, string?, boolean?
---@field open fun(peer: resty.etcd.http.Peer, request: resty.etcd.http.Request, budget: resty.etcd.http.Budget): resty.etcd.http.Opening?, string?, boolean?

return _M
