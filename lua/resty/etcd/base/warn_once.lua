-- Generated from src/resty/etcd/base/warn_once.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")

--- Maximum number of different lines of a worker: texts contain names that the program chooses.
local MAX_LINES = 1000

--- Maximum length of a line in bytes: it contains what the program passed.
local MAX_LENGTH = 500

--- The lines that this worker has written.
local written = {}
local line_count = 0

--- Logs a warning about the use of the driver, once per worker.
---@param subject string
---@param text string
local function warn(subject, text)
    local line = printable.of(subject .. ": " .. text, MAX_LENGTH)
    if written[line] ~= nil or line_count >= MAX_LINES then
        return
    end
    written[line] = true
    line_count = line_count + 1
    ngx.log(ngx.WARN, line)
end
_M.warn = warn

return _M
