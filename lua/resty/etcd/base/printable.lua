-- Generated from src/resty/etcd/base/printable.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local utf8 = require("resty.etcd.base.utf8")
local byte = string.byte
local concat = table.concat
local find = string.find
local max = math.max
local sub = string.sub

--- Maximum bytes of a text of a server, a library or a user's function: nginx without patches cuts its lines there.
local MAX_TEXT = 2048

--- Maximum bytes of a key, a prefix or a name. A log line can contain several of them.
local MAX_KEY = 256

--- Stands for each character that is removed.
local REPLACEMENT = "?"

--- Follows a text that is cut.
local CUT = "..."

--- Pattern of a byte that is not a printable character of ASCII.
local NOT_PLAIN = "[^ -~]"

--- Reports whether a valid character of two bytes is a control character (C1), or changes the direction of the text.
---@param a number
---@param b number
---@return boolean
local function is_control_of_two(a, b)
    return a == 194 and b < 160 or a == 216 and b == 156
end

--- Reports whether a valid character of three bytes separates lines, or changes the direction of the text.
---@param a number
---@param b number
---@param c number
---@return boolean
local function is_control_of_three(a, b, c)
    if a ~= 226 then
        return false
    end
    if b == 128 then
        return c == 142 or c == 143 or c >= 168 and c <= 174
    end
    return b == 129 and c >= 166 and c <= 169
end

--- Returns the length of the character at a byte that is not plain, if it can be shown; 0 otherwise.
---@param text string
---@param at number
---@return number
local function shown_length(text, at)
    local a, b, c, d = byte(text, at, at + 3)
    local length = utf8.length_of(a, b, c, d)
    if length == 2 and is_control_of_two(a, b) or length == 3 and is_control_of_three(a, b, c) then
        return 0
    end
    return length
end

--- Replaces each byte that cannot be shown, and each character that would change what people read.
---@param text string
---@return string
local function clean(text)
    local at = find(text, NOT_PLAIN)
    if at == nil then
        return text
    end
    local parts = {}
    local from = 1
    while at ~= nil do
        local length = shown_length(text, at)
        if length == 0 then
            parts[#parts + 1] = sub(text, from, at - 1)
            parts[#parts + 1] = REPLACEMENT
            from = at + 1
        end
        at = at + max(1, length)
        at = find(text, NOT_PLAIN, at)
    end
    parts[#parts + 1] = sub(text, from)
    return concat(parts)
end

--- Returns text from outside the driver in a form that cannot do harm where people read it: in a log line, an error text or
--- the label of a metric. Etcd, other tenants' keys, files and functions of users must not add lines to a log or send escape
--- sequences to a terminal. Control characters (C0, DEL, C1), line separators, characters that change the direction of the
--- text, and bytes that are not UTF-8 become `?`; a longer text is cut. All other texts are returned unchanged.
---@param value any text; any other value is converted
---@param limit? number maximum number of bytes, `MAX_TEXT` by default
---@return string
local function of(value, limit)
    if limit == nil then
        limit = MAX_TEXT
    end
    local text = type(value) == "string" and value or error_text.of(value, "nil")
    if #text > limit then
        text = sub(text, 1, limit - #CUT) .. CUT
    end
    return clean(text)
end

--- Returns a key, a prefix or a name in the same form.
---@param value any
---@return string
local function key(value)
    return of(value, MAX_KEY)
end
_M.key = key
_M.of = of
_M.MAX_KEY = MAX_KEY
_M.MAX_TEXT = MAX_TEXT

return _M
