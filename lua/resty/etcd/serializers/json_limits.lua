-- Generated from src/resty/etcd/serializers/json_limits.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local concat = table.concat
local sub = string.sub

--- Depth of nested arrays and objects, as of cjson.
local MAX_DEPTH = 1000

--- 2^53. Up to this magnitude a Lua number represents each integer; beyond, neighbors become equal.
local MAX_EXACT = 9007199254740992

--- Bytes of a path in an error text. Its keys come from documents.
local MAX_PATH = 200

--- What OpenResty's fork of cjson has in addition to the original, which Debian packages.
---@class resty.etcd.serializers.json_limits.ArraySupport
---@field array_mt? table
---@field empty_array_mt? table
---@field empty_array? any

local ____cjson_0 = cjson
local cjson_array_mt = ____cjson_0.array_mt
local empty_array_mt = ____cjson_0.empty_array_mt
local empty_array = ____cjson_0.empty_array

--- The metatable of arrays. With it, an empty table is an array. cjson's where cjson has one, so that both keep arrays.
local array_mt = cjson_array_mt or ({})

--- Reports whether a table is an array even if it is empty.
---@param value table
---@return boolean
local function is_marked_array(value)
    local mt = getmetatable(value)
    return mt ~= nil and (mt == array_mt or mt == empty_array_mt)
end

--- Reports whether a value is the constant of OpenResty's cjson for an empty array.
---@param value any
---@return boolean
local function is_empty_array(value)
    return value ~= nil and value == empty_array
end

--- Returns where in a document a value is: `$.routes[2].host`. Positions in arrays count from 1, as in Lua.
---@param places (string|number)[] keys and positions, the outermost first
---@param depth number number of places
---@return string
local function path_of(places, depth)
    local parts = {"$"}
    local length = 0
    for i = 1, depth do
        local place = places[i]
        local part = type(place) == "number" and "[" .. tostring(place) .. "]" or "." .. place
        length = length + #part
        parts[#parts + 1] = part
        if length > MAX_PATH then
            break
        end
    end
    local path = concat(parts)
    return #path > MAX_PATH and sub(path, 1, MAX_PATH) .. "..." or path
end
_M.MAX_DEPTH = MAX_DEPTH
_M.MAX_EXACT = MAX_EXACT
_M.array_mt = array_mt
_M.is_empty_array = is_empty_array
_M.is_marked_array = is_marked_array
_M.path_of = path_of

return _M
