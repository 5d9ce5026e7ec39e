-- Generated from src/resty/etcd/base/file_status.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local new_statx = ffi.typeof("struct {\n    uint32_t mask, block_size; uint64_t attributes; uint32_t links, uid, gid; uint16_t mode, spare;\n    uint64_t inode, size, blocks, attributes_mask; uint64_t other_times[6]; int64_t modified_at; uint8_t rest[136];\n}")
ffi.cdef("int resty_etcd_statx(int dir, const char *path, int flags, unsigned int mask, void *out) __asm__(\"statx\");" .. "unsigned int resty_etcd_geteuid(void) __asm__(\"geteuid\");")

--- Kind, owner and permissions of a file or folder.
---@class resty.etcd.base.file_status.FileStatus
---@field uid number
---@field mode number Type and permissions, as of `stat`.
---@field inode number Number of the file in its file system.
---@field modified_at number Time of the last change in seconds since 1970.

local C = ffi.C
local floor = math.floor
local AT_FDCWD = -100
local AT_EMPTY_PATH = 4096
local AT_SYMLINK_NOFOLLOW = 256

--- Type, mode, owner, time of the last change, and inode.
local STATX_MASK = 331

--- Divides a mode into the type and the permissions.
local TYPE_FACTOR = 4096

--- S_IFREG.
local REGULAR_FILE = 8

local function call_statx(dir, path, flags)
    local out = new_statx()
    if C.resty_etcd_statx(
        dir,
        path,
        flags,
        STATX_MASK,
        out
    ) ~= 0 then
        return nil
    end
    return {
        uid = out.uid,
        mode = out.mode,
        inode = tonumber(out.inode),
        modified_at = tonumber(out.modified_at)
    }
end

--- Calls statx, which glibc before 2.28 lacks, Linux before 4.11 and some sandboxes reject, and other systems do not have.
---@param dir number
---@param path string
---@param flags number
---@return resty.etcd.base.file_status.FileStatus?
local function status_of(dir, path, flags)
    if ffi.os ~= "Linux" then
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

--- Returns the status of an open file; nil if the system cannot tell.
---@param file resty.etcd.base.open_file.OpenFile
---@return resty.etcd.base.file_status.FileStatus?
local function of_file(file)
    return status_of(file.descriptor[0], "", AT_EMPTY_PATH)
end

--- Returns the status of what is at a path, also if it is a link; nil if nothing is there, or if the system cannot tell.
---@param path string
---@return resty.etcd.base.file_status.FileStatus?
local function of_path(path)
    return status_of(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)
end

--- Returns the status of a folder, or of the one that a link leads to; nil as `of_path`.
---@param path string
---@return resty.etcd.base.file_status.FileStatus?
local function of_folder(path)
    return status_of(AT_FDCWD, path, 0)
end

local function is_regular(status)
    return floor(status.mode / TYPE_FACTOR) == REGULAR_FILE
end

---@param status resty.etcd.base.file_status.FileStatus
---@param permission number a bit of the mode
---@return boolean
local function has_permission(status, permission)
    return floor(status.mode / permission) % 2 == 1
end

--- Returns the permissions in the form of chmod, for texts.
---@param status resty.etcd.base.file_status.FileStatus
---@return string
local function permissions_of(status)
    return string.format("%04o", status.mode % TYPE_FACTOR)
end

--- Reports whether a file belongs to root or to the user of this process.
---@param status resty.etcd.base.file_status.FileStatus
---@return boolean
local function is_owner_trusted(status)
    return status.uid == 0 or status.uid == C.resty_etcd_geteuid()
end

--- Reports whether a path leads to an open file, or if the system cannot tell.
---@param file resty.etcd.base.open_file.OpenFile
---@param path string
---@return boolean
local function is_at_path(file, path)
    local ____opt_1 = of_file(file)
    local ____temp_5 = ____opt_1 and ____opt_1.inode
    local ____opt_3 = of_path(path)
    return ____temp_5 == (____opt_3 and ____opt_3.inode)
end
_M.has_permission = has_permission
_M.is_at_path = is_at_path
_M.is_owner_trusted = is_owner_trusted
_M.is_regular = is_regular
_M.of_file = of_file
_M.of_folder = of_folder
_M.of_path = of_path
_M.permissions_of = permissions_of

return _M
