-- Generated from src/resty/etcd/base/private_cjson.ts by TypeScriptToLua. Do not edit.
local _M = {}
local shared_cjson = require("cjson.safe")

--- Depth of nested arrays and objects, as of cjson's default.
local MAX_DEPTH = 1000

--- Returns an instance of cjson whose settings no other program changes: those of the shared one hold for all programs of an
--- nginx worker, and with a `decode_max_depth` of 4 it decodes no reply of etcd. cjson before 2.1 has only the shared one.
---@return table
local function create()
    local create_instance = shared_cjson.new
    if create_instance == nil then
        return shared_cjson
    end
    local cjson = create_instance()
    local set_max_depth = cjson.decode_max_depth
    if set_max_depth ~= nil then
        set_max_depth(MAX_DEPTH)
    end
    return cjson
end
local instance = create()
local decode = instance.decode
local encode = instance.encode
local null_value = instance.null
_M.decode = decode
_M.encode = encode
_M.null = null_value

return _M
