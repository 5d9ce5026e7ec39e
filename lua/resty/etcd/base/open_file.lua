-- Generated from src/resty/etcd/base/open_file.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("int resty_etcd_open(const char *path, int flags, ...) __asm__(\"open\");" .. "int resty_etcd_close(int fd) __asm__(\"close\");" .. "long resty_etcd_read(int fd, char *out, size_t size) __asm__(\"read\");" .. "long resty_etcd_write(int fd, const char *bytes, size_t size) __asm__(\"write\");" .. "long resty_etcd_lseek(int fd, long offset, int origin) __asm__(\"lseek\");" .. "int resty_etcd_fchmod(int fd, unsigned int mode) __asm__(\"fchmod\");" .. "char *resty_etcd_strerror(int number) __asm__(\"strerror\");")

--- An open file. It is closed when it is garbage-collected: a light thread can be killed while it has one.
---@class resty.etcd.base.open_file.OpenFile
---@field descriptor table<number, number> Holds the descriptor; -1 after `close`.

local C = ffi.C
local min = math.min
local IS_LINUX = ffi.os == "Linux"
local is_mips = string.match(ffi.arch, "^mips")
local is_arm_or_ppc = string.match(ffi.arch, "^[ap][rp][mc]")
local IS_MIPS = IS_LINUX and is_mips ~= nil
local O_WRONLY = 1
local O_CREAT = not IS_LINUX and 512 or (IS_MIPS and 256 or 64)
local O_EXCL = not IS_LINUX and 2048 or (IS_MIPS and 1024 or 128)

--- Opening a FIFO without a writer returns immediately, instead of blocking the worker.
local O_NONBLOCK = not IS_LINUX and 4 or (IS_MIPS and 128 or 2048)
local O_NOFOLLOW = not IS_LINUX and 256 or (is_arm_or_ppc ~= nil and 32768 or 131072)
local O_CLOEXEC = IS_LINUX and 524288 or (ffi.os == "OSX" and 16777216 or (ffi.os == "BSD" and 1048576 or 0))
local O_NOCTTY = not IS_LINUX and 0 or (IS_MIPS and 2048 or 256)

--- Error numbers.
local EINTR = 4
local EEXIST = 17
local ELOOP = IS_MIPS and 90 or (IS_LINUX and 40 or 62)
local SEEK_SET = 0
local SEEK_END = 2

--- 0600: the content can be secret.
local PRIVATE_MODE = 384

--- Bytes of one call of `read`.
local BUFFER_SIZE = 64 * 1024
local buffer

--- Returns the text of the last error of a C function.
---@return string
local function last_error()
    return ffi.string(C.resty_etcd_strerror(ffi.errno()))
end

local function close_descriptor(descriptor)
    local fd = descriptor[0]
    if fd >= 0 then
        descriptor[0] = -1
        C.resty_etcd_close(fd)
    end
end

local function of_descriptor(fd)
    local descriptor = ffi.new("int[1]", fd)
    ffi.gc(descriptor, close_descriptor)
    return {descriptor = descriptor}
end

local function close(file)
    close_descriptor(file.descriptor)
end

--- Opens a file for reading, without blocking. It can be of any kind: a FIFO, a folder, a device.
---@param path string
---@param follows_links boolean whether the path can be a symbolic link
---@return resty.etcd.base.open_file.OpenFile? res
---@return string? err
local function open(path, follows_links)
    local flags = O_NONBLOCK + O_CLOEXEC + O_NOCTTY + (follows_links and 0 or O_NOFOLLOW)
    local fd = C.resty_etcd_open(path, flags)
    if fd < 0 then
        return nil, ffi.errno() == ELOOP and not follows_links and "a symbolic link" or last_error()
    end
    return of_descriptor(fd)
end

--- Creates a file for writing that only its owner can read and write, whatever the umask.
---@param path string
---@return resty.etcd.base.open_file.OpenFile? file # the file; nil, an error text, and whether something exists at the path, as a link does that leads nowhere
---@return string? err
---@return boolean? exists
local function create(path)
    local flags = O_WRONLY + O_CREAT + O_EXCL + O_NOFOLLOW + O_CLOEXEC
    local fd = C.resty_etcd_open(
        path,
        flags,
        ffi.new("int", PRIVATE_MODE)
    )
    if fd < 0 then
        local exists = ffi.errno() == EEXIST
        return nil, last_error(), exists
    end
    C.resty_etcd_fchmod(fd, PRIVATE_MODE)
    return of_descriptor(fd)
end

--- Returns the size in bytes, and continues at the beginning; nil for what has no size: a FIFO, a socket, a terminal.
---@param file resty.etcd.base.open_file.OpenFile
---@return number?
local function size_of(file)
    local fd = file.descriptor[0]
    local size = tonumber(C.resty_etcd_lseek(fd, 0, SEEK_END)) or -1
    return size >= 0 and tonumber(C.resty_etcd_lseek(fd, 0, SEEK_SET)) == 0 and size or nil
end

--- Reads up to 64 KiB. Returns less only if the file is a device or ends; an empty string at its end.
---@param file resty.etcd.base.open_file.OpenFile
---@param size number
---@return string? res
---@return string? err
local function read(file, size)
    if buffer == nil then
        buffer = ffi.new("char[65536]")
    end
    while true do
        local count = tonumber(C.resty_etcd_read(
            file.descriptor[0],
            buffer,
            min(size, BUFFER_SIZE)
        ))
        if count >= 0 then
            return ffi.string(buffer, count)
        end
        if ffi.errno() ~= EINTR then
            return nil, last_error()
        end
    end
end

--- Writes all bytes. Returns an error text, or nil.
---@param file resty.etcd.base.open_file.OpenFile
---@param bytes string
---@return string?
local function write(file, bytes)
    local rest = bytes
    while #rest > 0 do
        local count = tonumber(C.resty_etcd_write(file.descriptor[0], rest, #rest))
        if count >= 0 then
            rest = string.sub(rest, count + 1)
        elseif ffi.errno() ~= EINTR then
            return last_error()
        end
    end
    return nil
end
_M.close = close
_M.create = create
_M.last_error = last_error
_M.open = open
_M.read = read
_M.size_of = size_of
_M.write = write

return _M
