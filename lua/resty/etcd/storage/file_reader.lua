-- Generated from src/resty/etcd/storage/file_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local open_files = require("resty.etcd.base.open_file")
local find = string.find
local min = math.min
local sub = string.sub

--- Bytes that are read in one call.
local READ_SIZE = 64 * 1024

--- Reads lines and bytes of a file, whose content can be anything.
---@class resty.etcd.storage.file_reader.FileReader
---@field file resty.etcd.base.open_file.OpenFile
---@field unread number Bytes of the file that were not read yet.
---@field buffer string Bytes that were read from the file.
---@field at number Position in `buffer` of the next byte.

local function create(file)
    return {
        file = file,
        unread = open_files.size_of(file) or 0,
        buffer = "",
        at = 1
    }
end

--- Returns up to `size` bytes of the file; an empty string at its end, and if it cannot be read.
---@param reader resty.etcd.storage.file_reader.FileReader
---@param size number
---@return string
local function read_file(reader, size)
    local bytes = open_files.read(
        reader.file,
        min(size, reader.unread)
    )
    if bytes == nil or bytes == "" then
        reader.unread = 0
        return ""
    end
    reader.unread = reader.unread - #bytes
    return bytes
end

--- Returns the next line without its line break; nil if the file ends before, or if the line is longer than `max_length`.
---@param reader resty.etcd.storage.file_reader.FileReader
---@param max_length number
---@return string?
local function read_line(reader, max_length)
    local line_end = find(reader.buffer, "\n", reader.at, true)
    while line_end == nil and #reader.buffer - reader.at < max_length and reader.unread > 0 do
        reader.buffer = sub(reader.buffer, reader.at) .. read_file(reader, READ_SIZE)
        reader.at = 1
        line_end = find(reader.buffer, "\n", 1, true)
    end
    if line_end == nil or line_end - reader.at > max_length then
        return nil
    end
    local line = sub(reader.buffer, reader.at, line_end - 1)
    reader.at = line_end + 1
    return line
end

--- Returns `size` bytes; nil if the file has fewer: nothing is read or allocated for them.
---@param reader resty.etcd.storage.file_reader.FileReader
---@param size number
---@return string?
local function read_bytes(reader, size)
    local ____reader_0 = reader
    local buffer = ____reader_0.buffer
    local at = ____reader_0.at
    local buffered = #buffer - at + 1
    if size > buffered + reader.unread then
        return nil
    end
    local parts = {sub(buffer, at, at + size - 1)}
    local missing = size - #parts[1]
    reader.at = at + #parts[1]
    while missing > 0 do
        local part = read_file(reader, missing)
        if part == "" then
            return nil
        end
        parts[#parts + 1] = part
        missing = missing - #part
    end
    return table.concat(parts, "")
end

--- Reports whether everything was read.
---@param reader resty.etcd.storage.file_reader.FileReader
---@return boolean
local function is_at_end(reader)
    return reader.unread == 0 and reader.at > #reader.buffer
end
_M.is_at_end = is_at_end
_M.new = create
_M.read_bytes = read_bytes
_M.read_line = read_line

return _M
