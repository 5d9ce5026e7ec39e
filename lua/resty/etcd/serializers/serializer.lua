-- Generated from src/resty/etcd/serializers/serializer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local json = require("resty.etcd.serializers.json")
local json_exact = require("resty.etcd.serializers.json_exact")
local raw = require("resty.etcd.serializers.raw")

--- Converts values to bytes for etcd and back.
---@class resty.etcd.serializers.serializer.Serializer
---@field serialize fun(value: any): string?, any Returns nil and an error if it cannot convert the value.
---@field deserialize fun(bytes: string): any, any Returns nil if the bytes are invalid.

--- Checks the option where unknown names are errors. Returns an error text, or nil if it is valid.
---@param choice any
---@return string?
local function check(choice)
    if choice == "json" or choice == "json_exact" or choice == "raw" then
        return nil
    end
    if type(choice) == "table" then
        local custom = choice
        if type(custom.serialize) == "function" and type(custom.deserialize) == "function" then
            return nil
        end
    end
    return "opts.serializer must be \"json\", \"json_exact\", \"raw\", or a table with serialize and deserialize"
end

--- Wraps a serializer of the user: an error that it throws is returned like one that it returns.
---@param serializer resty.etcd.serializers.serializer.Serializer
---@return resty.etcd.serializers.serializer.Serializer
local function guarded(serializer)
    return {
        serialize = function(value)
            local ok, bytes, err = pcall(serializer.serialize, value)
            if not ok then
                return nil, bytes
            end
            return bytes, err
        end,
        deserialize = function(bytes)
            local ok, value = pcall(serializer.deserialize, bytes)
            if not ok then
                return nil
            end
            return value
        end
    }
end

--- Returns the serializer for the option `serializer`: its name, or a table of the user. All other values select JSON.
---@param choice any
---@return resty.etcd.serializers.serializer.Serializer
local function select_serializer(choice)
    if choice == "raw" then
        return raw
    end
    if choice == "json_exact" then
        return json_exact
    end
    if type(choice) == "table" then
        return guarded(choice)
    end
    return json
end

--- Returns the choice for documents that are written back: `json_exact` instead of the default.
---@param serializer resty.etcd.serializers.serializer.Serializer
---@return "raw"|resty.etcd.serializers.serializer.Serializer|"json"|"json_exact"
local function exact_choice(serializer)
    return serializer == json and "json_exact" or serializer
end

--- Returns the bytes of a value, or nil and an error text.
---@param serializer resty.etcd.serializers.serializer.Serializer
---@param value any
---@return string? res
---@return string? err
local function serialize(serializer, value)
    local bytes, err = serializer.serialize(value)
    if type(bytes) ~= "string" then
        return nil, err ~= nil and tostring(err) or "the serializer returned no string"
    end
    return bytes
end
_M.check = check
_M.exact_choice = exact_choice
_M.select_serializer = select_serializer
_M.serialize = serialize

return _M
