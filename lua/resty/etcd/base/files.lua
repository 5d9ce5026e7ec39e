-- Generated from src/resty/etcd/base/files.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("int resty_etcd_open(const char *path, int flags, ...) __asm__(\"open\");")
ffi.cdef("int resty_etcd_close(int fd) __asm__(\"close\");")
ffi.cdef("int resty_etcd_access(const char *path, int mode) __asm__(\"access\");")
ffi.cdef("long resty_etcd_lseek(int fd, long offset, int origin) __asm__(\"lseek\");")
ffi.cdef("char *resty_etcd_strerror(int number) __asm__(\"strerror\");")
local C = ffi.C
local is_mips = string.match(ffi.arch, "^mips")

--- Opening a FIFO without a writer returns immediately, instead of blocking the worker.
local O_NONBLOCK = ffi.os ~= "Linux" and 4 or (is_mips ~= nil and 128 or 2048)
local SEEK_END = 2
local F_OK = 0
local ENOENT = 2

--- Largest file in bytes: a bundle of all public CAs has 250 KB.
local MAX_SIZE = 4 * 1024 * 1024

--- Returns the text of the last error of a C function.
---@return string
local function last_error()
    return ffi.string(C.resty_etcd_strerror(ffi.errno()))
end

--- Checks without blocking that a path can be opened, and that it is not a FIFO, a socket or a terminal: to open or to read
--- one of these can block the worker for ever.
---@param path string
---@return string? # an error text without the path, or nil
local function check_readable(path)
    local fd = C.resty_etcd_open(path, O_NONBLOCK)
    if fd < 0 then
        return last_error()
    end
    local size = tonumber(C.resty_etcd_lseek(fd, 0, SEEK_END)) or -1
    C.resty_etcd_close(fd)
    return size < 0 and "not a regular file" or nil
end

--- Reads a regular file. Anything else at the path is an error: a folder, a FIFO, a device.
---@param path string
---@return string? res # the content; or nil and an error text that begins with the path
---@return string? err
local function read(path)
    local problem = check_readable(path)
    if problem ~= nil then
        return nil, path .. ": " .. problem
    end
    local file, err = io.open(path, "rb")
    if file == nil then
        return nil, err
    end
    local text = file:read(MAX_SIZE + 1)
    file:close()
    if text == nil then
        return nil, path .. ": cannot be read"
    end
    if #text > MAX_SIZE then
        return nil, path .. ": longer than " .. tostring(MAX_SIZE) .. " bytes"
    end
    return text
end

--- Reports whether something exists at a path, also if it cannot be opened.
---@param path string
---@return boolean
local function exists(path)
    return C.resty_etcd_access(path, F_OK) == 0 or ffi.errno() ~= ENOENT
end
_M.check_readable = check_readable
_M.last_error = last_error
_M.exists = exists
_M.read = read

return _M
