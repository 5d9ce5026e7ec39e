-- Generated from src/resty/etcd/protocol/guarded_methods.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")

--- Returns a method that returns an error if its first argument is not its object.
---@param method fun(object: any, a: any, b: any, c: any, d: any): any
---@param field string
---@param problem string
---@return fun(object: any, a: any, b: any, c: any, d: any): any
local function guarded(method, field, problem)
    return function(object, a, b, c, d)
        if type(object) ~= "table" or object[field] == nil then
            return errors.bad_request(problem)
        end
        return method(
            object,
            a,
            b,
            c,
            d
        )
    end
end

--- Returns methods that return an error if they are called with a dot instead of a colon, as in `cli.get("key")`, so that
--- the first argument of the program is taken for the object.
---@generic Methods
---@param methods Methods
---@param field string a field that each object has
---@return Methods
local function create(methods, field)
    local all = {}
    for name, method in pairs(methods) do
        all[name] = guarded(method, field, name .. " must be called with a colon, as a method")
    end
    return all
end
_M.new = create

return _M
