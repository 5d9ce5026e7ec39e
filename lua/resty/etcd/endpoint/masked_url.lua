-- Generated from src/resty/etcd/endpoint/masked_url.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")
local find = string.find
local gsub = string.gsub
local match = string.match
local MASK = "***"

--- Returns a URL of a list without its user info. Everything up to the last `@` is masked: a password can contain any byte.
---@param url string
---@return string
local function mask_one(url)
    local scheme, rest = match(url, "^(%s*%a[%w+.-]*://)(.*)$")
    local host = match(rest or url, "^.*(@.*)$")
    return host ~= nil and (scheme or "") .. MASK .. host or url
end

--- Returns a URL for error texts and log lines: user and password, if there are any, are masked. A text that is no string is
--- returned as text.
---@param url any
---@return string
local function mask(url)
    local text = tostring(url)
    local at = find(text, "@", 1, true)
    if at == nil then
        return printable.of(text)
    end
    local lines = gsub(text, ",(%s*%a[%w+.-]*://)", "\000%1")
    local masked = gsub(lines, "[^%z]+", mask_one)
    local joined = gsub(masked, "%z", ",")
    return printable.of(joined)
end
_M.mask = mask

return _M
