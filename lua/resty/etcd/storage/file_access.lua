-- Generated from src/resty/etcd/storage/file_access.ts by TypeScriptToLua. Do not edit.
local _M = {}
local file_status = require("resty.etcd.base.file_status")
local warn_once = require("resty.etcd.base.warn_once")

--- Bits of a mode.
local GROUP_WRITE = 16
local OTHERS_WRITE = 2
local STICKY = 512

--- Returns the folder of a file.
---@param path string
---@return string
local function folder_of(path)
    local folder = string.match(path, "^(.*)/")
    if folder == nil then
        return "."
    end
    return folder == "" and "/" or folder
end

--- Warns once if the group of the folder of a file, or everyone, can replace the file.
---@param path string
local function warn_if_folder_is_shared(path)
    local folder = file_status.of_folder(folder_of(path))
    if folder == nil or file_status.has_permission(folder, STICKY) then
        return
    end
    if file_status.has_permission(folder, GROUP_WRITE) or file_status.has_permission(folder, OTHERS_WRITE) then
        local mode = file_status.permissions_of(folder)
        warn_once.warn("snapshot", "other users can remove or replace the file: its folder has mode " .. mode .. ": " .. path)
    end
end

--- Checks that only root and the user of this process can have written an open file, or a group that one of them has
--- permitted to write it. Who can write its folder does not matter: a file that another user puts there belongs to that
--- user. An `emptyDir` of Kubernetes has mode 0777. Without statx, no owner is known, and the file is used.
---@param path string
---@param file resty.etcd.base.open_file.OpenFile
---@return string? # an error text, or nil
local function check_trusted(path, file)
    local status = file_status.of_file(file)
    if status == nil then
        warn_once.warn("snapshot", "owner and mode of files are not checked: this system has no statx")
        return nil
    end
    if not file_status.is_owner_trusted(status) then
        return "the file belongs to another user: uid " .. string.format("%d", status.uid)
    end
    if file_status.has_permission(status, OTHERS_WRITE) then
        return "others can write the file: it has mode " .. file_status.permissions_of(status)
    end
    if file_status.has_permission(status, GROUP_WRITE) then
        local mode = file_status.permissions_of(status)
        warn_once.warn("snapshot", "its group can write the file, which is used: it has mode " .. mode .. ": " .. path)
    end
    return nil
end
_M.check_trusted = check_trusted
_M.warn_if_folder_is_shared = warn_if_folder_is_shared

return _M
