-- Generated from src/resty/etcd/client/shown_headers.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local printable = require("resty.etcd.base.printable")
local find = string.find
local lower = string.lower

--- Maximum bytes of the JSON: OpenResty cuts its log lines there.
local MAX_JSON = 4096

--- Stands for a value that is not shown.
local MASK = "***"

--- Parts of the names of header fields whose values are not shown: log files have more readers than the configuration.
local SECRET_PARTS = {
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "token"
}

local function is_secret(name)
    local lower_name = lower(name)
    for ____, part in ipairs(SECRET_PARTS) do
        local at = find(lower_name, part, 1, true)
        if at ~= nil then
            return true
        end
    end
    return false
end

--- Returns the user's header fields as JSON for log lines, with masked values of those whose names look secret.
---@param fields table
---@return string?
local function to_json(fields)
    local copy = {}
    local has_secrets = false
    for name, value in pairs(fields) do
        local secret = is_secret(name)
        copy[name] = secret and MASK or value
        has_secrets = has_secrets or secret
    end
    local json = cjson.encode(has_secrets and copy or fields)
    return json ~= nil and printable.of(json, MAX_JSON) or nil
end
_M.to_json = to_json

return _M
