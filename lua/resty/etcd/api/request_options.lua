-- Generated from src/resty/etcd/api/request_options.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Options of a range read that are fields of its request.
local RANGE_OPTIONS = {
    "revision",
    "limit",
    "sort_order",
    "sort_target",
    "serializable",
    "keys_only",
    "count_only",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision"
}

--- Checks the options that only watches have. Returns an error text, or nil if they are valid.
---@param opts table?
---@return string?
local function check_watch_opts(opts)
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
_M.RANGE_OPTIONS = RANGE_OPTIONS

return _M
