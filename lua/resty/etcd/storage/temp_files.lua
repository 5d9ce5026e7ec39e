-- Generated from src/resty/etcd/storage/temp_files.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("int resty_etcd_glob(const char *pattern, int flags, void *onerror, void *matches) __asm__(\"glob\");")
ffi.cdef("void resty_etcd_globfree(void *matches) __asm__(\"globfree\");")
ffi.cdef("int resty_etcd_kill(int pid, int signal) __asm__(\"kill\");")
ffi.cdef("struct resty_etcd_glob { size_t count; char **paths; char rest[240]; };")
local C = ffi.C

--- ESRCH: the process does not exist.
local ESRCH = 3

local function is_running(pid)
    return C.resty_etcd_kill(pid, 0) == 0 or ffi.errno() ~= ESRCH
end

--- Returns the files `<path>.<pid>.tmp` and their process IDs.
---@param path string
---@return table
local function find(path)
    local files = {}
    local pattern = string.gsub(path, "[%*%?%[%]\\]", "\\%0")
    local matches = ffi.new("struct resty_etcd_glob")
    if C.resty_etcd_glob(pattern .. ".*.tmp", 0, nil, matches) == 0 then
        for i = 0, tonumber(matches.count) - 1 do
            local file = ffi.string(matches.paths[i])
            local pid = string.match(
                string.sub(file, #path + 1),
                "^%.(%d+)%.tmp$"
            )
            if pid ~= nil then
                files[file] = tonumber(pid)
            end
        end
        C.resty_etcd_globfree(matches)
    end
    return files
end

--- Removes the files that workers left behind which were killed while they wrote `path`.
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
