-- Generated from src/resty/etcd/api/request_options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")

--- Checks the options of `watch` and `watchdir`. Returns an error text, or nil if they are valid.
---@param opts table?
---@return string?
local function check_watch_opts(opts)
    local problem = checks.check_method_options(opts)
    if problem ~= nil then
        return problem
    end
    if (opts and opts.require_leader) ~= nil and type(opts.require_leader) ~= "boolean" then
        return "require_leader must be boolean"
    end
    local from = tostring(opts and opts.start_revision)
    return string.sub(from, 1, 1) == "-" and "start_revision must not be negative" or nil
end

--- Copies the named options that are not nil into a request.
---@param from table?
---@param names string[]
---@param to table
local function copy(from, names, to)
    if from ~= nil then
        for ____, name in ipairs(names) do
            local value = from[name]
            if value ~= nil then
                to[name] = value
            end
        end
    end
end
_M.check_watch_opts = check_watch_opts
_M.copy = copy

return _M
