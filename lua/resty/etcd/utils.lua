-- Generated from src/resty/etcd/utils.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local gmatch = string.gmatch
local find = string.find
local concat = table.concat

--- Reports whether a value is nil, the empty string, or white space only.
---@param s? string
---@return boolean
local function is_empty_str(s)
    if s == nil then
        return true
    end
    local from = find(s, "^%s*$")
    return from ~= nil
end

--- Joins path parts with `/`. Skips nil and empty parts, and resolves `.` and `..`, but not above the root. The result
--- starts with one `/`.
---@param ... (string?)
---@return string
local function normalize(...)
    local names = {}
    for i = 1, select("#", ...) do
        local part = select(i, ...)
        for name in gmatch(part or "", "[^/]+") do
            if name == ".." then
                table.remove(names)
            elseif name ~= nil and name ~= "." then
                names[#names + 1] = name
            end
        end
    end
    return "/" .. concat(names, "/")
end

--- Returns `prefix` followed by `key`; neither is normalized.
local get_real_key = keys.with_prefix
_M.get_real_key = get_real_key
_M.is_empty_str = is_empty_str
_M.normalize = normalize

return _M
