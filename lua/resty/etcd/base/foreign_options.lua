-- Generated from src/resty/etcd/base/foreign_options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local nearest_name = require("resty.etcd.base.nearest_name")
local warn_once = require("resty.etcd.base.warn_once")

--- The options of a function that accepts other fields too, as lua-resty-etcd 1.10 does.
---@class resty.etcd.base.foreign_options.KnownOptions
---@field subject string The function, for log lines.
---@field names table
---@field list string[] The same names, for the search of the nearest one.
---@field habits table<string, table<number, string?>>

---@param subject string
---@param habits table<string, table<number, string?>>
---@param own string[]
---@param more? string[] further names, which several functions share
---@return resty.etcd.base.foreign_options.KnownOptions
local function create(subject, habits, own, more)
    if more == nil then
        more = {}
    end
    local names = {}
    local list = {}
    for ____, some in ipairs({own, more}) do
        for ____, name in ipairs(some) do
            names[name] = true
            list[#list + 1] = name
        end
    end
    return {subject = subject, names = names, list = list, habits = habits}
end

local function warn_about(opts, name, known)
    local habit = known.habits[name]
    if habit ~= nil then
        local option = habit[2]
        if option == nil or opts[option] == nil then
            warn_once.warn(known.subject, "option " .. name .. " is ignored: " .. habit[1])
        end
        return
    end
    local nearest = nearest_name.nearest(name, known.list)
    if nearest ~= nil then
        warn_once.warn(known.subject, "option " .. name .. " is ignored: did you mean " .. nearest .. "?")
    end
end

--- Logs each field that is no option but resembles one, once per worker. Other fields are ignored without a line: programs
--- pass their whole configuration.
---@param opts table
---@param known resty.etcd.base.foreign_options.KnownOptions
---@param accepted? table fields of a known program's configuration, which are never logged
local function warn_if_similar(opts, known, accepted)
    for name in pairs(opts) do
        local is_accepted = known.names[name] ~= nil or (accepted and accepted[name] ~= nil) == true
        if type(name) == "string" and not is_accepted then
            warn_about(opts, name, known)
        end
    end
end
_M.new = create
_M.warn_if_similar = warn_if_similar

return _M
