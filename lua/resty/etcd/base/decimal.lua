-- Generated from src/resty/etcd/base/decimal.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The greatest integer that is exact as a Lua number. 2^53 is also what 2^53 + 1 is rounded to: a loop that counts up to it
-- never ends.
local MAX = 2 ^ 53 - 1

--- Digits of `MAX`.
local MAX_DIGITS = 16

--- Returns the number of a text of decimal digits that was stored outside of this process. Returns nil for any other text,
--- and if the number is not exact.
---@param text string?
---@return number?
local function parse(text)
    if text == nil or #text > MAX_DIGITS then
        return nil
    end
    local digits = string.match(text, "^%d+$")
    local value = digits ~= nil and tonumber(digits, 10) or math.huge
    return value <= MAX and value or nil
end
_M.MAX = MAX
_M.parse = parse

return _M
