-- Generated from src/resty/etcd/api/txn_compare.ts by TypeScriptToLua. Do not edit.
local _M = {}
local warn_once = require("resty.etcd.base.warn_once")
local enums = require("resty.etcd.protocol.enums")
local schema = require("resty.etcd.protocol.schema")
local json = require("resty.etcd.serializers.json")
local serializers = require("resty.etcd.serializers.serializer")

--- The value field of each target.
local VALUE_FIELDS = {
    VERSION = "version",
    CREATE = "create_revision",
    MOD = "mod_revision",
    VALUE = "value",
    LEASE = "lease"
}

--- Checks that the value field of a comparison belongs to its target. etcd compares with 0 if it does not, which holds for a
--- key that does not exist.
---@param message table
---@param target string? name of the target; nil if the comparison has none, which means VERSION
---@return string?
local function check_value_field(message, target)
    local expected = VALUE_FIELDS[target or "VERSION"]
    for _, field in pairs(VALUE_FIELDS) do
        if field ~= expected and message[field] ~= nil then
            return target ~= nil and "compare: target " .. target .. " takes " .. expected .. ", not " .. field or "compare: " .. field .. " needs a target; the default is VERSION"
        end
    end
    if message[expected] == nil then
        warn_once.warn("txn", "a comparison without " .. expected .. ": etcd compares with 0 or an empty value")
    end
    return nil
end

--- Reports whether a value has a table with two or more string keys, at any depth.
---@param value any
---@return boolean
local function has_unordered_fields(value)
    if type(value) ~= "table" then
        return false
    end
    local names = 0
    for name, inner in pairs(value) do
        names = names + (type(name) == "string" and 1 or 0)
        if names > 1 or has_unordered_fields(inner) then
            return true
        end
    end
    return false
end

--- Checks a comparison, and serializes its value in place. Returns an error text, or nil.
---@param cli resty.etcd.call.client_state.ClientState
---@param message table
---@return string?
local function prepare(cli, message)
    local target = message.target
    local name
    if target ~= nil then
        name = enums.name_of(schema.compare_target, target)
        if name == nil then
            return "target has no such value: " .. tostring(target)
        end
    end
    local problem = check_value_field(message, name)
    local value = message.value
    if problem ~= nil or value == nil then
        return problem
    end
    local bytes, err = serializers.serialize(cli.serializer, value)
    if bytes == nil then
        return err
    end
    if cli.serializer == json and has_unordered_fields(value) then
        warn_once.warn("txn", "a comparison with a table of several fields: JSON has no order of fields, so equal tables can differ; " .. "compare mod_revision instead")
    end
    message.value = bytes
    return nil
end
_M.prepare = prepare

return _M
