-- Generated from src/resty/etcd/transport/tls/pem.ts by TypeScriptToLua. Do not edit.
local _M = {}
local find = string.find

--- Reports whether a text contains an encrypted block of a kind. The two forms are the label `ENCRYPTED PRIVATE KEY`, and
--- the header field `Proc-Type: 4,ENCRYPTED`, which blocks of every kind can have.
---@param text string
---@param kind "CERTIFICATE"|"PRIVATE KEY"
---@return boolean
local function has_encrypted_block(text, kind)
    for label, start in string.gmatch(text, "%-%-%-%-%-BEGIN ([^\n]-)%-%-%-%-%-()") do
        local of_kind = find(label, kind, 1, true)
        if of_kind ~= nil then
            local at = tonumber(start)
            local next_end = find(text, "-----END ", at, true)
            local block = string.sub(text, at, next_end)
            local encrypted_header = find(block, "Proc%-Type:[ \t]*4,[ \t]*ENCRYPTED")
            if label == "ENCRYPTED PRIVATE KEY" or encrypted_header ~= nil then
                return true
            end
        end
    end
    return false
end

--- Checks a PEM text before OpenSSL reads it.
---@param text string
---@param kind "CERTIFICATE"|"PRIVATE KEY"
---@return string? # an error text, or nil
local function check(text, kind)
    return has_encrypted_block(text, kind) and "encrypted, and nginx cannot ask for its pass phrase: decrypt it first" or nil
end
_M.check = check

return _M
