-- Generated from src/resty/etcd/storage/file_access.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local files = require("resty.etcd.base.files")
ffi.cdef("struct resty_etcd_statx {\n    uint32_t mask, block_size; uint64_t attributes; uint32_t links, uid, gid; uint16_t permissions, spare;\n    uint8_t rest[224];\n};")
ffi.cdef("int resty_etcd_statx(int dir, const char *path, int flags, unsigned int mask, void *out) __asm__(\"statx\");" .. "int resty_etcd_fchmod(int fd, unsigned int mode) __asm__(\"fchmod\");" .. "int resty_etcd_fileno(void *file) __asm__(\"fileno\");" .. "unsigned int resty_etcd_geteuid(void) __asm__(\"geteuid\");")

--- Owner, type and permissions of a file or folder.
---@class resty.etcd.storage.file_access.FileStatus
---@field uid number
---@field permissions number

local C = ffi.C
local format = string.format
local match = string.match
local IS_LINUX = ffi.os == "Linux"

--- Flags of `open`: write-only, create, fail if the file exists, close on exec.
local CREATE_FLAGS = IS_LINUX and 1 + 64 + 128 + 524288 or 1 + 512 + 2048

--- 0600: the values can be secrets.
local PRIVATE_MODE = 384
local AT_FDCWD = -100
local AT_EMPTY_PATH = 4096

--- Type, mode and owner.
local STATX_MASK = 11
local TYPE_FACTOR = 4096
local GROUP_WRITE = 16
local OTHERS_WRITE = 2
local STICKY = 512

local function call_statx(dir, path, flags)
    local out = ffi.new("struct resty_etcd_statx")
    return C.resty_etcd_statx(
        dir,
        path,
        flags,
        STATX_MASK,
        out
    ) == 0 and out or nil
end

--- Returns the status of a file; nil if it does not exist, or if the system has no statx: the checks are left out then.
---@param dir number
---@param path string
---@param flags number
---@return resty.etcd.storage.file_access.FileStatus?
local function status_of(dir, path, flags)
    if not IS_LINUX then
        return nil
    end
    local ok, status = pcall(call_statx, dir, path, flags)
    local ____ok_0
    if ok then
        ____ok_0 = status
    else
        ____ok_0 = nil
    end
    return ____ok_0
end

local function has_permission(status, permission)
    return math.floor(status.permissions / permission) % 2 == 1
end

--- Returns the mode in the form of chmod, for error texts.
---@param status resty.etcd.storage.file_access.FileStatus
---@return string
local function mode_of(status)
    return format("%04o", status.permissions % TYPE_FACTOR)
end

--- Returns the folder of a file.
---@param path string
---@return string
local function folder_of(path)
    local folder = match(path, "^(.*)/[^/]*$")
    if folder == nil then
        return "."
    end
    return folder == "" and "/" or folder
end

--- Checks that only root, the user of this process and the owner of the folder can have written an open file.
---@param path string
---@param file table
---@return string? # an error text, or nil
local function check_trusted(path, file)
    local folder = status_of(
        AT_FDCWD,
        folder_of(path),
        0
    )
    if folder ~= nil and has_permission(folder, OTHERS_WRITE) and not has_permission(folder, STICKY) then
        return "others can replace the file: its folder has mode " .. mode_of(folder)
    end
    local status = status_of(
        C.resty_etcd_fileno(file),
        "",
        AT_EMPTY_PATH
    )
    if status == nil then
        return nil
    end
    if has_permission(status, GROUP_WRITE) or has_permission(status, OTHERS_WRITE) then
        return "others can write the file: it has mode " .. mode_of(status)
    end
    local uid = status.uid
    if uid ~= 0 and uid ~= C.resty_etcd_geteuid() and uid ~= (folder and folder.uid) then
        return "the file belongs to another user: uid " .. format("%d", uid)
    end
    return nil
end

--- Creates a file that only its owner can read and write, whatever the umask. An existing file is replaced, so that a link
--- that another user has put there is not followed.
---@param path string
---@return string? # an error text that begins with the path, or nil
local function create_private(path)
    os.remove(path)
    local fd = C.resty_etcd_open(
        path,
        CREATE_FLAGS,
        ffi.new("int", PRIVATE_MODE)
    )
    if fd < 0 then
        return path .. ": " .. files.last_error()
    end
    C.resty_etcd_fchmod(fd, PRIVATE_MODE)
    C.resty_etcd_close(fd)
    return nil
end
_M.check_trusted = check_trusted
_M.create_private = create_private

return _M
