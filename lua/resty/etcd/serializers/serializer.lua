-- Generated from src/resty/etcd/serializers/serializer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local json = require("resty.etcd.serializers.json")
local raw = require("resty.etcd.serializers.raw")

--- Turns values into what etcd stores and back.
---@class resty.etcd.serializers.serializer.Serializer
---@field serialize fun(value: any): string?, any `nil, err` for a value it cannot store.
---@field deserialize fun(bytes: string): any, any nil for bytes that are no value.

--- A user's own serializer; where it throws, the value counts as one it cannot handle.
---@param own resty.etcd.serializers.serializer.Serializer
---@return resty.etcd.serializers.serializer.Serializer
local function guarded(own)
    return {
        serialize = function(value)
            local ok, bytes, err = pcall(own.serialize, value)
            if not ok then
                return nil, bytes
            end
            return bytes, err
        end,
        deserialize = function(bytes)
            local ok, value = pcall(own.deserialize, bytes)
            if not ok then
                return nil
            end
            return value
        end
    }
end

--- The serializer of a name, or a user's own; anything else means JSON.
---@param choice any
---@return resty.etcd.serializers.serializer.Serializer
local function select_serializer(choice)
    if choice == "raw" then
        return raw
    end
    if type(choice) == "table" then
        return guarded(choice)
    end
    return json
end

--- The bytes of a value, or nil and an error text.
---@param serializer resty.etcd.serializers.serializer.Serializer
---@param value any
---@return string? res
---@return string? err
local function serialize(serializer, value)
    local bytes, err = serializer.serialize(value)
    if type(bytes) ~= "string" then
        return nil, err ~= nil and tostring(err) or "the serializer gave no string"
    end
    return bytes
end
_M.select_serializer = select_serializer
_M.serialize = serialize

return _M
