-- Generated from src/resty/etcd/base/checks.ts by TypeScriptToLua. Do not edit.
local _M = {}
local nearest_name = require("resty.etcd.base.nearest_name")
local concat = table.concat
local floor = math.floor

--- Greatest 32-bit integer. nginx rejects or truncates greater counts and times.
local MAX_INTEGER = 2147483647

--- Rules for one option.
---@class resty.etcd.base.checks.OptionRule
---@field name string
---@field type? ("string"|"number"|"boolean"|"function"|"integer"|"table") Lua type; "integer" is a whole number of at most 32 bits. NaN is neither a number nor an integer here.
---@field min? number Least number.
---@field max? number Greatest number.
---@field above? number Number that the value must exceed.
---@field values? string[] Strings that are accepted; default any.
---@field required? true The option must be set.
---@field expected? string End of the error text `opts.<name> must be ...`; default the values or the type.
---@field check? (fun(value: any): string?) Checks what the fields above cannot express; called after them, not for nil. Returns an error text or nil.

--- Rules for a table of options.
---@class resty.etcd.base.checks.OptionTable
---@field subject? string Name of the table in error texts; default "opts".
---@field rules resty.etcd.base.checks.OptionRule[] In the order in which the options are checked.
---@field ignores_unknown? true Accepts fields without a rule, as lua-resty-etcd 1.10 does: programs pass it their whole configuration.

local function is_in(value, values)
    for ____, one in ipairs(values) do
        if value == one then
            return true
        end
    end
    return false
end

local function is_number(value, rule)
    return type(value) == "number" and value == value and value >= (rule.min or value) and value <= (rule.max or value) and (rule.above == nil or value > rule.above)
end

local function is_integer(value)
    return type(value) == "number" and floor(value) == value and value >= -MAX_INTEGER and value <= MAX_INTEGER
end

--- Reports whether a value that is not nil has the type, range and values that a rule demands.
---@param value any
---@param rule resty.etcd.base.checks.OptionRule
---@return boolean
local function is_valid(value, rule)
    if rule.values ~= nil then
        return is_in(value, rule.values)
    end
    if rule.type == "number" then
        return is_number(value, rule)
    end
    if rule.type == "integer" then
        return is_integer(value) and is_number(value, rule)
    end
    return rule.type == nil or type(value) == rule.type
end

--- Returns what an option must be, for error texts: `"a", "b" or "c"`, or its type.
---@param rule resty.etcd.base.checks.OptionRule
---@return string
local function expectation(rule)
    if rule.expected ~= nil or rule.values == nil then
        return rule.expected or rule.type or "set"
    end
    local quoted = {}
    for ____, value in ipairs(rule.values) do
        quoted[#quoted + 1] = "\"" .. value .. "\""
    end
    local last = table.remove(quoted)
    return concat(quoted, ", ") .. " or " .. last
end

--- Returns the error text for an option that has no rule.
---@param name string
---@param rules resty.etcd.base.checks.OptionRule[]
---@return string
local function unknown_option(name, rules)
    local known = {}
    for ____, rule in ipairs(rules) do
        known[#known + 1] = rule.name
    end
    local nearest = nearest_name.nearest(name, known)
    return nearest ~= nil and "unknown option " .. name .. "; did you mean " .. nearest .. "?" or "unknown option " .. name
end

local function has_rule(rules, name)
    for ____, rule in ipairs(rules) do
        if rule.name == name then
            return true
        end
    end
    return false
end

local function has_required(rules)
    for ____, rule in ipairs(rules) do
        if rule.required == true then
            return true
        end
    end
    return false
end

--- Checks one option. Returns an error text, or nil if the value is valid.
---@param subject string
---@param value any
---@param rule resty.etcd.base.checks.OptionRule
---@return string?
local function check_option(subject, value, rule)
    if value == nil and rule.required ~= true then
        return nil
    end
    if value == nil or not is_valid(value, rule) then
        return subject .. "." .. rule.name .. " must be " .. expectation(rule)
    end
    local ____opt_0 = rule.check
    return ____opt_0 and ____opt_0(value)
end

--- Checks a table of options; nil is valid unless one of them is `required`.
---@param opts any
---@param known resty.etcd.base.checks.OptionTable
---@return string? # an error text, or nil if the options are valid
local function check_options(opts, known)
    local subject = known.subject or "opts"
    local rules = known.rules
    if opts == nil and not has_required(rules) then
        return nil
    end
    if type(opts) ~= "table" then
        return subject .. " must be table"
    end
    local given = opts
    for ____, rule in ipairs(rules) do
        local problem = check_option(subject, given[rule.name], rule)
        if problem ~= nil then
            return problem
        end
    end
    if known.ignores_unknown ~= true then
        for name in pairs(given) do
            if not has_rule(rules, name) then
                return unknown_option(
                    tostring(name),
                    rules
                )
            end
        end
    end
    return nil
end

--- Checks that the first argument of a constructor is a client. Returns an error text, or nil.
---@param cli any
---@return string?
local function check_client(cli)
    if type(cli) ~= "table" then
        return "cli must be table"
    end
    return cli.transport == nil and "cli must be a client" or nil
end

--- Checks a key prefix, which can be empty. Returns an error text, or nil if the prefix is valid.
---@param prefix any
---@return string?
local function check_key_prefix(prefix)
    return type(prefix) ~= "string" and "key must be string" or nil
end

--- Checks a key. Returns an error text, or nil if the key is valid.
---@param key any
---@return string?
local function check_key(key)
    return key == "" and "key should not be empty" or check_key_prefix(key)
end

--- Checks the name of a shared dict. Returns an error text, or nil if nginx's configuration declares the dict.
---@param name any
---@return string?
local function check_shared_dict(name)
    local is_missing = type(name) ~= "string" or ngx.shared[name] == nil
    return is_missing and "failed to get ngx.shared dict: " .. tostring(name) or nil
end
local METHOD_OPTIONS = {rules = {{name = "timeout", type = "number", min = 0, expected = "number of seconds"}}, ignores_unknown = true}
local TIMEOUT_OPTIONS = {rules = METHOD_OPTIONS.rules}

--- Checks a timeout that is an argument; nil is valid. Returns an error text, or nil.
---@param timeout any
---@return string?
local function check_timeout(timeout)
    local is_timeout = timeout == nil or type(timeout) == "number" and timeout == timeout
    local ____is_timeout_2
    if is_timeout then
        ____is_timeout_2 = nil
    else
        ____is_timeout_2 = "timeout must be number of seconds"
    end
    return ____is_timeout_2
end

--- Checks the options of methods that take only a timeout. Returns an error text, or nil if they are valid.
---@param opts any
---@return string?
local function check_timeout_options(opts)
    return check_options(opts, TIMEOUT_OPTIONS)
end

--- Checks the options that all methods have in common. Returns an error text, or nil if they are valid.
---@param opts any
---@return string?
local function check_method_options(opts)
    return check_options(opts, METHOD_OPTIONS)
end
_M.check_client = check_client
_M.check_key = check_key
_M.check_key_prefix = check_key_prefix
_M.check_method_options = check_method_options
_M.check_options = check_options
_M.check_shared_dict = check_shared_dict
_M.check_timeout = check_timeout
_M.check_timeout_options = check_timeout_options

return _M
