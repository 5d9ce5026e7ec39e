-- Generated from src/resty/etcd/endpoint/url_hints.ts by TypeScriptToLua. Do not edit.
local _M = {}
local urls = require("resty.etcd.endpoint.url")
local concat = table.concat
local find = string.find
local USER = "a URL has no user and password: use the options user and password"
local LIST = "several endpoints are an array: http_host = { \"http://a:2379\", \"http://b:2379\" }"
local BLANKS = "a URL has no blanks, line breaks or control characters"
local QUERY = "a URL has no query and no fragment"
local TOO_LONG = "a URL has at most 2048 bytes, and its host at most 255"
local SCHEME = "the scheme is missing: write http://<host>:<port> or https://<host>:<port>"
local OTHER_SCHEME = "the scheme must be http or https, or unix:<path>"
local FORM = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets"

--- Adds a hint to a list if a position was found.
---@param hints string[]
---@param at number?
---@param hint string
local function add_if(hints, at, hint)
    if at ~= nil then
        hints[#hints + 1] = hint
    end
end

--- Returns what is probably wrong with an endpoint URL that does not parse.
---@param url string
---@return string
local function of(url)
    local found = {}
    add_if(found, (find(url, "@", 1, true)), USER)
    add_if(found, (find(url, ",", 1, true)), LIST)
    add_if(found, (find(url, "[%s%c]")), BLANKS)
    add_if(found, (find(url, "[?#]")), QUERY)
    if #url > urls.MAX_HOST_LENGTH then
        found[#found + 1] = TOO_LONG
    end
    local scheme = find(url, "^%s*%a[%w+.-]*://")
    local known = find(url, "^%s*[hH][tT][tT][pP][sS]?://")
    if scheme == nil then
        found[#found + 1] = SCHEME
    elseif known == nil then
        found[#found + 1] = OTHER_SCHEME
    end
    return #found > 0 and concat(found, "; ") or FORM
end
_M.of = of

return _M
