-- Generated from src/resty/etcd/discovery/instance.ts by TypeScriptToLua. Do not edit.
local _M = {}
local error_text = require("resty.etcd.base.error_text")
local nearest_name = require("resty.etcd.base.nearest_name")
local json_exact = require("resty.etcd.serializers.json_exact")
local cjson = require("cjson.safe")
local address = require("resty.etcd.discovery.address")
local floor = math.floor

--- An address of a service, as given to `register`.
---@class resty.etcd.discovery.instance.Instance
---@field id? string Identifies the instance within its service; default `host:port`.
---@field host string
---@field port number
---@field weight? number Default 1.
---@field meta? any Any JSON value, for the readers of the instance.

--- Greatest weight: the sum of the weights of a service must remain exact, and finite.
local MAX_WEIGHT = 1000000
local FIELDS = {
    "id",
    "host",
    "port",
    "weight",
    "meta"
}

--- Returns a field that is not JSON's null, which counts as absent.
---@param value any
---@return any
local function present(value)
    local ____temp_0
    if value ~= cjson.null then
        ____temp_0 = value
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

local function is_weight(value)
    return type(value) == "number" and value >= 0 and value <= MAX_WEIGHT
end

--- Reports whether a value can identify an instance or a service.
---@param value any
---@return boolean
local function is_name(value)
    return type(value) == "string" and value ~= ""
end

--- Returns a host for balancers: an address as nginx accepts it, or a name if names are allowed; otherwise nil.
---@param host string
---@param allow_hostnames boolean
---@return string?
local function host_of(host, allow_hostnames)
    return address.normalize(host) or (allow_hostnames and address.is_hostname(host) and host or nil)
end

--- Returns a copy of an instance with its known fields: those that are null are absent, and an IPv6 address has brackets.
--- An `id` that is no string is absent, because other programs use other types.
---@param value any
---@param allow_hostnames boolean
---@return resty.etcd.discovery.instance.Instance? res # nil and an error text if the instance is invalid
---@return string? err
local function read(value, allow_hostnames)
    if type(value) ~= "table" then
        return nil, "instance must be table"
    end
    local given = value
    local host = present(given.host)
    local port = present(given.port)
    local weight = present(given.weight)
    if type(host) ~= "string" or host == "" then
        return nil, "instance.host must be string"
    end
    local peer_host = host_of(host, allow_hostnames)
    if peer_host == nil then
        return nil, allow_hostnames and "instance.host must be an address or a host name" or "instance.host must be an address, unless opts.allow_hostnames is set"
    end
    if type(port) ~= "number" or floor(port) ~= port or port < 1 or port > 65535 then
        return nil, "instance.port must be a port"
    end
    if weight ~= nil and not is_weight(weight) then
        return nil, "instance.weight must be number from 0 to 1000000"
    end
    local id = is_name(given.id) and given.id or nil
    return {
        id = id,
        host = peer_host,
        port = port,
        weight = weight,
        meta = present(given.meta)
    }
end

--- Checks that an instance of the program has only known fields. Returns an error text, or nil.
---@param instance table<string, any>
---@return string?
local function check_fields(instance)
    local known = {}
    for ____, name in ipairs(FIELDS) do
        known[name] = true
    end
    for key in pairs(instance) do
        local name = tostring(key)
        if known[name] ~= true then
            local nearest = nearest_name.nearest(name, FIELDS)
            return nearest ~= nil and "instance: unknown field " .. name .. "; did you mean " .. nearest .. "?" or "instance: unknown field " .. name .. "; known are id, host, port, weight, meta"
        end
    end
    return nil
end

--- As `read`, for an instance of the program: unknown fields are errors, because they would not be stored.
---@param value any
---@param allow_hostnames boolean
---@return resty.etcd.discovery.instance.Instance? res
---@return string? err
local function of_program(value, allow_hostnames)
    if type(value) ~= "table" then
        return nil, "instance must be table"
    end
    local given = value
    local problem = check_fields(given)
    if problem ~= nil then
        return nil, problem
    end
    local id = present(given.id)
    if id ~= nil and not is_name(id) then
        return nil, "instance.id must be string"
    end
    return read(value, allow_hostnames)
end

--- The default `encode`.
local function encode_json(____bindingPattern0)
    local meta
    local weight
    local port
    local host
    host = ____bindingPattern0.host
    port = ____bindingPattern0.port
    weight = ____bindingPattern0.weight
    meta = ____bindingPattern0.meta
    return json_exact.serialize({host = host, port = port, weight = weight, meta = meta})
end

--- Returns the value of an instance's key; nil and an error text.
---@param instance resty.etcd.discovery.instance.Instance
---@param encoder fun(instance: resty.etcd.discovery.instance.Instance): string?, any
---@return string? res
---@return string? err
local function encode(instance, encoder)
    local ok, value, err = pcall(encoder, instance)
    if not ok or type(value) ~= "string" then
        local ____error_text_of_2 = error_text.of
        local ____ok_1
        if ok then
            ____ok_1 = err
        else
            ____ok_1 = value
        end
        return nil, "encode: " .. ____error_text_of_2(____ok_1, "no string")
    end
    return value
end
_M.encode = encode
_M.encode_json = encode_json
_M.is_name = is_name
_M.of_program = of_program
_M.read = read

return _M
