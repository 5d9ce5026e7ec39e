-- Generated from src/resty/etcd/transport/fault.ts by TypeScriptToLua. Do not edit.
local _M = {}
local failures = require("resty.etcd.transport.failure")
local find = string.find

--- The failure of one step: connecting, the TLS handshake, sending, or reading.
---@class resty.etcd.transport.fault.Fault
---@field kind "timeout"|"closed"|"socket"|"malformed"|"too_large"|"config"|"phase"|"reset"|"tls"
---@field text string
---@field is_ca_ignored? true The platform has ignored the option `trusted_ca` of the client.

local function make_fault(kind, text)
    return {kind = kind, text = text}
end
local TIMEOUT = make_fault("timeout", "timeout")

--- Returns the fault of a response that is longer than a number of bytes.
---@param max_size number
---@return resty.etcd.transport.fault.Fault
local function too_large(max_size)
    return make_fault(
        "too_large",
        "response longer than " .. tostring(max_size) .. " bytes"
    )
end

--- Parts of texts that nginx and OpenSSL use for TLS errors only.
local TLS_PARTS = {"certificate", "handshake failed", "ssl", "SSL"}

--- Reports whether a text is of a TLS error. After an alert of the server it is just "error".
---@param text string
---@return boolean
local function is_tls_text(text)
    local numbered = find(text, "^%d+: ")
    if numbered ~= nil or text == "error" then
        return true
    end
    for ____, part in ipairs(TLS_PARTS) do
        local from = find(text, part, 1, true)
        if from ~= nil then
            return true
        end
    end
    return false
end

--- Returns the fault for an error text of a socket, because nginx and OpenSSL report errors as text only.
---@param text string
---@return resty.etcd.transport.fault.Fault
local function of_socket(text)
    if text == "timeout" then
        return TIMEOUT
    end
    if text == "closed" then
        return make_fault("closed", text)
    end
    local reset = find(text, "reset by peer", 1, true)
    if reset ~= nil or text == "broken pipe" then
        return make_fault("reset", text)
    end
    return make_fault(
        is_tls_text(text) and "tls" or "socket",
        text
    )
end

--- Returns the fault for an error text of a socket that rejects an option, unless its connection has broken.
---@param name string
---@param text string
---@return resty.etcd.transport.fault.Fault
local function of_rejected_option(name, text)
    local fault = of_socket(text)
    return (fault.kind == "socket" or fault.kind == "tls") and make_fault("config", name .. ": " .. text) or fault
end

--- Reports whether the server ended the connection, as it does with a pooled one that was idle for too long.
---@param fault resty.etcd.transport.fault.Fault
---@return boolean
local function is_connection_closed(fault)
    return fault.kind == "closed" or fault.kind == "reset"
end

--- Returns the failure of the exchange.
---@param fault resty.etcd.transport.fault.Fault
---@param sent boolean a part of the request was possibly sent
---@return resty.etcd.transport.transport.LocalFailure
local function to_failure(fault, sent)
    local kind = fault.kind
    if kind == "tls" then
        local failure = failures.local_failure(sent and "lost" or "connect", fault.text, sent)
        failure.is_tls = true
        if fault.is_ca_ignored == true then
            failure.is_ca_ignored = true
        end
        return failure
    end
    if kind == "closed" or kind == "reset" or kind == "socket" then
        return failures.local_failure(sent and "lost" or "connect", fault.text, sent, kind ~= "socket")
    end
    return failures.local_failure(kind, fault.text, sent)
end
_M.is_connection_closed = is_connection_closed
_M.make_fault = make_fault
_M.of_rejected_option = of_rejected_option
_M.of_socket = of_socket
_M.TIMEOUT = TIMEOUT
_M.to_failure = to_failure
_M.too_large = too_large

return _M
