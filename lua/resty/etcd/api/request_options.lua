-- Generated from src/resty/etcd/api/request_options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")

--- What is wrong with a watch's options; nil if nothing is.
---@param opts table?
---@return string?
local function check_watch_opts(opts)
    local wrong = checks.check_method_options(opts)
    if wrong ~= nil then
        return wrong
    end
    if (opts and opts.require_leader) ~= nil and type(opts.require_leader) ~= "boolean" then
        return "require_leader must be boolean"
    end
    local from = tostring(opts and opts.start_revision)
    return string.sub(from, 1, 1) == "-" and "start_revision must not be negative" or nil
end

--- Copies the named options that are set.
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
