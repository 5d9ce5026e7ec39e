-- Generated from src/resty/etcd/transport/tls/pem.ts by TypeScriptToLua. Do not edit.
local _M = {}
local find = string.find
local sub = string.sub
local BEGIN = "-----BEGIN "

--- Reports whether a block is of a kind and encrypted.
---@param block string from its label up to the next block
---@param kind "CERTIFICATE"|"PRIVATE KEY"
---@return boolean
local function is_encrypted(block, kind)
    local label_end = find(block, "-----", 1, true)
    local label = sub(block, 1, (label_end or 1) - 1)
    local of_kind = find(label, kind, 1, true)
    local line_break = find(label, "\n", 1, true)
    if of_kind == nil or line_break ~= nil then
        return false
    end
    local end_at = find(block, "-----END ", label_end, true)
    local encrypted_header = find(
        sub(block, label_end, end_at),
        "Proc%-Type:[ \t]*4,[ \t]*ENCRYPTED"
    )
    return label == "ENCRYPTED PRIVATE KEY" or encrypted_header ~= nil
end

--- Reports whether a text contains an encrypted block of a kind. The two forms are the label `ENCRYPTED PRIVATE KEY`, and
--- the header field `Proc-Type: 4,ENCRYPTED`, which blocks of every kind can have.
---@param text string
---@param kind "CERTIFICATE"|"PRIVATE KEY"
---@return boolean
local function has_encrypted_block(text, kind)
    local ____, begin_end = find(text, BEGIN, 1, true)
    while begin_end ~= nil do
        local next_begin, next_begin_end = find(text, BEGIN, begin_end + 1, true)
        if is_encrypted(
            sub(text, begin_end + 1, (next_begin or 0) - 1),
            kind
        ) then
            return true
        end
        begin_end = next_begin_end
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
