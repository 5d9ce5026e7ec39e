-- Generated from src/resty/etcd/base/checks.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What is wrong with a client that was given; nil if nothing is.
---@param cli any
---@return string?
local function check_client(cli)
    local ____temp_0
    if type(cli) == "table" then
        ____temp_0 = nil
    else
        ____temp_0 = "cli must be table"
    end
    return ____temp_0
end

--- What is wrong with options, none of which is needed; nil if nothing is.
---@param opts any
---@param kinds table<string, string> the type of each
---@return string?
local function check_kinds(opts, kinds)
    if opts == nil then
        return nil
    end
    if type(opts) ~= "table" then
        return "opts must be table"
    end
    for name, value in pairs(opts) do
        local kind = kinds[tostring(name)]
        if kind == nil then
            return "unknown option " .. tostring(name)
        end
        if type(value) ~= kind then
            return "opts." .. name .. " must be " .. kind
        end
    end
    return nil
end

--- What is wrong with a key that a caller gave; nil if nothing is.
---@param key any
---@return string?
local function check_key(key)
    if type(key) ~= "string" then
        return "key must be string"
    end
    return key == "" and "key should not be empty" or nil
end

--- What is wrong with a method's options; nil if nothing is.
---@param opts any
---@return string?
local function check_opts(opts)
    if opts == nil then
        return nil
    end
    if type(opts) ~= "table" then
        return "opts must be table"
    end
    local timeout = opts.timeout
    if timeout ~= nil and (type(timeout) ~= "number" or timeout < 0 or timeout ~= timeout) then
        return "opts.timeout must be number of seconds"
    end
    return nil
end
_M.check_client = check_client
_M.check_key = check_key
_M.check_kinds = check_kinds
_M.check_opts = check_opts

return _M
