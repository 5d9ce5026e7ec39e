-- Generated from src/resty/etcd/mirror/options.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Types of the options.
local KINDS = {
    decode = "function",
    validate = "function",
    transform = "function",
    index = "table",
    shared_prefix = "string",
    idle_timeout = "number",
    mode = "string",
    shm_name = "string",
    snapshot = "string",
    snapshot_interval = "number"
}

--- What is wrong with an index; nil if nothing is.
---@param name any
---@param fn any
---@return string?
local function check_index(name, fn)
    if type(name) ~= "string" then
        return "the name of an index must be string"
    end
    return type(fn) ~= "function" and "index " .. name .. " must be function" or nil
end

--- What is wrong with a number of seconds to wait; nil if nothing is.
---@param timeout any
---@return string?
local function check_timeout(timeout)
    local is_right = timeout == nil or type(timeout) == "number" and timeout == timeout
    local ____is_right_0
    if is_right then
        ____is_right_0 = nil
    else
        ____is_right_0 = "timeout must be number of seconds"
    end
    return ____is_right_0
end

--- What is wrong with the options of a mirror; nil if nothing is.
---@param dir string
---@param opts any
---@return string?
local function check(dir, opts)
    if opts == nil then
        return nil
    end
    if type(opts) ~= "table" then
        return "opts must be table"
    end
    for name, value in pairs(opts) do
        local kind = KINDS[tostring(name)]
        if kind == nil then
            return "unknown option " .. tostring(name)
        end
        if type(value) ~= kind then
            return "opts." .. name .. " must be " .. kind
        end
    end
    local ____opts_1 = opts
    local index = ____opts_1.index
    local mode = ____opts_1.mode
    local shared_prefix = ____opts_1.shared_prefix
    local idle_timeout = ____opts_1.idle_timeout
    local snapshot_interval = ____opts_1.snapshot_interval
    for name, fn in pairs(index or ({})) do
        local wrong = check_index(name, fn)
        if wrong ~= nil then
            return wrong
        end
    end
    if mode ~= nil and mode ~= "worker" and mode ~= "shared" then
        return "opts.mode must be \"worker\" or \"shared\""
    end
    if mode == "shared" and opts.shm_name == nil then
        return "opts.mode \"shared\" needs opts.shm_name"
    end
    if snapshot_interval ~= nil and snapshot_interval <= 0 then
        return "opts.snapshot_interval must be a number of seconds"
    end
    if shared_prefix ~= nil and string.sub(dir, 1, #shared_prefix) ~= shared_prefix then
        return "opts.shared_prefix must be the prefix or a part of it"
    end
    local ____temp_2
    if idle_timeout == nil or idle_timeout > 0 then
        ____temp_2 = nil
    else
        ____temp_2 = "opts.idle_timeout must be a number of seconds"
    end
    return ____temp_2
end
_M.check = check
_M.check_index = check_index
_M.check_timeout = check_timeout

return _M
