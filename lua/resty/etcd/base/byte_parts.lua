-- Generated from src/resty/etcd/base/byte_parts.ts by TypeScriptToLua. Do not edit.
local _M = {}
local concat = table.concat

--- Bytes, or number of pieces, that are joined to a part.
local PART = 65536
local MAX_PIECES = 1024

--- Bytes that arrive in pieces. Small pieces are joined: a table entry per byte would take 16 times their memory.
---@class resty.etcd.base.byte_parts.ByteParts
---@field parts string[]
---@field pieces string[] Not joined yet.
---@field pieces_length number
---@field length number

local function create()
    return {parts = {}, pieces = {}, pieces_length = 0, length = 0}
end

--- Appends a piece.
---@param bytes resty.etcd.base.byte_parts.ByteParts
---@param piece string
local function add(bytes, piece)
    local pieces = bytes.pieces
    pieces[#pieces + 1] = piece
    bytes.length = bytes.length + #piece
    bytes.pieces_length = bytes.pieces_length + #piece
    if bytes.pieces_length >= PART or #pieces >= MAX_PIECES then
        local parts = bytes.parts
        parts[#parts + 1] = concat(pieces)
        bytes.pieces = {}
        bytes.pieces_length = 0
    end
end

--- Returns all bytes.
---@param bytes resty.etcd.base.byte_parts.ByteParts
---@return string
local function join(bytes)
    local parts = bytes.parts
    if #parts == 0 then
        return concat(bytes.pieces)
    end
    parts[#parts + 1] = concat(bytes.pieces)
    return concat(parts)
end
_M.add = add
_M.join = join
_M.new = create

return _M
