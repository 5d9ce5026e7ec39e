-- Generated from src/resty/etcd/serializers/raw.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Returns a string unchanged. Other types are errors.
---@param value any
---@return string? res
---@return string? err
local function serialize(value)
    if type(value) ~= "string" then
        return nil, "unsupported type for " .. type(value)
    end
    return value
end

--- Returns the stored bytes unchanged.
---@param value any
---@return string? res
---@return string? err
local function deserialize(value)
    return serialize(value)
end
_M.deserialize = deserialize
_M.serialize = serialize

return _M
