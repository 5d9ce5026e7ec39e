-- Generated from src/resty/etcd/core.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What the call path needs of a client. Users may write to the fields of the first group.
---@class resty.etcd.core.Core: resty.etcd.balancer.Ring
---@field timeout number Seconds for a call, 0 for nginx's own socket timeouts.
---@field unix_socket_proxy? string `unix:/path` that stands in for the endpoints while it answers.
---@field transport resty.etcd.transport.Transport
---@field auth resty.etcd.auth.Auth? Nil without user and password.
---@field extra_json string? The user's own header fields as JSON, for the log; nil if there are none.

return _M
