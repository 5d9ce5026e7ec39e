-- Generated from src/resty/etcd/shared_log/writer_error.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local decimal = require("resty.etcd.base.decimal")
local dict_values = require("resty.etcd.base.dict_values")
local logs = require("resty.etcd.shared_log.log")
local byte = string.byte
local format = string.format
local match = string.match
local rep = string.rep
local sub = string.sub

--- Bytes of the value. It always has the same length: the dict then overwrites it in place, which works in a full dict.
local SIZE = 384
local NONE = rep(" ", SIZE)
local SPACE = 32

--- Returns the value for an error, or for none.
---@param err resty.etcd.protocol.errors.EtcdError?
---@return string
local function encode(err)
    if err == nil then
        return NONE
    end
    local text = format(
        "%s %d %d %s",
        err.name,
        err.code or 0,
        err.http_status or 0,
        err.message
    )
    return sub(text .. NONE, 1, SIZE)
end

--- Returns the error of a value; nil if it holds none.
---@param value string
---@return resty.etcd.protocol.errors.EtcdError?
local function decode(value)
    local name, code_text, http_status_text, padded = match(value, "^(%l[%l_]*) (%d+) (%d+) (.*)$")
    local code = decimal.parse(code_text)
    local http_status = decimal.parse(http_status_text)
    if code == nil or http_status == nil then
        return nil
    end
    local last = #padded
    while byte(padded, last) == SPACE do
        last = last - 1
    end
    local err = errors.local_error(
        name,
        sub(padded, 1, last)
    )
    if code ~= 0 then
        err.code = code
    end
    if http_status ~= 0 then
        err.http_status = http_status
    end
    return err
end

--- Makes room for errors. An error that a former writer has published stays until a writer has a response from etcd.
---@param log resty.etcd.shared_log.log.Log
local function reserve(log)
    log.dict:safe_add(log.name .. logs.ERROR_KEY, NONE)
end

--- Publishes the value for the error of the writer.
---@param log resty.etcd.shared_log.log.Log
---@param value string
local function publish(log, value)
    log.dict:safe_set(log.name .. logs.ERROR_KEY, value)
end

--- Returns the value that the writer has published.
---@param log resty.etcd.shared_log.log.Log
---@return string
local function read(log)
    return dict_values.get_text(log.dict, log.name .. logs.ERROR_KEY, SIZE) or NONE
end
_M.NONE = NONE
_M.decode = decode
_M.encode = encode
_M.publish = publish
_M.read = read
_M.reserve = reserve

return _M
