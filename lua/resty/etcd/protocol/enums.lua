-- Generated from src/resty/etcd/protocol/enums.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Returns the name of an enum value in any spelling that an etcd accepts: the name, in upper or lower case, its number, or
--- the digits of its number.
---@param values table<string, number>
---@param value any
---@return string? # nil if the enum has no such value
local function name_of(values, value)
    local wanted = type(value) == "string" and (tonumber(value) or string.upper(value)) or value
    for name, number in pairs(values) do
        if name == wanted or number == wanted then
            return name
        end
    end
    return nil
end
_M.name_of = name_of

return _M
