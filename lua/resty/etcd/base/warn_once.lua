-- Generated from src/resty/etcd/base/warn_once.ts by TypeScriptToLua. Do not edit.
local _M = {}
local sub = string.sub

--- Maximum number of different lines of a worker: texts contain names that the program chooses.
local MAX_LINES = 1000

--- Maximum length of a line in bytes.
local MAX_LENGTH = 500

--- The lines that this worker has written.
local written = {}
local line_count = 0

--- Logs a warning about the use of the driver, once per worker. Control characters are replaced, because the text contains
--- what the program passed.
---@param subject string
---@param text string
local function warn(subject, text)
    local line = subject .. ": " .. text
    if written[line] ~= nil or line_count >= MAX_LINES then
        return
    end
    written[line] = true
    line_count = line_count + 1
    local printable = string.gsub(
        sub(line, 1, MAX_LENGTH),
        "%c",
        "?"
    )
    ngx.log(ngx.WARN, printable)
end
_M.warn = warn

return _M
