-- Generated from src/resty/etcd/endpoint/url_hints.ts by TypeScriptToLua. Do not edit.
local _M = {}
local concat = table.concat
local find = string.find

--- What is wrong with a URL that does not parse: a Lua pattern, and what to write instead.
local PROBLEMS = {{"@", "a URL has no user and password: use the options user and password"}, {",", "several endpoints are an array: http_host = { \"http://a:2379\", \"http://b:2379\" }"}, {"[%s%c]", "a URL has no blanks, line breaks or control characters"}, {"[?#]", "a URL has no query and no fragment"}}
local SCHEME = "the scheme is missing: write http://<host>:<port> or https://<host>:<port>"
local OTHER_SCHEME = "the scheme must be http or https, or unix:<path>"
local FORM = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets"

--- Returns what is probably wrong with an endpoint URL that does not parse.
---@param url string
---@return string
local function of(url)
    local found = {}
    for ____, ____value in ipairs(PROBLEMS) do
        local pattern = ____value[1]
        local hint = ____value[2]
        local from = find(url, pattern)
        if from ~= nil then
            found[#found + 1] = hint
        end
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
