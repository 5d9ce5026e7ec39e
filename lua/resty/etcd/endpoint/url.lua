-- Generated from src/resty/etcd/endpoint/url.ts by TypeScriptToLua. Do not edit.
local _M = {}
local match = string.match
local find = string.find
local sub = string.sub
local lower = string.lower
local DEFAULT_PORT = 2379

--- Where the requests of an endpoint go.
---@class resty.etcd.endpoint.url.Target
---@field scheme "http"|"https"
---@field host string Host name, address or `[v6]`; `unix:/path` for a socket in the file system.
---@field port? number Nil for a unix socket.
---@field authority string The `Host` header.
---@field server_name string What the TLS certificate must be made out to, unless the client says otherwise.
---@field path string Path prefix without trailing slash, "" for none.

local function port_of(text)
    if text == nil then
        return DEFAULT_PORT
    end
    local port = tonumber(text)
    return port ~= nil and port >= 1 and port <= 65535 and port or nil
end

--- The path part of a URL without trailing slashes; nil if it holds a query, blanks or control characters.
---@param path string
---@return string?
local function clean_path(path)
    local bad = find(path, "[%c%s?#]")
    if bad ~= nil then
        return nil
    end
    local clean = match(path, "^(.-)/*$")
    return clean
end

--- `/path/to/socket`, or `/path/to/socket:/url/path` as nginx writes it.
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

--- Reads an endpoint: `http://host`, `https://host:port/path`, `http://[v6]:port`, `unix:/path`,
--- `http://unix:/path:/url`. The port is 2379 where none is given.
---@param url string
---@param dns_name? string what the server is called, where the URL has its address
---@return resty.etcd.endpoint.url.Target? # the target, nil if the text is no endpoint
local function parse(url, dns_name)
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
    if host == nil or tail == nil then
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
_M.parse = parse

return _M
