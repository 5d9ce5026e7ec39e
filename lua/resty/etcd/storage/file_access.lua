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

--- Returns the mode of the folder of a file if more users than its owner, as bits in `writers`, can replace the file.
---@param path string
---@param writers number[]
---@return string?
local function shared_folder_mode(path, writers)
    local folder = file_status.of_folder(folder_of(path))
    if folder == nil or file_status.has_permission(folder, STICKY) then
        return nil
    end
    for ____, writer in ipairs(writers) do
        if file_status.has_permission(folder, writer) then
            return file_status.permissions_of(folder)
        end
    end
    return nil
end

--- Warns once if the group of the folder of a file, or everyone, can replace the file.
---@param path string
local function warn_if_folder_is_shared(path)
    local mode = shared_folder_mode(path, {GROUP_WRITE, OTHERS_WRITE})
    if mode ~= nil then
        warn_once.warn("snapshot", "other users can remove or replace the file: its folder has mode " .. mode .. ": " .. path)
    end
end

--- Checks that only root and the user of this process can have written an open file. Without statx, no owner is known, and
--- the file is used.
---@param path string
---@param file resty.etcd.base.open_file.OpenFile
---@return string? # an error text, or nil
local function check_trusted(path, file)
    local folder_mode = shared_folder_mode(path, {OTHERS_WRITE})
    if folder_mode ~= nil then
        return "others can replace the file: its folder has mode " .. folder_mode
    end
    local status = file_status.of_file(file)
    if status == nil then
        warn_once.warn("snapshot", "owner and mode of files are not checked: this system has no statx")
        return nil
    end
    if file_status.has_permission(status, GROUP_WRITE) or file_status.has_permission(status, OTHERS_WRITE) then
        return "others can write the file: it has mode " .. file_status.permissions_of(status)
    end
    if not file_status.is_owner_trusted(status) then
        return "the file belongs to another user: uid " .. string.format("%d", status.uid)
    end
    return nil
end
_M.check_trusted = check_trusted
_M.warn_if_folder_is_shared = warn_if_folder_is_shared

return _M
