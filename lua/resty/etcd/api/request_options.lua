-- Generated from src/resty/etcd/api/request_options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local utils = require("resty.etcd.utils")

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

--- What is wrong with a watch's options; nil if nothing is.
---@param opts table?
---@return string?
local function check_watch_opts(opts)
    local wrong = check_opts(opts)
    if wrong ~= nil then
        return wrong
    end
    if (opts and opts.require_leader) ~= nil and type(opts.require_leader) ~= "boolean" then
        return "require_leader must be boolean"
    end
    local from = tostring(opts and opts.start_revision)
    return string.sub(from, 1, 1) == "-" and "start_revision must not be negative" or nil
end

--- A caller's `range_end` in the client's part of the key space. "\0" means to the end of that part, "" the
--- key alone.
---@param prefix string
---@param range_end any
---@return any
local function real_range_end(prefix, range_end)
    if type(range_end) ~= "string" or range_end == "" or prefix == "" then
        return range_end
    end
    return range_end == keys.ZERO and keys.prefix_end(prefix) or utils.get_real_key(prefix, range_end)
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

--- Key and range end of all keys that start with `dir`.
---@param prefix string
---@param dir string
---@return table
local function prefix_range(prefix, dir)
    local start = utils.get_real_key(prefix, dir)
    local request = {}
    request.key = start == "" and keys.ZERO or start
    request.range_end = keys.prefix_end(start)
    return request
end
_M.check_key = check_key
_M.check_opts = check_opts
_M.check_watch_opts = check_watch_opts
_M.copy = copy
_M.prefix_range = prefix_range
_M.real_range_end = real_range_end

return _M
