-- Generated from src/resty/etcd/base/files.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local file_status = require("resty.etcd.base.file_status")
local open_files = require("resty.etcd.base.open_file")
ffi.cdef("int resty_etcd_access(const char *path, int mode) __asm__(\"access\");")
local F_OK = 0
local ENOENT = 2

--- Largest file in bytes: a bundle of all public CAs has 250 KB.
local MAX_SIZE = 4 * 1024 * 1024

--- Reports whether an open file is a regular one. Without statx, a device with a size counts as one too.
---@param file resty.etcd.base.open_file.OpenFile
---@return boolean
local function is_regular(file)
    local status = file_status.of_file(file)
    local ____temp_0
    if status ~= nil then
        ____temp_0 = file_status.is_regular(status)
    else
        ____temp_0 = open_files.size_of(file) ~= nil
    end
    return ____temp_0
end

--- Opens a regular file for reading. Anything else at the path is an error, found without blocking: a folder, a FIFO, a
--- device.
---@param path string
---@param follows_links boolean whether the path can be a symbolic link
---@return resty.etcd.base.open_file.OpenFile? res # the file; or nil and an error text without the path
---@return string? err
local function open_regular(path, follows_links)
    local file, err = open_files.open(path, follows_links)
    if file == nil then
        return nil, err
    end
    if not is_regular(file) then
        open_files.close(file)
        return nil, "not a regular file"
    end
    return file
end

--- Reads a file to its end. Returns nil and an error text without the path.
---@param file resty.etcd.base.open_file.OpenFile
---@return string? res
---@return string? err
local function read_all(file)
    local parts = {}
    local size = 0
    while true do
        local part, err = open_files.read(file, MAX_SIZE)
        if part == nil then
            return nil, err
        end
        if part == "" then
            break
        end
        parts[#parts + 1] = part
        size = size + #part
        if size > MAX_SIZE then
            return nil, "longer than " .. tostring(MAX_SIZE) .. " bytes"
        end
    end
    if size == 0 then
        return nil, "empty"
    end
    return table.concat(parts, "")
end

--- Reads a regular file, also through symbolic links.
---@param path string
---@return string? res # the content; or nil and an error text that begins with the path
---@return string? err
local function read(path)
    local file, open_err = open_regular(path, true)
    if file == nil then
        return nil, path .. ": " .. open_err
    end
    local text, err = read_all(file)
    open_files.close(file)
    if text == nil then
        return nil, path .. ": " .. err
    end
    return text
end

--- Reports whether something exists at a path, also if it cannot be opened.
---@param path string
---@return boolean
local function exists(path)
    return ffi.C.resty_etcd_access(path, F_OK) == 0 or ffi.errno() ~= ENOENT
end
_M.exists = exists
_M.open_regular = open_regular
_M.read = read

return _M
