-- Generated from src/resty/etcd/protocol/int64.ts by TypeScriptToLua. Do not edit.
local _M = {}
local format = string.format
local find = string.find
local floor = math.floor
local byte = string.byte

--- Integers up to this one are exact as Lua numbers.
local EXACT = 2 ^ 53

--- Returns the decimal text of an int64 that a caller passed as string, number or cdata, or nil for anything else.
---@param value any
---@return string?
local function to_text(value)
    if type(value) == "number" then
        return floor(value) == value and value >= -EXACT and value <= EXACT and format("%d", value) or nil
    end
    local text
    if type(value) == "string" then
        text = value
    elseif type(value) == "cdata" then
        text = string.gsub(
            tostring(value),
            "U?LL$",
            ""
        )
    else
        return nil
    end
    local from = find(text, "^-?%d+$")
    return from ~= nil and #text <= 20 and text or nil
end

--- Reports whether text from the server can be an int64, by its first byte and its length. This runs for every key.
---@param text string
---@return boolean
local function is_plausible(text)
    local first = byte(text, 1)
    return first ~= nil and first <= 57 and (first >= 48 or first == 45) and #text <= 20
end
_M.is_plausible = is_plausible
_M.to_text = to_text

return _M
