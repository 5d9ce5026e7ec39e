-- Generated from src/resty/etcd/storage/temp_files.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("int resty_etcd_glob(const char *pattern, int flags, void *onerror, void *found) __asm__(\"glob\");")
ffi.cdef("void resty_etcd_globfree(void *found) __asm__(\"globfree\");")
ffi.cdef("int resty_etcd_kill(int pid, int signal) __asm__(\"kill\");")
ffi.cdef("struct resty_etcd_found { size_t count; char **paths; char others[240]; };")
local C = ffi.C

--- Error number of the system for a process that does not exist.
local NO_PROCESS = 3

local function is_running(pid)
    return C.resty_etcd_kill(pid, 0) == 0 or ffi.errno() ~= NO_PROCESS
end

--- Files `<path>.<pid>.tmp`, by pid.
---@param path string
---@return table
local function find(path)
    local files = {}
    local pattern = string.gsub(path, "[%*%?%[%]\\]", "\\%0")
    local found = ffi.new("struct resty_etcd_found")
    if C.resty_etcd_glob(pattern .. ".*.tmp", 0, nil, found) == 0 then
        for i = 0, tonumber(found.count) - 1 do
            local file = ffi.string(found.paths[i])
            local pid = string.match(
                string.sub(file, #path + 1),
                "^%.(%d+)%.tmp$"
            )
            if pid ~= nil then
                files[file] = tonumber(pid)
            end
        end
        C.resty_etcd_globfree(found)
    end
    return files
end

--- Removes what processes have left that were killed while they wrote a file. Other systems lay out `glob_t` otherwise.
---@param path string
local function remove(path)
    if ffi.os ~= "Linux" then
        return
    end
    for file, pid in pairs(find(path)) do
        if not is_running(pid) then
            os.remove(file)
        end
    end
end
_M.remove = remove

return _M
