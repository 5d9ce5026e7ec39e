-- Generated from src/resty/etcd/client/shown_headers.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local printable = require("resty.etcd.base.printable")

--- Maximum bytes of the JSON: OpenResty cuts its log lines there.
local MAX_JSON = 4096

--- Returns the user's header fields as JSON for log lines.
---@param fields table
---@return string?
local function to_json(fields)
    local json = cjson.encode(fields)
    return json ~= nil and printable.of(json, MAX_JSON) or nil
end
_M.to_json = to_json

return _M
