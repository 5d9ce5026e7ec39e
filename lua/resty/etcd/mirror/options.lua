-- Generated from src/resty/etcd/mirror/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local serializers = require("resty.etcd.serializers.serializer")
local sub = string.sub

--- Checks an index. Returns an error text, or nil.
---@param name any
---@param fn any
---@return string?
local function check_index(name, fn)
    if type(name) ~= "string" then
        return "the name of an index must be string"
    end
    return type(fn) ~= "function" and "index " .. name .. " must be function" or nil
end

local function check_indexes(value)
    for name, fn in pairs(value) do
        local problem = check_index(name, fn)
        if problem ~= nil then
            return problem
        end
    end
    return nil
end
local RULES = {
    {name = "decode", type = "function"},
    {name = "serializer", check = serializers.check},
    {name = "validate", type = "function"},
    {name = "transform", type = "function"},
    {name = "index", type = "table", check = check_indexes},
    {name = "shared_prefix", type = "string"},
    {name = "idle_timeout", type = "number", above = 0, expected = "a number of seconds"},
    {name = "mode", values = {"worker", "shared"}},
    {name = "shm_name", type = "string"},
    {name = "snapshot", type = "string"},
    {name = "snapshot_interval", type = "number", above = 0, expected = "a number of seconds"}
}
local OPTIONS = {rules = RULES}

--- Checks the options of a mirror. Returns an error text, or nil.
---@param dir string
---@param opts any
---@return string?
local function check(dir, opts)
    local problem = checks.check_options(opts, OPTIONS)
    if problem ~= nil or opts == nil then
        return problem
    end
    local ____opts_0 = opts
    local decode = ____opts_0.decode
    local mode = ____opts_0.mode
    local serializer = ____opts_0.serializer
    local shared_prefix = ____opts_0.shared_prefix
    local shm_name = ____opts_0.shm_name
    if decode ~= nil and serializer ~= nil then
        return "opts.decode and opts.serializer exclude each other"
    end
    if mode == "shared" and shm_name == nil then
        return "opts.mode \"shared\" needs opts.shm_name"
    end
    if shared_prefix ~= nil and sub(dir, 1, #shared_prefix) ~= shared_prefix then
        return "opts.shared_prefix must be the prefix or a part of it"
    end
    return nil
end
local ON_CHANGE_OPTIONS = {rules = {{name = "initial", type = "boolean"}}}

--- Checks the arguments of `on_change`. Returns an error text, or nil.
---@param fn any
---@param opts any
---@return string?
local function check_on_change(fn, opts)
    if type(fn) ~= "function" then
        return "callback must be function"
    end
    return checks.check_options(opts, ON_CHANGE_OPTIONS)
end
local check_timeout = checks.check_timeout
_M.RULES = RULES
_M.check = check
_M.check_index = check_index
_M.check_on_change = check_on_change
_M.check_timeout = check_timeout

return _M
