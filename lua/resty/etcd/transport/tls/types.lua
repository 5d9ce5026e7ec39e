-- Generated from src/resty/etcd/transport/tls/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- TLS options of a client.
---@class resty.etcd.transport.tls.types.TlsOptions
---@field verify boolean
---@field sni string? Server name for SNI and verification; nil for the host of the endpoint.
---@field cert_path string?
---@field key_path string?
---@field cert string? PEM text.
---@field key string?
---@field trusted_ca string? Path of a file with CA certificates.
---@field identity string Part of the pool name: connections with different TLS options must not share a pool.
---@field pair? resty.etcd.transport.tls.types.ClientCertificate Loaded at the first handshake.
---@field trust? (false|resty.etcd.transport.tls.types.CaStore) Loaded from `trusted_ca` at the first handshake; false if the platform does not support it.

--- Certificate and key as OpenSSL objects.
---@class resty.etcd.transport.tls.types.ClientCertificate: resty.etcd.transport.tls.file_reload.Reloadable
---@field digest string Part of the pool name: connections with a former certificate are not reused.
---@field cert any
---@field key any

--- CA certificates as an OpenSSL object.
---@class resty.etcd.transport.tls.types.CaStore: resty.etcd.transport.tls.file_reload.Reloadable
---@field store resty.etcd.transport.tls.types.Store

--- The part of lua-resty-openssl that is used.
---@class resty.etcd.transport.tls.types.Store
---@field ctx any An `X509_STORE`.
---@field load_file fun(self: resty.etcd.transport.tls.types.Store, path: string): boolean?, string?

return _M
