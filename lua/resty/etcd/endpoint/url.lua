-- Generated from src/resty/etcd/endpoint/url.ts by TypeScriptToLua. Do not edit.
local _M = {}
local match = string.match
local find = string.find
local sub = string.sub
local lower = string.lower
local byte = string.byte
local DEFAULT_PORT = 2379
local SLASH = 47

--- Maximum bytes of a URL. Member lists contain URLs that a server chooses.
local MAX_LENGTH = 2048

--- Maximum bytes of a host name, as in DNS.
local MAX_HOST_LENGTH = 255

--- A parsed endpoint URL.
---@class resty.etcd.endpoint.url.Target
---@field scheme "http"|"https"
---@field host string Host name, address or `[v6]`; `unix:/path` for a unix socket.
---@field port? number Nil for a unix socket.
---@field authority string The `Host` header.
---@field server_name string Name that the TLS certificate must be valid for, unless the option `tls_server_name` overrides it.
---@field path string Path prefix without trailing slash, "" for none.

local function port_of(text)
    if text == nil then
        return DEFAULT_PORT
    end
    local port = tonumber(text)
    return port ~= nil and port >= 1 and port <= 65535 and port or nil
end

--- Returns a URL or path without trailing slashes.
---@param text string
---@return string
local function without_trailing_slashes(text)
    local last = #text
    while byte(text, last) == SLASH do
        last = last - 1
    end
    return sub(text, 1, last)
end

--- Returns the path of a URL without trailing slashes, or nil if it contains a query, blanks or control characters.
---@param path string
---@return string?
local function clean_path(path)
    local invalid = find(path, "[%c%s?#]")
    if invalid ~= nil then
        return nil
    end
    return without_trailing_slashes(path)
end

--- Parses `/path/to/socket`, or `/path/to/socket:/url/path` as in nginx's `proxy_pass`.
---@param scheme "http"|"https"
---@param rest string
---@return resty.etcd.endpoint.url.Target?
local function parse_unix(scheme, rest)
    local socket, url = match(rest, "^(/[^:%c]+):?(.*)$")
    if socket == nil or url == nil then
        return nil
    end
    local path = clean_path(url)
    if path == nil or path ~= "" and sub(path, 1, 1) ~= "/" then
        return nil
    end
    return {
        scheme = scheme,
        host = "unix:" .. socket,
        authority = "localhost",
        server_name = "localhost",
        path = path
    }
end

--- Parses an endpoint URL: `http://host`, `https://host:port/path`, `http://[v6]:port`, `unix:/path`,
--- `http://unix:/path:/url`. The default port is 2379. A URL of more than 2048 bytes and a host of more than 255 are invalid.
---@param url string
---@param dns_name? string name of the server, if the URL contains its address
---@return resty.etcd.endpoint.url.Target? # the target, or nil if the URL is invalid
local function parse(url, dns_name)
    if #url > MAX_LENGTH then
        return nil
    end
    local bare = match(url, "^unix:(.+)$")
    if bare ~= nil then
        return parse_unix("http", bare)
    end
    local scheme_text, rest = match(url, "^(%a+)://(.+)$")
    local scheme = lower(scheme_text or "")
    if rest == nil or scheme ~= "http" and scheme ~= "https" then
        return nil
    end
    local socket = match(rest, "^unix:(.+)$")
    if socket ~= nil then
        return parse_unix(scheme, socket)
    end
    local host, tail = match(rest, "^(%[[%x:.]+%])(.*)$")
    if host == nil then
        host, tail = match(rest, "^([%w%-_.]+)(.*)$")
    end
    if host == nil or tail == nil or #host > MAX_HOST_LENGTH then
        return nil
    end
    local digits, after = match(tail, "^:(%d+)(.*)$")
    local port = port_of(digits)
    local path = clean_path(after or tail)
    if port == nil or path == nil or path ~= "" and sub(path, 1, 1) ~= "/" then
        return nil
    end
    local v6 = match(host, "^%[(.*)%]$")
    return {
        scheme = scheme,
        host = host,
        port = port,
        authority = (dns_name or host) .. ":" .. tostring(port),
        server_name = dns_name or v6 or host,
        path = path
    }
end
_M.MAX_HOST_LENGTH = MAX_HOST_LENGTH
_M.parse = parse
_M.without_trailing_slashes = without_trailing_slashes

return _M
