-- Generated from src/resty/etcd/transport/response_text.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Texts of servers, as errors show them.
local find = string.find
local sub = string.sub

--- Shortest token that is removed from texts: etcd's are longer, and a shorter one could be part of any message.
local MIN_TOKEN = 8

--- Characters of a token that are searched for.
local MAX_NEEDLE = 32

--- Characters of a text that are searched for tokens.
local MAX_SNIPPET = 65536

--- Shortens text of a server to one line for an error message.
---@param text string
---@return string
local function snippet(text)
    local line = string.gsub(
        sub(text, 1, 200),
        "[%c%s]+",
        " "
    )
    local trimmed = string.match(line, "^ ?(.-) ?$")
    return #text > 200 and tostring(trimmed) .. "..." or (trimmed or "")
end

--- Removes the token from text of a server, because a server or a proxy can echo the request.
---@param text string
---@param token string? token of the request; nil if it had none
---@return string
local function redact_token(text, token)
    if token == nil or #token < MIN_TOKEN then
        return text
    end
    local beginning = sub(token, 1, MAX_NEEDLE)
    local from = find(text, beginning, 1, true)
    if from == nil then
        return text
    end
    local at = 1
    local parts = {}
    while from ~= nil and from <= MAX_SNIPPET do
        parts[#parts + 1] = sub(text, at, from - 1)
        at = from + #token
        from = find(text, beginning, at, true)
    end
    parts[#parts + 1] = sub(text, at)
    return table.concat(parts, "...")
end

--- Reports whether a text is a page of a web server or a proxy.
---@param text string
---@return boolean
local function is_markup(text)
    local from = find(text, "^%s*<")
    return from ~= nil
end

--- Returns the title of a page, or its beginning.
---@param text string
---@return string
local function page_text(text)
    local ____, title_at = find(text, "<[Tt][Ii][Tt][Ll][Ee]>")
    local title_end = find(text, "</", title_at, true)
    if title_at == nil or title_end == nil then
        return snippet(text)
    end
    return snippet(sub(text, title_at + 1, title_end - 1))
end

--- Returns the text of an error for a response that is not etcd's.
---@param status number
---@param text string
---@return string
local function foreign_text(status, text)
    return "HTTP " .. tostring(status) .. " from something that is not etcd: " .. (text ~= "" and text or "empty response")
end
_M.foreign_text = foreign_text
_M.is_markup = is_markup
_M.page_text = page_text
_M.redact_token = redact_token
_M.snippet = snippet

return _M
