-- Generated from src/resty/etcd/config/documents.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")

--- Returns the document of a key. A stored null is no document: nil.
---@param kv resty.etcd.mirror.types.Kv?
---@return any
local function of(kv)
    local value = kv and kv.value
    local ____temp_2
    if value ~= cjson.null then
        ____temp_2 = value
    else
        ____temp_2 = nil
    end
    return ____temp_2
end

local function validate_document(validate)
    return function(value, key)
        if value == cjson.null then
            return true
        end
        return validate(value, key)
    end
end

local function transform_document(transform)
    return function(value, kv)
        if value == cjson.null then
            return value
        end
        return transform(value, kv)
    end
end

local function index_document(index)
    return function(value, kv)
        local ____temp_3
        if value ~= cjson.null then
            ____temp_3 = index(value, kv)
        else
            ____temp_3 = nil
        end
        return ____temp_3
    end
end

--- Changes the functions among the options of a mirror, so that they do not receive a stored null.
---@param opts resty.etcd.mirror.types.Options
local function skip_null(opts)
    if opts.validate ~= nil then
        opts.validate = validate_document(opts.validate)
    end
    if opts.transform ~= nil then
        opts.transform = transform_document(opts.transform)
    end
    if opts.index ~= nil then
        local indexes = {}
        for name, index in pairs(opts.index) do
            indexes[name] = index_document(index)
        end
        opts.index = indexes
    end
end
_M.of = of
_M.skip_null = skip_null

return _M
