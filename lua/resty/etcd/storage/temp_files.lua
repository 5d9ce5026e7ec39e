-- Generated from src/resty/etcd/storage/temp_files.ts by TypeScriptToLua. Do not edit.
local _M = {}
local file_status = require("resty.etcd.base.file_status")
local open_files = require("resty.etcd.base.open_file")
local random = require("resty.etcd.base.random")
local unique_id = require("resty.etcd.base.unique_id")
local abs = math.abs

--- Number of names of a file that is being written: at most as many are left behind.
local SLOTS = 16

--- Seconds since the last write after which a file counts as left behind: a worker writes without pause.
local LEFT_BEHIND_AFTER = 600

--- Returns the time of the last write to a file of this user; nil for anything else.
---@param temp_path string
---@return number?
local function written_at(temp_path)
    local status = file_status.of_path(temp_path)
    local is_own = status ~= nil and file_status.is_regular(status) and file_status.is_owner_trusted(status)
    return is_own and status.modified_at or nil
end

--- Creates the file. One that was left behind is removed.
---@param temp_path string
---@return resty.etcd.base.open_file.OpenFile? file
---@return string? err
---@return boolean? exists
local function create_in_slot(temp_path)
    local file, err, exists = open_files.create(temp_path)
    if exists ~= true then
        return file, err
    end
    local time = written_at(temp_path)
    if time == nil or abs(ngx.time() - time) <= LEFT_BEHIND_AFTER then
        return nil, err, true
    end
    os.remove(temp_path)
    return open_files.create(temp_path)
end

local function slot_path(path, slot)
    return string.format("%s.%x.tmp", path, slot % SLOTS)
end

--- Removes the oldest of the files that have the names, unless another user holds all of them. Returns its path.
---@param path string
---@return string?
local function remove_oldest(path)
    local oldest = math.huge
    local oldest_path
    for slot = 0, SLOTS - 1 do
        local temp_path = slot_path(path, slot)
        local time = written_at(temp_path)
        if time ~= nil and time < oldest then
            oldest = time
            oldest_path = temp_path
        end
    end
    if oldest_path ~= nil then
        os.remove(oldest_path)
    end
    return oldest_path
end

--- Creates the file that will replace the one at `path`.
---@param path string
---@return resty.etcd.base.open_file.OpenFile? file # the file and its path; or nil and an error text that begins with `path`
---@return string temp_path_or_err
local function create(path)
    local first = random.below(SLOTS)
    for i = 0, SLOTS - 1 do
        local temp_path = slot_path(path, first + i)
        local file, err, exists = create_in_slot(temp_path)
        if file ~= nil then
            return file, temp_path
        end
        if exists ~= true then
            return nil, path .. ": " .. tostring(err)
        end
    end
    local temp_path = remove_oldest(path) or path .. "." .. unique_id.id() .. ".tmp"
    local file, err = open_files.create(temp_path)
    if file == nil then
        return nil, path .. ": " .. tostring(err)
    end
    return file, temp_path
end
_M.create = create

return _M
