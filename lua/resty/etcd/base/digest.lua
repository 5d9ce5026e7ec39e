-- Generated from src/resty/etcd/base/digest.ts by TypeScriptToLua. Do not edit.
local _M = {}
local encode_base64 = ngx.encode_base64
local sha1_bin = ngx.sha1_bin

--- Iterations of a slow digest, the minimum that RFC 8018 recommends. They take 0.5 to 1 ms: an identity contains a password,
-- which must not be found by trying many, and is made when a worker starts.
local ITERATIONS = 1000

--- Slow digests that are kept, so that programs can create a client for each request.
local MAX_KEPT = 100

--- Slow digests by the digest of their text, which is no secret.
local kept = {}
local kept_count = 0

--- Returns a named field of an identity. The length in front of the value makes sure that different fields in a row never
--- give the same text, whatever bytes they contain; nil differs from an empty value.
---@param name string
---@param value string?
---@return string
local function field(name, value)
    if value == nil then
        return name .. " -;"
    end
    local text = tostring(value)
    return name .. " " .. tostring(#text) .. ":" .. text .. ";"
end

--- Returns a short text that stands for another one. It is found again from a guess: see `slow` for texts with passwords.
---@param text string
---@return string
local function of(text)
    return encode_base64(
        sha1_bin(text),
        true
    )
end

--- Returns a digest that costs `ITERATIONS` for each guess of its text, as PBKDF1 in RFC 8018: for names that others can read.
---@param text string
---@return string
local function slow(text)
    local first = sha1_bin(text)
    local result = kept[first]
    if result == nil then
        local bytes = first
        for _ = 2, ITERATIONS do
            bytes = sha1_bin(bytes)
        end
        result = encode_base64(bytes, true)
        if kept_count >= MAX_KEPT then
            kept = {}
            kept_count = 0
        end
        kept[first] = result
        kept_count = kept_count + 1
    end
    return result
end
_M.field = field
_M.of = of
_M.slow = slow

return _M
