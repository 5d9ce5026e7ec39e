-- Generated from src/resty/etcd/transport/gateway/json_codec.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("resty.etcd.base.private_cjson")
local enums = require("resty.etcd.protocol.enums")
local int64 = require("resty.etcd.protocol.int64")
local json_text = cjson.encode
local null_value = cjson.null
local encode_base64 = ngx.encode_base64
local decode_base64 = ngx.decode_base64
local concat = table.concat
local EXPECTED = {
    bytes = "string",
    string = "string",
    int64 = "integer",
    uint64 = "integer",
    bool = "boolean"
}

--- Returns the JSON of a scalar or an enum value, or nil if the value has another type.
---@param field resty.etcd.protocol.schema.FieldType
---@param value any
---@return string?
local function scalar_text(field, value)
    local scalar = field.scalar
    if scalar == "bytes" then
        return type(value) == "string" and "\"" .. encode_base64(value) .. "\"" or nil
    end
    if scalar == "bool" then
        return type(value) == "boolean" and tostring(value) or nil
    end
    if scalar == "string" then
        return type(value) == "string" and (json_text(value)) or nil
    end
    if scalar == nil then
        local name = enums.name_of(field.values, value)
        return name ~= nil and "\"" .. name .. "\"" or nil
    end
    local text = int64.to_text(value)
    return text ~= nil and "\"" .. text .. "\"" or nil
end

--- Appends the JSON of a message to `out`. Returns what is wrong with the message, or nil.
---@param out string[]
---@param message table
---@param fields table
---@return string?
local function write_message(out, message, fields)
    local separator = "{\""
    for name, value in pairs(fields) do
        local field = message[name]
        if field == nil then
            return "unknown field " .. name
        end
        out[#out + 1] = separator .. name .. "\":"
        separator = ",\""
        local inner = field.message
        if field.repeated ~= true and inner == nil then
            local text = scalar_text(field, value)
            if text == nil then
                local expected = field.scalar
                return expected ~= nil and name .. " must be " .. EXPECTED[expected] or name .. " has no such value: " .. tostring(value)
            end
            out[#out + 1] = text
        elseif type(value) ~= "table" then
            return name .. " must be table"
        elseif field.repeated ~= true then
            local err = write_message(out, inner, value)
            if err ~= nil then
                return err
            end
        else
            out[#out + 1] = "["
            for i, item in ipairs(value) do
                if i > 1 then
                    out[#out + 1] = ","
                end
                if inner == nil then
                    local text = scalar_text(field, item)
                    if text == nil then
                        return name .. " has no such value: " .. tostring(item)
                    end
                    out[#out + 1] = text
                elseif type(item) ~= "table" then
                    return name .. " must hold tables"
                else
                    local err = write_message(out, inner, item)
                    if err ~= nil then
                        return err
                    end
                end
            end
            out[#out + 1] = "]"
        end
    end
    out[#out + 1] = separator == "{\"" and "{}" or "}"
    return nil
end

--- Encodes a message in the form that the gateway of every etcd version accepts: proto names, int64 in quotes, padded
--- base64, enum names in upper case.
---@param message table
---@param fields table the message; a field of a wrong type is an error
---@return string? res
---@return string? err
local function encode(message, fields)
    local out = {}
    local err = write_message(out, message, fields)
    if err ~= nil then
        return nil, err
    end
    return concat(out)
end

--- Converts a scalar of a reply.
---@param field resty.etcd.protocol.schema.FieldType
---@param value any
---@return any # the value, nil if it is zero; the second is true if the value has another type
---@return boolean?
local function read_scalar(field, value)
    local scalar = field.scalar
    if scalar == "bytes" then
        if value == "" then
            return nil
        end
        if type(value) ~= "string" then
            return nil, true
        end
        local bytes = decode_base64(value)
        return bytes, bytes == nil
    end
    if scalar == "bool" then
        if value == false then
            return nil
        end
        return value, value ~= true
    end
    if scalar == "string" then
        if value == "" then
            return nil
        end
        return value, type(value) ~= "string"
    end
    if scalar == nil then
        local name = enums.name_of(field.values, value)
        if name ~= nil and field.values[name] == 0 then
            return nil
        end
        return name, name == nil
    end
    local text = int64.read(value, scalar == "int64")
    if text == "0" then
        return nil
    end
    return text, text == nil
end

--- Converts the decoded JSON of a message in place. Returns the name of a malformed field, or nil.
---@param message table
---@param name string
---@param json any
---@return string?
local function read_message(message, name, json)
    if type(json) ~= "table" then
        return name
    end
    local fields = json
    for key, value in pairs(fields) do
        do
            local field = message[key]
            if field == nil then
                goto __continue38
            end
            local inner = field.message
            if value == null_value then
                fields[key] = nil
            elseif field.repeated ~= true and inner == nil then
                local scalar, bad = read_scalar(field, value)
                if bad == true then
                    return key
                end
                fields[key] = scalar
            elseif field.repeated ~= true then
                local bad = read_message(inner, key, value)
                if bad ~= nil then
                    return bad
                end
            elseif type(value) ~= "table" then
                return key
            else
                local items = value
                local n = #items
                for i = 1, n do
                    if inner ~= nil then
                        local bad = read_message(inner, key, items[i])
                        if bad ~= nil then
                            return bad
                        end
                    else
                        local scalar, bad = read_scalar(field, items[i])
                        if bad == true or scalar == nil then
                            return key
                        end
                        items[i] = scalar
                    end
                end
                if n == 0 then
                    fields[key] = nil
                end
            end
        end
        ::__continue38::
    end
    return nil
end

--- Converts decoded JSON to a message in place. Fields that the schema does not contain are left unchanged.
---@param message table
---@param json any
---@return string? # nil, or the name of a malformed field
local function decode(message, json)
    return read_message(message, "body", json)
end
_M.decode = decode
_M.encode = encode

return _M
